//! Rewrites bodies that refer to sections or symbols by index.
//!
//! Relocations, the symbol table with its extended section indices, section groups, and LLVM's list
//! of address-significant symbols. All are written in the file's byte order from checked edits and
//! the [`Renumbering`] made for them.

use object::elf::{SectionType, Sym64, SymbolInfo, SymbolOther};
use object::{U16, U32, U64, pod};

use super::renumber::Renumbering;
use super::section::Section;
use super::strings::NewStrings;
use super::{Edits, ElfError, Module, NewSymbol, Rela, SymbolIndex, SymbolSection};

/// LLVM's list of address-significant symbols: ULEB128 symbol indices (`SHT_LLVM_ADDRSIG`).
pub(super) const SHT_LLVM_ADDRSIG: SectionType = SectionType(0x6fff_4c03);

/// Relocations with renumbered symbols.
pub(super) fn relocations(
    module: &Module<'_>,
    renumbering: &Renumbering,
    relocations: impl ExactSizeIterator<Item = Rela>,
) -> Vec<u8> {
    let mut body = Vec::with_capacity(relocations.len().saturating_mul(24));
    for rela in relocations {
        let symbol = renumbering.symbol(rela.symbol).unwrap_or_default();
        Rela { symbol, ..rela }.encode(module.header.endian, &mut body);
    }
    body
}

/// The symbol table, and the extended section indices that go with it.
#[derive(Debug)]
pub(super) struct NewSymbols {
    pub(super) symtab: Vec<u8>,
    pub(super) extended: Vec<u8>,
}

impl NewSymbols {
    /// Both tables after the edits; `names` is the new string table, if it changes.
    pub(super) fn new(
        module: &Module<'_>,
        edits: &Edits,
        renumbering: &Renumbering,
        names: Option<&NewStrings<'_>>,
    ) -> Self {
        let table = &module.symbols;
        let endian = table.endian;
        let mut symtab = Vec::with_capacity(table.entries.len().saturating_mul(24));
        let mut extended = Vec::with_capacity(table.entries.len().saturating_mul(4));
        let (locals, globals) = edits.new_symbols.iter().partition::<Vec<_>, _>(|s| s.is_local());
        let added = |symbols: Vec<&NewSymbol>, symtab: &mut Vec<u8>, extended: &mut Vec<u8>| {
            for symbol in symbols {
                let (short, long) = renumbering.symbol_section(symbol.section).encode();
                let raw = Sym64 {
                    st_name: U32::new(endian, names.map_or(0, |names| names.added(&symbol.name))),
                    st_info: SymbolInfo::new(symbol.bind, symbol.kind),
                    st_other: SymbolOther(0),
                    st_shndx: U16::new(endian, short),
                    st_value: U64::new(endian, 0),
                    st_size: U64::new(endian, 0),
                };
                symtab.extend_from_slice(pod::bytes_of(&raw));
                extended.extend_from_slice(pod::bytes_of(&U32::new(endian, long)));
            }
        };
        let first_global = module.first_global();
        let mut locals = Some(locals);
        for (slot, raw) in table.entries.iter().enumerate() {
            if slot >= first_global
                && let Some(locals) = locals.take()
            {
                added(locals, &mut symtab, &mut extended);
            }
            let index = SymbolIndex::of_slot(slot);
            if renumbering.symbol(index).is_none() {
                continue;
            }
            let mut raw = *raw;
            if let Some(names) = names {
                let offset = raw.st_name.get(endian);
                let offset = match edits.names.get(&index) {
                    Some(name) => names.added(name),
                    None => names.kept(offset),
                };
                raw.st_name = U32::new(endian, offset);
            }
            if let Some(&size) = edits.sizes.get(&index) {
                raw.st_size = U64::new(endian, size);
            }
            let section = edits.symbol_sections.get(&index).copied();
            if section == Some(SymbolSection::Livepatch) {
                raw.st_value = U64::new(endian, 0);
            }
            let section = section.unwrap_or_else(|| table.section_of(slot, &raw));
            let (short, long) = renumbering.symbol_section(section).encode();
            raw.st_shndx = U16::new(endian, short);
            symtab.extend_from_slice(pod::bytes_of(&raw));
            extended.extend_from_slice(pod::bytes_of(&U32::new(endian, long)));
        }
        added(locals.unwrap_or_default(), &mut symtab, &mut extended);
        added(globals, &mut symtab, &mut extended);
        Self { symtab, extended }
    }
}

/// A section group without its removed members.
pub(super) fn group(
    module: &Module<'_>,
    renumbering: &Renumbering,
    group: &Section<'_>,
) -> Vec<u8> {
    let flags = module.body(group.index).get(..4).unwrap_or_default();
    let mut body = flags.to_vec();
    for member in module.group_members(group.index) {
        if let Some(index) = renumbering.section(member) {
            body.extend_from_slice(pod::bytes_of(&U32::new(module.header.endian, index.get())));
        }
    }
    body
}

/// A list of symbols in ULEB128 without its removed ones.
pub(super) fn address_significance(
    module: &Module<'_>,
    renumbering: &Renumbering,
    section: &Section<'_>,
    old: &[u8],
) -> Result<Vec<u8>, ElfError> {
    let mut body = Vec::with_capacity(old.len());
    let mut rest = old;
    while !rest.is_empty() {
        let offset = old.len().saturating_sub(rest.len());
        let malformed = || ElfError::AddressSignificance { section: section.reference(), offset };
        let (number, tail) = take_uleb(rest).ok_or_else(malformed)?;
        let symbol = module.symbol(SymbolIndex::new(number)).ok_or_else(malformed)?;
        if let Some(index) = renumbering.symbol(symbol.index) {
            put_uleb(index.get(), &mut body);
        }
        rest = tail;
    }
    Ok(body)
}

fn take_uleb(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut value = 0_u32;
    let mut scale = 1_u32;
    for (at, &byte) in bytes.iter().enumerate().take(5) {
        let digit = u32::from(byte & 0x7f).checked_mul(scale)?;
        value = value.checked_add(digit)?;
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(at.checked_add(1)?..)?));
        }
        // 32 bits hold at most five digits.
        scale = scale.checked_mul(0x80).unwrap_or(0);
    }
    None
}

fn put_uleb(mut value: u32, body: &mut Vec<u8>) {
    loop {
        let [digit, ..] = (value & 0x7f).to_le_bytes();
        value >>= 7;
        if value == 0 {
            body.push(digit);
            return;
        }
        body.push(digit | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_that_is_truncated_or_exceeds_32_bits_is_refused() {
        assert_eq!(take_uleb(&[0xff, 0xff, 0xff, 0xff, 0x1f]), None);
        assert_eq!(take_uleb(&[0x80, 0x80]), None);
        assert_eq!(take_uleb(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x01]), None);
        assert_eq!(take_uleb(&[0xe5, 0x8e, 0x26, 0x07]), Some((624_485, &[7][..])));
    }

    proptest! {
        #[test]
        fn symbol_lists_survive_a_round_trip(value: u32) {
            let mut body = Vec::new();
            put_uleb(value, &mut body);
            prop_assert_eq!(take_uleb(&body), Some((value, &[][..])));
        }
    }
}
