//! The kernel's heapsort, exactly.
//!
//! ppc64le and arm64 sort relocation tables in place before they apply them. Heapsort is not
//! stable: which of two equal entries comes first (and so the order of stubs and
//! the bytes of a table in memory) depends on the algorithm, step by step. Invariant: every
//! comparison and every swap is the kernel's, in its order. There are three generations:
//! see [`Generation`].
//! Source: `lib/sort.c:sort_r`, in later kernels `__sort_r`.

use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::row::Features;

/// Which of the kernel's heapsorts.
///
/// Found in 6.1 to 6.8, in 6.9 and 6.10, and in 6.11 to 7.3. They differ in where equal keys end up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Generation {
    /// Until Linux 6.8: one element is taken from the heap at a time, and of equal children the left one
    /// moves up.
    Single,
    /// Linux 6.9 and 6.10: as [`Self::Double`], but the last three are taken one at a time.
    DoubleThenSingle,
    /// Since Linux 6.11: the two largest elements are taken at a time, and of equal children the right one
    /// moves up; of the last three, two are only swapped if they are in the wrong order.
    Double,
}

impl Generation {
    /// The heapsort of a kernel with these features ([`Features::OLD_SORT`], [`Features::MIDDLE_SORT`]).
    #[must_use]
    pub fn of(features: Features) -> Self {
        if features.contains(Features::OLD_SORT) {
            Self::Single
        } else if features.contains(Features::MIDDLE_SORT) {
            Self::DoubleThenSingle
        } else {
            Self::Double
        }
    }
}

/// Sorts in ascending order, as the kernel does; `compare` is its `cmp_func`.
///
/// Takes O(n log n) comparisons and no memory. `compare` may be anything: an inconsistent
/// order gives some permutation.
pub fn sort<T: Copy>(
    generation: Generation,
    items: &mut [T],
    mut compare: impl FnMut(&T, &T) -> Ordering,
) {
    let mut heap = Heap { length: items.len(), items, compare: &mut compare };
    match generation {
        Generation::Single => heap.sort_single(),
        Generation::DoubleThenSingle => heap.sort_double_then_single(),
        Generation::Double => heap.sort_double(),
    }
}

/// [`sort()`] by a key, with the same result.
///
/// Heapsort accesses memory at random, so large tables are sorted as pairs of eight
/// bytes: the rank of an element's key, and its index. That takes a third of the time for
/// millions of entries, and memory for a key and a pair each.
pub fn sort_by_key<T: Copy, K: Ord>(
    generation: Generation,
    items: &mut [T],
    key: impl Fn(&T) -> K,
) {
    if u32::try_from(items.len()).is_err() {
        return sort(generation, items, |x, y| key(x).cmp(&key(y)));
    }
    let mut keyed: Vec<(K, u32)> = items.iter().map(&key).zip(0..).collect();
    keyed.sort_unstable_by(|(x, _), (y, _)| x.cmp(y));
    let slot = |index: u32| usize::try_from(index).unwrap_or(usize::MAX);
    let mut pairs: Vec<(u32, u32)> = (0..).map(|index| (0, index)).take(items.len()).collect();
    for (rank, group) in (0..).zip(keyed.chunk_by(|(x, _), (y, _)| x == y)) {
        for &(_, index) in group {
            if let Some(pair) = pairs.get_mut(slot(index)) {
                pair.0 = rank;
            }
        }
    }
    drop(keyed);
    sort(generation, &mut pairs, |(x, _), (y, _)| x.cmp(y));
    let sorted: Vec<T> =
        pairs.iter().filter_map(|&(_, index)| items.get(slot(index)).copied()).collect();
    items.iter_mut().zip(sorted).for_each(|(to, from)| *to = from);
}

/// The first `length` elements are the heap, those after it are sorted.
struct Heap<'a, T, F> {
    items: &'a mut [T],
    length: usize,
    compare: &'a mut F,
}

impl<T: Copy, F: FnMut(&T, &T) -> Ordering> Heap<'_, T, F> {
    /// How two elements compare, by index; elements that do not exist are equal.
    #[inline]
    fn order(&mut self, left: usize, right: usize) -> Ordering {
        match (self.items.get(left), self.items.get(right)) {
            (Some(left), Some(right)) => (self.compare)(left, right),
            _ => Ordering::Equal,
        }
    }

    /// Makes a heap of everything; `left_if_equal` as for [`Self::sift`].
    fn build(&mut self, left_if_equal: bool) {
        for root in (0..self.length / 2).rev() {
            self.sift(root, left_if_equal);
        }
    }

    /// Moves the element at `root` down to where it belongs: first along the greater
    /// children to the bottom, then back up.
    #[inline]
    fn sift(&mut self, root: usize, left_if_equal: bool) {
        let mut node = root;
        loop {
            let (left, right) = (2 * node + 1, 2 * node + 2);
            if right < self.length {
                let order = self.order(left, right);
                let goes_left = order.is_gt() || left_if_equal && order.is_eq();
                node = if goes_left { left } else { right };
            } else {
                // The last leaf may have no sibling.
                node = if right == self.length { left } else { node };
                break;
            }
        }
        while node != root && self.order(root, node).is_ge() {
            node = parent(node);
        }
        // Swapping with the bottom, one after the other up to the root, is a rotation.
        let bottom = node;
        let Some(mut carried) = self.items.get(bottom).copied() else { return };
        while node != root {
            node = parent(node);
            if let Some(item) = self.items.get_mut(node) {
                core::mem::swap(item, &mut carried);
            }
        }
        if let Some(item) = self.items.get_mut(bottom) {
            *item = carried;
        }
    }

    /// Takes the last element off the heap and puts the one at `root` there.
    fn take(&mut self, root: usize) {
        self.length -= 1;
        self.items.swap(root, self.length);
    }

    fn sort_single(&mut self) {
        self.build(true);
        while self.length > 1 {
            self.take(0);
            self.sift(0, true);
        }
    }

    fn sort_double_then_single(&mut self) {
        self.take_pairs();
        while self.length > 1 {
            self.take(0);
            self.sift(0, false);
        }
    }

    fn sort_double(&mut self) {
        if self.length < 2 {
            return;
        }
        self.take_pairs();
        self.take(0);
        if self.length == 2 && self.order(0, 1).is_gt() {
            self.items.swap(0, 1);
        }
    }

    /// Builds the heap and takes the two largest, until three or fewer are left.
    fn take_pairs(&mut self) {
        self.build(false);
        while self.length > 3 {
            self.take(0);
            // The second largest is one of the children; its subtree is repaired first, ...
            let second = if self.order(1, 2).is_le() { 2 } else { 1 };
            self.take(second);
            self.sift(second, false);
            // ... and then that of the root.
            self.sift(0, false);
        }
    }
}

/// Index of the parent of an element that is not the root.
fn parent(child: usize) -> usize {
    (child - 1) / 2
}
