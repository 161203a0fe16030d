//! The names to look up: a set with fast misses.
//!
//! A source has a million names and a livepatch needs ten, so nearly every look-up is a miss. A
//! bitmap over the length and the last bytes of the names answers most misses from the L1 cache;
//! only what passes it is looked up in the set. Another one, over the first bytes, says of most names that no stem of theirs
//! can be in the set, without a search for dots.

use std::collections::HashSet;

use super::promoted::stems;
use crate::name::SYMBOL_NAME_MAX;

/// Bits in the filter: 8 KiB, a quarter of a typical L1 cache.
const FILTER_BITS: usize = 1 << 16;
/// Words of the filter of first bytes, which all look-ups make and few use.
const STARTS: usize = 16;
/// The first bytes that are compared.
const START: usize = 4;

/// A set of symbol names to look up in the sources.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    names: HashSet<&'a str>,
    filter: Box<[u64]>,
    /// The filter of first bytes; all ones if a name has fewer.
    starts: [u64; STARTS],
    release: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    /// The set of these names; repeated names count once. Those that no symbol can have, because they are
    /// longer than [`SYMBOL_NAME_MAX`], are left out: files can have gigabytes of them.
    pub fn new(names: impl IntoIterator<Item = &'a str>) -> Self {
        names.into_iter().collect()
    }

    /// Assumes a kernel of this release, if no source records one.
    #[must_use]
    pub fn of_release(self, release: Option<&'a str>) -> Self {
        Self { release, ..self }
    }

    /// The assumed release.
    pub(crate) fn release(&self) -> Option<&'a str> {
        self.release
    }

    /// The name in the set that equals this one.
    #[must_use]
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<&'a str> {
        let (word, bit) = filter_bit(name);
        if self.filter.get(word).is_none_or(|bits| bits & bit == 0) {
            return None;
        }
        self.names.get(std::str::from_utf8(name).ok()?).copied()
    }

    /// The name in the set that equals this one, or the part of it that some kernel compares.
    #[must_use]
    #[inline]
    pub(crate) fn admit(&self, name: &[u8]) -> Option<&'a str> {
        self.find(name).or_else(|| {
            let (word, bit) = start_bit(name);
            let starts = self.starts.get(word).is_some_and(|bits| bits & bit != 0);
            let stems = if starts { stems(name) } else { None };
            stems?.into_iter().find_map(|stem| self.find(stem))
        })
    }

    /// Whether the name is one of the set.
    #[must_use]
    pub fn contains(&self, name: &[u8]) -> bool {
        self.find(name).is_some()
    }

    /// The names, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> {
        self.names.iter().copied()
    }

    /// How many different names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

impl<'a> FromIterator<&'a str> for Wanted<'a> {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        let names = names.into_iter().filter(|name| name.len() <= SYMBOL_NAME_MAX);
        let names: HashSet<&str> = names.collect();
        let mut filter = vec![0_u64; FILTER_BITS / 64].into_boxed_slice();
        let mut starts = [0; STARTS];
        let set = |filter: &mut [u64], (word, bit): (usize, u64)| {
            if let Some(bits) = filter.get_mut(word) {
                *bits |= bit;
            }
        };
        for name in &names {
            set(&mut filter, filter_bit(name.as_bytes()));
            set(&mut starts, start_bit(name.as_bytes()));
        }
        if names.iter().any(|name| name.len() < START) {
            starts.fill(u64::MAX);
        }
        Self { names, filter, starts, release: None }
    }
}

/// The filter word and the bit in it that a name sets.
///
/// The last eight bytes, because kernel names of one file share their first ones.
#[inline]
fn filter_bit(name: &[u8]) -> (usize, u64) {
    let tail = name.last_chunk::<8>().copied().unwrap_or_else(|| {
        let mut padded = [0; 8];
        for (to, from) in padded.iter_mut().zip(name) {
            *to = *from;
        }
        padded
    });
    let length = u64::try_from(name.len()).unwrap_or(u64::MAX);
    let mixed = mixed(u64::from_le_bytes(tail) ^ length);
    let word = usize::try_from(mixed >> 54).unwrap_or(0);
    (word, 1 << ((mixed >> 48) & 63))
}

/// The word and the bit of the filter of first bytes that a name sets.
#[inline]
fn start_bit(name: &[u8]) -> (usize, u64) {
    let start = name.first_chunk::<START>().map_or(0, |start| u32::from_le_bytes(*start));
    let mixed = mixed(start.into());
    let word = usize::try_from(mixed >> 60).unwrap_or(0);
    (word, 1 << ((mixed >> 54) & 63))
}

#[inline]
fn mixed(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_length_are_found_and_others_are_not() {
        let names: Vec<String> = (0..40).map(|n| "x".repeat(n)).collect();
        let wanted = Wanted::new(names.iter().map(String::as_str));
        assert_eq!(wanted.len(), 40);
        for name in &names {
            assert_eq!(wanted.find(name.as_bytes()), Some(name.as_str()));
        }
        assert_eq!(wanted.find(b"xxxy"), None);
        assert_eq!(wanted.find(&[b'x'; 40]), None);
    }

    #[test]
    fn names_that_share_length_and_ending_are_distinguished() {
        let wanted = Wanted::new(["alpha_register_device"]);
        assert!(!wanted.contains(b"gamma_register_device"));
        assert!(wanted.contains(b"alpha_register_device"));
    }

    #[test]
    fn names_of_which_some_kernel_compares_a_wanted_part_are_admitted() {
        for wanted in ["f", "abc", "abcd", "read_it"] {
            let names = Wanted::new([wanted, "another_one"]);
            for end in ["", ".llvm.123", ".cold", ".cold.llvm.1"] {
                let name = format!("{wanted}{end}");
                assert_eq!(names.admit(name.as_bytes()), Some(wanted), "{name}");
            }
            assert_eq!(names.admit(format!("{wanted}x.llvm.1").as_bytes()), None);
            assert_eq!(names.admit(b"other.llvm.1"), None);
        }
        // What begins as the wanted names do, and does not.
        let names = Wanted::new(["read_it.cold"]);
        assert_eq!(names.admit(b"read_it.cold.llvm.1"), Some("read_it.cold"));
        assert_eq!(names.admit(b"read_it.llvm.1"), None);
    }

    #[test]
    fn bytes_that_are_not_text_are_never_wanted() {
        assert!(!Wanted::new(["ab"]).contains(b"\xff\xfe"));
    }

    #[test]
    fn names_that_no_symbol_can_have_are_not_looked_for() {
        let (long, longest) = ("x".repeat(SYMBOL_NAME_MAX + 1), "x".repeat(SYMBOL_NAME_MAX));
        let wanted = Wanted::new([long.as_str(), &longest]);
        assert_eq!(wanted.iter().collect::<Vec<_>>(), [longest.as_str()]);
    }

    #[test]
    fn repeated_names_count_once() {
        let wanted = Wanted::new(["a", "b", "a"]);
        assert_eq!(wanted.len(), 2);
        assert!(Wanted::new([]).is_empty());
    }
}
