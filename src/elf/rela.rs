//! Relocations with addends: decoded in place, encoded in the file's byte order.
//!
//! One entry is 24 bytes (`Elf64_Rela`). The type is a bare number, defined by the machine.

use std::slice;

use object::Endianness;
use object::elf::{Rela64, RelocationType};
use object::{I64, U64, pod};

use super::SymbolIndex;
use super::bytes::entries;

/// Size of an entry in bytes.
pub(super) const RELA_LEN: u64 = 24;

/// One relocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rela {
    /// The offset in the relocated section, in bytes.
    pub offset: u64,
    /// The symbol; [`SymbolIndex::NULL`] for none.
    pub symbol: SymbolIndex,
    /// The relocation type (`R_*`) of the file's machine.
    pub kind: u32,
    /// The addend.
    pub addend: i64,
}

impl Rela {
    fn decode(raw: &Rela64<Endianness>, endian: Endianness) -> Self {
        Self {
            offset: raw.r_offset.get(endian),
            symbol: SymbolIndex::new(raw.r_sym(endian, false)),
            kind: raw.r_type(endian, false).0,
            addend: raw.r_addend.get(endian),
        }
    }

    /// Appends the entry to a section's bytes.
    pub(super) fn encode(self, endian: Endianness, body: &mut Vec<u8>) {
        let kind = RelocationType(self.kind);
        let raw = Rela64 {
            r_offset: U64::new(endian, self.offset),
            r_info: Rela64::r_info(endian, false, self.symbol.get(), kind),
            r_addend: I64::new(endian, self.addend),
        };
        body.extend_from_slice(pod::bytes_of(&raw));
    }
}

/// The relocations of one section, in file order.
#[derive(Debug, Clone)]
pub struct Relocations<'data> {
    entries: slice::Iter<'data, Rela64<Endianness>>,
    endian: Endianness,
}

impl<'data> Relocations<'data> {
    /// The complete entries of a section's body.
    pub(super) fn new(body: &'data [u8], endian: Endianness) -> Self {
        Self { entries: entries::<Rela64<Endianness>>(body).iter(), endian }
    }
}

impl Iterator for Relocations<'_> {
    type Item = Rela;

    fn next(&mut self) -> Option<Rela> {
        self.entries.next().map(|raw| Rela::decode(raw, self.endian))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.entries.size_hint()
    }

    fn nth(&mut self, n: usize) -> Option<Rela> {
        self.entries.nth(n).map(|raw| Rela::decode(raw, self.endian))
    }
}

impl DoubleEndedIterator for Relocations<'_> {
    fn next_back(&mut self) -> Option<Rela> {
        self.entries.next_back().map(|raw| Rela::decode(raw, self.endian))
    }
}

impl ExactSizeIterator for Relocations<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_entry_is_written_as_the_abi_lays_it_out() {
        let rela = Rela { offset: 0x10, symbol: SymbolIndex::new(3), kind: 2, addend: -4 };
        let mut body = Vec::new();
        rela.encode(Endianness::Big, &mut body);
        assert_eq!(body[..8], [0, 0, 0, 0, 0, 0, 0, 0x10]);
        assert_eq!(body[8..16], [0, 0, 0, 3, 0, 0, 0, 2]);
        assert_eq!(body[16..], (-4_i64).to_be_bytes());
    }

    proptest! {
        #[test]
        fn entries_survive_a_round_trip(offset: u64, symbol: u32, kind: u32, addend: i64, big: bool) {
            let endian = if big { Endianness::Big } else { Endianness::Little };
            let rela = Rela { offset, symbol: SymbolIndex::new(symbol), kind, addend };
            let mut body = Vec::new();
            rela.encode(endian, &mut body);
            let read: Vec<Rela> = Relocations::new(&body, endian).collect();
            prop_assert_eq!(read, vec![rela]);
        }
    }
}
