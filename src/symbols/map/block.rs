//! Blocks of names, each followed by their records.
//!
//! A block has up to [`NAMES`] sorted stems, each encoded relative to the previous one. A
//! look-up searches the index of first stems and then reads one block of about two kilobytes.
//! Invariant: a block is used only after its checksum was verified, and no read leaves it.
//!
//! A block is: CRC-32 of the rest (4 bytes); length of the names in bytes; per stem the length that
//! it shares with the previous one, times two, plus one if it has exactly one record; the length
//! of the rest and the rest; the number of records if it is not one; after all stems the records.

use scroll::{LE, Pread};

use super::MapError;
use super::layout::checksum;
use super::varint::{Reader, put, put_bytes};
use crate::name::SYMBOL_NAME_MAX;

/// Stems in a block.
pub(super) const NAMES: usize = 128;

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
