//! Any order of any number of things, from a few numbers.

use proptest::prelude::*;

/// Keys to sort by; those of zero keep the order.
#[derive(Debug, Clone)]
pub(crate) struct Order(Vec<u16>);

impl Order {
    /// All orders, or nearly so.
    pub(crate) fn any() -> impl Strategy<Value = Self> {
        prop::collection::vec(any::<u16>(), 16).prop_map(Self)
    }

    fn key(&self, index: usize) -> u64 {
        let key = u64::from(self.0[index % self.0.len()]);
        // Not the same for all that have the same key.
        let index = u64::try_from(index).unwrap();
        key.wrapping_mul(index.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1) >> 8
    }

    /// Reorders things.
    pub(crate) fn apply<T: Clone>(&self, things: &mut [T]) {
        let mut keyed: Vec<(u64, usize)> =
            (0..things.len()).map(|index| (self.key(index), index)).collect();
        keyed.sort_unstable();
        let sorted: Vec<T> = keyed.iter().map(|(_, index)| things[*index].clone()).collect();
        things.clone_from_slice(&sorted);
    }
}
