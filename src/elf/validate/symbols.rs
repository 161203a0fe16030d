//! The symbol table: exactly one, and every symbol's name and section exist.

use object::elf::{SHN_XINDEX, SHT_SYMTAB, SHT_SYMTAB_SHNDX};
use object::{Endianness, U32};

use super::super::bytes::{body, entries};
use super::super::header::Header;
use super::super::irregular::Tolerance;
use super::super::section::Section;
use super::super::symbol::{ExtendedIndices, SYMBOL_LEN, SymbolSection, SymbolTable};
use super::super::{ElfError, SectionIndex, SymbolIndex, SymbolRef};
use super::{WORD_LEN, string_table, whole_entries};

/// Finds the symbol table and checks every symbol.
pub(in crate::elf) fn symbols<'data>(
    data: &'data [u8],
    header: &Header<'data>,
    sections: &[Section<'data>],
    tolerance: &mut Tolerance,
) -> Result<SymbolTable<'data>, ElfError> {
    let mut tables = sections.iter().filter(|section| section.sh_type == SHT_SYMTAB);
    let symtab = tables.next().ok_or(ElfError::NoSymbolTable)?;
    if let Some(other) = tables.next() {
        let (first, second) = (symtab.reference(), other.reference());
        return Err(ElfError::TwoSymbolTables { first, second });
    }
    whole_entries(symtab, SYMBOL_LEN, tolerance)?;
    let entries = entries(body(data, symtab));
    let count = entries.len();
    if SymbolIndex::new(symtab.sh_info).slot() > count {
        let (section, value) = (symtab.reference(), symtab.sh_info);
        tolerance.unnoticed(ElfError::FirstGlobal { section, value, count })?;
    }
    let strtab = sections.get(symtab.sh_link.slot()).ok_or(ElfError::NoSymbolTable)?;
    let table = SymbolTable {
        section: symtab.index,
        entries,
        strings: string_table(data, strtab, true, tolerance)?,
        extended: extended(data, sections, symtab, count, tolerance)?,
        endian: header.endian,
    };
    each_symbol(&table, sections.len(), tolerance)?;
    Ok(table)
}

fn extended<'data>(
    data: &'data [u8],
    sections: &[Section<'data>],
    symtab: &Section<'_>,
    symbols: usize,
    tolerance: &mut Tolerance,
) -> Result<Option<ExtendedIndices<'data>>, ElfError> {
    let mut tables = sections
        .iter()
        .filter(|section| section.sh_type == SHT_SYMTAB_SHNDX && section.sh_link == symtab.index);
    let Some(section) = tables.next() else {
        return Ok(None);
    };
    if let Some(other) = tables.next() {
        tolerance.unnoticed(ElfError::TwoExtendedTables(other.reference()))?;
    }
    whole_entries(section, WORD_LEN, tolerance)?;
    let words: &[U32<Endianness>] = entries(body(data, section));
    if words.len() != symbols {
        let entries = section.sh_size / WORD_LEN;
        tolerance.unnoticed(ElfError::ExtendedCount {
            section: section.reference(),
            entries,
            symbols,
        })?;
    }
    Ok(Some(ExtendedIndices { section: section.index, words }))
}

fn each_symbol(
    table: &SymbolTable<'_>,
    sections: usize,
    tolerance: &mut Tolerance,
) -> Result<(), ElfError> {
    let size = table.strings.bytes.len();
    for (slot, raw) in table.entries.iter().enumerate() {
        let index = SymbolIndex::of_slot(slot);
        let offset = raw.st_name.get(table.endian);
        if usize::try_from(offset).map_or(true, |offset| offset >= size) {
            return Err(ElfError::SymbolName { symbol: index, offset, size });
        }
        let reference = || SymbolRef::new(index, table.strings.get(offset).unwrap_or_default());
        match table.section_of(slot, raw) {
            SymbolSection::Defined(section)
                if section == SectionIndex::NULL || section.slot() >= sections =>
            {
                let section = section.get();
                let symbol = reference();
                tolerance.unnoticed(ElfError::SymbolSection {
                    symbol,
                    section,
                    count: sections,
                })?;
            }
            SymbolSection::Reserved(reserved) if reserved == SHN_XINDEX.0 => {
                tolerance.unnoticed(ElfError::NoExtendedTable { symbol: reference() })?;
            }
            _ => {}
        }
    }
    Ok(())
}
