//! The symbols of a linked kernel, by name and by address.

use std::sync::Arc;

use rustc_hash::FxHashMap;

/// Names with their addresses and type letters.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Addresses and type letters of each name, in the kernel's order.
    by_name: FxHashMap<Arc<[u8]>, Vec<(u64, u8)>>,
    /// Sorted.
    by_address: Vec<(u64, Arc<[u8]>)>,
}

impl Listing {
    /// `symbols`: address, type letter and name of each, in the kernel's order.
    pub(super) fn new<'n>(symbols: impl Iterator<Item = (u64, u8, &'n [u8])>) -> Self {
        let mut listing = Self::default();
        for (address, letter, name) in symbols {
            let name: Arc<[u8]> = name.into();
            listing.by_address.push((address, name.clone()));
            listing.by_name.entry(name).or_default().push((address, letter));
        }
        listing.by_address.sort_by_key(|(address, _)| *address);
        listing
    }

    /// With further symbols that places are told by, and that are none of the kernel's.
    pub(super) fn with_places<'n>(
        mut self,
        symbols: impl Iterator<Item = (u64, &'n [u8])>,
    ) -> Self {
        self.by_address.extend(symbols.map(|(address, name)| (address, name.into())));
        self.by_address.sort_by_key(|(address, _)| *address);
        self
    }

    /// Addresses and type letters of a name, in the kernel's order.
    pub(super) fn named(&self, name: &[u8]) -> &[(u64, u8)] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// Addresses, in ascending order.
    pub(super) fn addresses(&self) -> impl Iterator<Item = u64> + '_ {
        self.by_address.iter().map(|(address, _)| *address)
    }

    /// An address in words: the symbol before it, and how far.
    pub(super) fn place(&self, address: u64) -> String {
        let after = self.by_address.partition_point(|(at, _)| *at <= address);
        match after.checked_sub(1).and_then(|index| self.by_address.get(index)) {
            Some((at, name)) if *at == address => crate::name::shown(name).into_owned(),
            Some((at, name)) => {
                format!("{}+{:#x}", crate::name::shown(name), address.wrapping_sub(*at))
            }
            None => format!("{address:#x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_by_the_last_symbol_at_or_before_it() {
        let symbols: [(u64, u8, &[u8]); 4] =
            [(16, b't', b"b"), (16, b'T', b"c"), (8, b't', b"a"), (32, b't', b"a")];
        let listing = Listing::new(symbols.into_iter());
        assert_eq!(listing.place(16), "c");
        assert_eq!(listing.place(20), "c+0x4");
        assert_eq!(listing.place(31), "c+0xf");
        assert_eq!(listing.place(7), "0x7");
        assert_eq!(listing.named(b"a"), [(8, b't'), (32, b't')]);
        assert!(listing.named(b"d").is_empty());
        assert_eq!(listing.addresses().collect::<Vec<_>>(), [8, 16, 16, 32]);
    }
}
