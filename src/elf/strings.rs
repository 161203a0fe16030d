//! String tables: read by offset, and rebuilt when names change.
//!
//! A rebuilt table keeps the strings in use in their old order, byte for byte, and drops the rest;
//! new names follow in the order of their first use. A string that starts within another one
//! (linkers merge suffixes) keeps doing so. A table that sections of other kinds read by offset is
//! never renumbered: there new names are appended.

use std::collections::HashMap;

use super::numbered::STRING_MAX;
use memchr::{memchr, memrchr};

use super::{ElfError, SectionIndex};

/// A string table: starts and ends with NUL, and no string is longer than [`STRING_MAX`].
#[derive(Debug, Clone, Copy)]
pub(super) struct StringTable<'data> {
    pub(super) section: SectionIndex,
    pub(super) bytes: &'data [u8],
}

impl<'data> StringTable<'data> {
    /// The string at an offset, without NUL.
    pub(super) fn get(&self, offset: u32) -> Option<&'data [u8]> {
        let tail = self.bytes.get(usize::try_from(offset).ok()?..)?;
        tail.get(..memchr(0, tail)?)
    }

    /// Whether a string is longer than [`STRING_MAX`].
    pub(super) fn has_long_string(&self) -> bool {
        has_run_without_nul(self.bytes, STRING_MAX)
    }
}

/// Whether more than `most` bytes follow one another without a NUL. Looks only at the end of each such stretch: the last
/// NUL there ends a string, and what is before it is shorter.
fn has_run_without_nul(bytes: &[u8], most: usize) -> bool {
    let mut rest = bytes;
    while let Some(stretch) = rest.get(..=most) {
        let Some(end) = memrchr(0, stretch) else { return true };
        rest = rest.get(end..).and_then(|rest| rest.get(1..)).unwrap_or_default();
    }
    false
}

/// A run of old strings that are also in the new table. There are few: most strings stay.
#[derive(Debug, Clone, Copy)]
struct Span {
    old: u32,
    new: u32,
}

/// A table that replaces an old one.
#[derive(Debug)]
pub(super) struct NewStrings<'a> {
    pub(super) bytes: Vec<u8>,
    spans: Vec<Span>,
    added: HashMap<&'a [u8], u32>,
}

impl<'a> NewStrings<'a> {
    /// The whole old table, then `added`.
    pub(super) fn append(
        old: StringTable<'_>,
        added: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, ElfError> {
        let spans = vec![Span { old: 0, new: 0 }];
        Self { bytes: old.bytes.to_vec(), spans, added: HashMap::new() }.add(added)
    }

    /// The strings of the old table at the offsets `used`, then `added`.
    pub(super) fn rebuild(
        old: StringTable<'_>,
        mut used: Vec<u32>,
        added: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, ElfError> {
        used.sort_unstable();
        // Both tables start with NUL, which is the empty string.
        let mut bytes = vec![0];
        let mut spans = vec![Span { old: 0, new: 0 }];
        let mut end = 1;
        for offset in used {
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            if start < end {
                continue;
            }
            let name = old.get(offset).unwrap_or_default();
            if start > end {
                spans.push(Span { old: offset, new: position(&bytes)? });
            }
            bytes.extend_from_slice(name);
            bytes.push(0);
            end = start.saturating_add(name.len()).saturating_add(1);
        }
        Self { bytes, spans, added: HashMap::new() }.add(added)
    }

    fn add(mut self, added: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, ElfError> {
        for name in added {
            if !name.is_empty() && !self.added.contains_key(name) {
                self.added.insert(name, position(&self.bytes)?);
                self.bytes.extend_from_slice(name);
                self.bytes.push(0);
            }
        }
        Ok(self)
    }

    /// The new offset of the string that was at an offset in `used`.
    pub(super) fn kept(&self, offset: u32) -> u32 {
        let after = self.spans.partition_point(|span| span.old <= offset);
        let span = after.checked_sub(1).and_then(|at| self.spans.get(at));
        span.map_or(0, |span| span.new.saturating_add(offset.saturating_sub(span.old)))
    }

    /// The offset of an added string; the empty one is at 0.
    pub(super) fn added(&self, name: &[u8]) -> u32 {
        self.added.get(name).copied().unwrap_or(0)
    }
}

fn position(bytes: &[u8]) -> Result<u32, ElfError> {
    u32::try_from(bytes.len()).map_err(|_| ElfError::TooLarge("string table"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table(bytes: &[u8]) -> StringTable<'_> {
        StringTable { section: SectionIndex::new(1), bytes }
    }

    proptest! {
        #[test]
        fn a_run_without_nul_is_found_as_by_looking_at_each_byte(
            bytes in prop::collection::vec(prop_oneof![3 => Just(1_u8), 1 => Just(0)], 0..60),
            most in 0_usize..12,
        ) {
            let mut each = bytes.split(|byte| *byte == 0);
            let expected = each.any(|run| run.len() > most);
            prop_assert_eq!(has_run_without_nul(&bytes, most), expected);
        }
    }

    #[test]
    fn unused_strings_are_dropped_and_the_others_keep_their_order() {
        let old = table(b"\0first\0second\0third\0");
        let new = NewStrings::rebuild(old, vec![14, 3], [&b"new"[..], b"", b"new"]).unwrap();
        assert_eq!(new.bytes, b"\0rst\0third\0new\0");
        assert_eq!((new.kept(3), new.kept(14)), (1, 5));
        assert_eq!((new.added(b"new"), new.added(b"")), (11, 0));
    }

    #[test]
    fn appending_moves_nothing() {
        let new = NewStrings::append(table(b"\0a\0"), [&b"a"[..]]).unwrap();
        assert_eq!(new.bytes, b"\0a\0a\0");
        assert_eq!((new.kept(1), new.added(b"a")), (1, 3));
    }

    #[test]
    fn the_longest_string_has_65535_bytes() {
        let longest = [&b"\0"[..], &[b'x'; STRING_MAX], b"\0"].concat();
        assert!(!table(&longest).has_long_string());
        let longer = [&b"\0"[..], &[b'x'; STRING_MAX + 1], b"\0\0"].concat();
        assert!(table(&longer).has_long_string());
    }

    proptest! {
        #[test]
        fn every_string_in_use_survives(
            text in "[ab\0]{0,40}",
            used in prop::collection::vec(0_u32..40, 0..20),
        ) {
            let bytes = [b"\0", text.as_bytes(), b"\0"].concat();
            let old = table(&bytes);
            let used: Vec<u32> =
                used.into_iter().filter(|&at| old.get(at).is_some_and(|s| !s.is_empty())).collect();
            let new = NewStrings::rebuild(old, used.clone(), []).unwrap();
            for offset in used {
                prop_assert_eq!(table(&new.bytes).get(new.kept(offset)), old.get(offset));
            }
            prop_assert!(new.bytes.len() <= bytes.len());
        }
    }
}
