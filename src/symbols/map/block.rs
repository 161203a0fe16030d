//! Blocks of names, each followed by their records.
//!
//! A block has up to [`NAMES`] sorted stems, each encoded relative to the previous one, and no more once it has
//! [`RECORDS`]. A look-up searches the index of first stems and then reads one block of about two kilobytes.
//! Invariant: a block is used only after its checksum was verified, and no read leaves it.
//!
//! A block is: CRC-32 of the rest (4 bytes); length of the names in bytes; per stem the length that
//! it shares with the previous one, times two, plus one if it has exactly one record; the length
//! of the rest and the rest; the number of records if it is not one; after all stems the records.

use std::cmp::Ordering;

use scroll::{LE, Pread};

use super::MapError;
use super::layout::checksum;
use super::varint::{Reader, put, put_bytes};
use crate::name::SYMBOL_NAME_MAX;

/// Stems in a block.
const NAMES: usize = 128;
/// Records after which a block ends: a look-up passes over all before those that it is for.
const RECORDS: usize = 512;

/// The stems of each block, given how many records each stem has.
pub(super) fn cut<T>(stems: &[T], records: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let (mut blocks, mut rest) = (Vec::with_capacity(stems.len() / NAMES), stems);
    while !rest.is_empty() {
        let mut sum = 0;
        let fit = rest.iter().take(NAMES).take_while(|stem| {
            sum += records(stem);
            sum <= RECORDS
        });
        let (block, after) = rest.split_at_checked(fit.count().max(1)).unwrap_or((rest, &[]));
        blocks.push(block);
        rest = after;
    }
    blocks
}

/// Appends a block of stems with their numbers of records, and their records.
pub(super) fn write<'a>(
    stems: impl IntoIterator<Item = (&'a [u8], u64)>,
    records: &[u8],
) -> Vec<u8> {
    let mut names = Vec::new();
    let mut before: &[u8] = &[];
    for (stem, count) in stems {
        let shared = before.iter().zip(stem).take_while(|(a, b)| a == b).count();
        let one = count == 1;
        put(&mut names, u64::try_from(shared).unwrap_or(0) << 1 | u64::from(one));
        put_bytes(&mut names, stem.get(shared..).unwrap_or(&[]));
        if !one {
            put(&mut names, count);
        }
        before = stem;
    }
    let mut block = vec![0; 4];
    put_bytes(&mut block, &names);
    block.extend_from_slice(records);
    let crc = checksum(block.get(4..).unwrap_or(&[]));
    if let Some(field) = block.first_chunk_mut() {
        *field = crc.to_le_bytes();
    }
    block
}

/// A block whose checksum was verified.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'a> {
    names: Reader<'a>,
    pub(super) records: Reader<'a>,
}

impl<'a> Block<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, MapError> {
        let crc: u32 = bytes.pread_with(0, LE)?;
        let rest = bytes.get(4..).unwrap_or(&[]);
        if checksum(rest) != crc {
            return Err(MapError::Damaged("block"));
        }
        let mut reader = Reader(rest);
        let names = Reader(reader.bytes()?);
        Ok(Self { names, records: reader })
    }

    /// How many records come before those of a stem, and how many it has; `None` if it is not in the block.
    ///
    /// Stems are sorted and each says what it shares with the previous one, so that only bytes after
    /// what the previous one shares with the stem are compared, and none is copied.
    pub(super) fn find(&self, stem: &[u8]) -> Result<Option<(u64, u64)>, MapError> {
        let (mut names, mut skipped) = (self.names, 0_u64);
        // Of the current stem, which is before the one searched for: its length, and what both share.
        let (mut length, mut matched) = (0, 0);
        while !names.0.is_empty() {
            let head = names.number()?;
            let shared = usize::try_from(head >> 1).ok().filter(|shared| *shared <= length);
            let shared = shared.ok_or(MapError::Damaged("name"))?;
            let rest = names.bytes()?;
            length = shared + rest.len();
            if length > SYMBOL_NAME_MAX {
                return Err(MapError::Damaged("name"));
            }
            let count = if head & 1 == 1 { 1 } else { names.number()? };
            match shared.cmp(&matched) {
                // It differs from the stem where the previous one does.
                Ordering::Greater => {}
                Ordering::Less => return Ok(None),
                Ordering::Equal => {
                    let wanted = stem.get(matched..).unwrap_or(&[]);
                    let same = rest.iter().zip(wanted).take_while(|(a, b)| a == b).count();
                    matched += same;
                    match (rest.get(same), wanted.get(same)) {
                        (None, None) => return Ok(Some((skipped, count))),
                        (at, wanted) if at > wanted => return Ok(None),
                        _ => {}
                    }
                }
            }
            skipped = skipped.checked_add(count).ok_or(MapError::Damaged("number"))?;
        }
        Ok(None)
    }

    /// Passes each stem with its number of records, in order, until `see` stops.
    pub(super) fn each(
        &self,
        mut see: impl FnMut(&[u8], u64) -> Result<bool, MapError>,
    ) -> Result<(), MapError> {
        let mut names = self.names;
        let mut stem = Vec::with_capacity(64);
        while !names.0.is_empty() {
            let head = names.number()?;
            let shared = usize::try_from(head >> 1).ok().filter(|shared| *shared <= stem.len());
            stem.truncate(shared.ok_or(MapError::Damaged("name"))?);
            stem.extend_from_slice(names.bytes()?);
            if stem.len() > SYMBOL_NAME_MAX {
                return Err(MapError::Damaged("name"));
            }
            let count = if head & 1 == 1 { 1 } else { names.number()? };
            if !see(&stem, count)? {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_stem_is_found_after_the_records_of_those_before_it(
            stems in prop::collection::btree_map("[ab]{1,5}", 1_u64..4, 1..40),
            others in prop::collection::vec("[abc]{0,6}", 20),
        ) {
            let written = stems.iter().map(|(stem, count)| (stem.as_bytes(), *count));
            let bytes = write(written, b"records");
            let block = Block::open(&bytes).unwrap();
            let mut expected = BTreeMap::new();
            let mut before = 0;
            for (stem, count) in &stems {
                expected.insert(stem, (before, *count));
                before += count;
            }
            for stem in stems.keys().chain(&others) {
                prop_assert_eq!(block.find(stem.as_bytes()).unwrap(), expected.get(stem).copied());
            }
        }

        #[test]
        fn blocks_have_all_stems_and_few_records(counts in prop::collection::vec(1_usize..900, 0..400)) {
            let blocks = cut(&counts, |count| *count);
            prop_assert_eq!(blocks.concat(), counts.clone());
            for block in blocks {
                let records: usize = block.iter().sum();
                prop_assert!(block.len() <= NAMES && (block.len() == 1 || records <= RECORDS));
            }
        }
    }
}
