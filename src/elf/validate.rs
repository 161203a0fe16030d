//! What a file must be like before anything follows its indices and offsets.
//!
//! Second step of parsing. The order of the checks is the order in which they rely on each other:
//! sections and their names, then symbols, then (relocatable files only) what is between sections.
//! The kernel checks part of this (`elf_validity_*` in `kernel/module/main.c`) and trusts the rest,
//! among it the symbol indices of relocations. Everything is linear but for one sort of sections.

use object::elf::{
    ET_REL, SHN_XINDEX, SHT_GROUP, SHT_NULL, SHT_REL, SHT_RELA, SHT_STRTAB, SHT_SYMTAB,
    SHT_SYMTAB_SHNDX, SectionHeader64,
};
use object::{Endianness, U32, pod};

use super::error::{ElfError, SectionPlace, StringTableFault, SymbolPlace};
use super::header::{HEADER_LEN, Header};
use super::module::{Module, body};
use super::rela::RELA_LEN;
use super::section::Section;
use super::strings::StringTable;
use super::symbol::{ExtendedIndices, SYMBOL_LEN, SymbolSection, SymbolTable};
use super::{SectionFlags, SectionIndex, SymbolIndex};

/// Size in bytes of a word of a group and of the extended section indices.
const WORD_LEN: u64 = 4;

/// Reads the section headers and their names.
pub(super) fn sections<'data>(
    data: &'data [u8],
    header: &Header<'data>,
) -> Result<Vec<Section<'data>>, ElfError> {
    let count = header.sections.len();
    let missing = || ElfError::SectionNames { index: header.names.get(), count };
    let raw = header.sections.get(header.names.slot()).ok_or_else(missing)?;
    if header.names == SectionIndex::NULL {
        return Err(missing());
    }
    let endian = header.endian;
    let names = string_table(data, &section(header.names, raw, b"", endian))?;
    let mut sections = Vec::with_capacity(count);
    for (slot, raw) in header.sections.iter().enumerate() {
        let index = SectionIndex::of_slot(slot);
        let name = if raw.sh_type.get(endian) == SHT_NULL {
            &[]
        } else {
            let offset = raw.sh_name.get(endian);
            let size = names.bytes.len();
            names.get(offset).ok_or(ElfError::SectionName { section: index, offset, size })?
        };
        sections.push(section(index, raw, name, endian));
    }
    // Section 0 has the extended counts in these fields.
    for section in sections.iter().skip(1) {
        header_fields(data, section, count)?;
    }
    link_cycles(&sections)?;
    Ok(sections)
}

fn section<'data>(
    index: SectionIndex,
    raw: &SectionHeader64<Endianness>,
    name: &'data [u8],
    endian: Endianness,
) -> Section<'data> {
    Section {
        index,
        name,
        sh_type: raw.sh_type.get(endian),
        sh_flags: SectionFlags::from_bits_retain(raw.sh_flags.get(endian).0),
        sh_addr: raw.sh_addr.get(endian),
        sh_offset: raw.sh_offset.get(endian),
        sh_size: raw.sh_size.get(endian),
        sh_link: SectionIndex::new(raw.sh_link.get(endian)),
        sh_info: raw.sh_info.get(endian),
        sh_addralign: raw.sh_addralign.get(endian),
        sh_entsize: raw.sh_entsize.get(endian),
    }
}

/// What each header says by itself.
fn header_fields(data: &[u8], section: &Section<'_>, count: usize) -> Result<(), ElfError> {
    if section.sh_type == SHT_NULL {
        return Ok(());
    }
    body_in_file(data, section)?;
    let align = section.sh_addralign;
    if align != 0 && !align.is_power_of_two() {
        return Err(ElfError::Alignment { section: section.place(), align });
    }
    let link = |field, value| ElfError::Link { section: section.place(), field, value, count };
    if section.sh_link.slot() >= count {
        return Err(link("sh_link", section.sh_link.get()));
    }
    let target = SectionIndex::new(section.sh_info);
    let names_target =
        section.sh_type == SHT_RELA || section.sh_flags.contains(SectionFlags::INFO_LINK);
    if names_target && target.slot() >= count {
        return Err(link("sh_info", section.sh_info));
    }
    Ok(())
}

fn body_in_file(data: &[u8], section: &Section<'_>) -> Result<(), ElfError> {
    let end = section.sh_offset.checked_add(section.sh_size);
    let inside = end.and_then(|end| usize::try_from(end).ok()).is_some_and(|end| end <= data.len());
    if inside || !section.has_body() {
        return Ok(());
    }
    let (offset, size) = (section.sh_offset, section.sh_size);
    Err(ElfError::Body { section: section.place(), offset, size, len: data.len() })
}

/// Follows `sh_link` from every section; a section is looked at once.
fn link_cycles(sections: &[Section<'_>]) -> Result<(), ElfError> {
    let mut seen_from = vec![SectionIndex::NULL; sections.len()];
    for start in sections.iter().skip(1) {
        let mut at = Some(start);
        while let Some(section) = at.filter(|section| section.sh_type != SHT_NULL) {
            let Some(mark) = seen_from.get_mut(section.index.slot()) else {
                break;
            };
            if *mark == start.index {
                return Err(ElfError::LinkCycle { section: section.place() });
            }
            if *mark != SectionIndex::NULL {
                break;
            }
            *mark = start.index;
            at = sections.get(section.sh_link.slot());
        }
    }
    Ok(())
}

fn string_table<'data>(
    data: &'data [u8],
    section: &Section<'_>,
) -> Result<StringTable<'data>, ElfError> {
    let fault = |fault| ElfError::StringTable { section: section.place(), fault };
    if section.sh_type != SHT_STRTAB {
        return Err(fault(StringTableFault::Type(section.sh_type.0)));
    }
    body_in_file(data, section)?;
    let bytes = body(data, section);
    match (bytes.first(), bytes.last()) {
        (None, _) | (_, None) => Err(fault(StringTableFault::Empty)),
        (Some(&first), _) if first != 0 => Err(fault(StringTableFault::NoLeadingNul)),
        (_, Some(&last)) if last != 0 => Err(fault(StringTableFault::NoTrailingNul)),
        _ => Ok(StringTable { section: section.index, bytes }),
    }
}

/// Checks that a table's size is a whole number of entries that an index can count.
fn whole_entries(section: &Section<'_>, entsize: u64) -> Result<(), ElfError> {
    if section.sh_entsize != entsize {
        let (section, given) = (section.place(), section.sh_entsize);
        return Err(ElfError::EntrySize { section, entsize: given, expected: entsize });
    }
    let size = section.sh_size;
    if !size.is_multiple_of(entsize) || u32::try_from(size / entsize).is_err() {
        return Err(ElfError::Entries { section: section.place(), size, entsize });
    }
    Ok(())
}

/// Finds the symbol table and checks every symbol.
pub(super) fn symbols<'data>(
    data: &'data [u8],
    header: &Header<'data>,
    sections: &[Section<'data>],
) -> Result<SymbolTable<'data>, ElfError> {
    let mut tables = sections.iter().filter(|section| section.sh_type == SHT_SYMTAB);
    let symtab = tables.next().ok_or(ElfError::NoSymbolTable)?;
    if let Some(other) = tables.next() {
        let (first, second) = (symtab.place(), other.place());
        return Err(ElfError::TwoSymbolTables { first, second });
    }
    whole_entries(symtab, SYMBOL_LEN)?;
    let entries = pod::slice_from_all_bytes(body(data, symtab)).unwrap_or_default();
    let count = entries.len();
    if SymbolIndex::new(symtab.sh_info).slot() > count {
        let (section, value) = (symtab.place(), symtab.sh_info);
        return Err(ElfError::FirstGlobal { section, value, count });
    }
    let strtab = sections.get(symtab.sh_link.slot()).ok_or(ElfError::NoSymbolTable)?;
    let table = SymbolTable {
        section: symtab.index,
        entries,
        strings: string_table(data, strtab)?,
        extended: extended(data, sections, symtab, count)?,
        endian: header.endian,
    };
    each_symbol(&table, sections.len())?;
    Ok(table)
}

fn extended<'data>(
    data: &'data [u8],
    sections: &[Section<'data>],
    symtab: &Section<'_>,
    symbols: usize,
) -> Result<Option<ExtendedIndices<'data>>, ElfError> {
    let mut tables = sections
        .iter()
        .filter(|section| section.sh_type == SHT_SYMTAB_SHNDX && section.sh_link == symtab.index);
    let Some(section) = tables.next() else {
        return Ok(None);
    };
    if let Some(other) = tables.next() {
        return Err(ElfError::TwoExtendedTables(other.place()));
    }
    whole_entries(section, WORD_LEN)?;
    let words: &[U32<Endianness>] =
        pod::slice_from_all_bytes(body(data, section)).unwrap_or_default();
    if words.len() != symbols {
        let entries = section.sh_size / WORD_LEN;
        return Err(ElfError::ExtendedCount { section: section.place(), entries, symbols });
    }
    Ok(Some(ExtendedIndices { section: section.index, words }))
}

fn each_symbol(table: &SymbolTable<'_>, sections: usize) -> Result<(), ElfError> {
    let size = table.strings.bytes.len();
    for (slot, raw) in table.entries.iter().enumerate() {
        let index = SymbolIndex::of_slot(slot);
        let offset = raw.st_name.get(table.endian);
        if usize::try_from(offset).map_or(true, |offset| offset >= size) {
            return Err(ElfError::SymbolName { symbol: index, offset, size });
        }
        let place = || SymbolPlace::new(index, table.strings.get(offset).unwrap_or_default());
        match table.section_of(slot, raw) {
            SymbolSection::Defined(section)
                if section == SectionIndex::NULL || section.slot() >= sections =>
            {
                let section = section.get();
                return Err(ElfError::SymbolSection { symbol: place(), section, count: sections });
            }
            SymbolSection::Reserved(reserved) if reserved == SHN_XINDEX.0 => {
                return Err(ElfError::NoExtendedTable { symbol: place() });
            }
            _ => {}
        }
    }
    Ok(())
}

/// What only relocatable files have to be like.
pub(super) fn relocatable(module: &Module<'_>) -> Result<(), ElfError> {
    if module.file_type() != ET_REL.0 {
        return Err(ElfError::FileType(module.file_type()));
    }
    let segments = module.header.raw.e_phnum.get(module.header.endian);
    if segments != 0 {
        return Err(ElfError::ProgramHeaders(segments));
    }
    if let Some(rel) = module.sections().find(|section| section.sh_type == SHT_REL) {
        return Err(ElfError::Rel(rel.place()));
    }
    bodies_apart(module)?;
    for section in module.sections() {
        if section.sh_type == SHT_RELA {
            relocations(module, section)?;
        } else if section.sh_type == SHT_GROUP {
            group(module, section)?;
        }
    }
    Ok(())
}

fn bodies_apart(module: &Module<'_>) -> Result<(), ElfError> {
    let table = module.header.table_offset();
    let table_len = u64::from(HEADER_LEN)
        .saturating_mul(u64::try_from(module.sections.len()).unwrap_or(u64::MAX));
    let table_end = table.saturating_add(table_len);
    let mut bodies: Vec<&Section<'_>> = module.sections().filter(|s| s.has_body()).collect();
    bodies.sort_unstable_by_key(|section| (section.sh_offset, section.index));
    let mut before: Option<&Section<'_>> = None;
    for section in bodies {
        let offset = section.sh_offset;
        let end = offset.saturating_add(section.sh_size);
        if offset < u64::from(HEADER_LEN) || (offset < table_end && end > table) {
            return Err(ElfError::OverlapsHeaders { section: section.place(), offset });
        }
        if let Some(other) = before
            && other.sh_offset.saturating_add(other.sh_size) > offset
        {
            let (section, other) = (section.place(), other.place());
            return Err(ElfError::Overlap { section, offset, other });
        }
        before = Some(section);
    }
    Ok(())
}

fn linked_to_symbols(module: &Module<'_>, section: &Section<'_>) -> Result<SectionPlace, ElfError> {
    let symtab = module.symtab();
    if section.sh_link == symtab {
        return Ok(section.place());
    }
    let link = section.sh_link.get();
    Err(ElfError::NotLinkedToSymbols { section: section.place(), link, symtab })
}

fn relocations(module: &Module<'_>, section: &Section<'_>) -> Result<(), ElfError> {
    let place = linked_to_symbols(module, section)?;
    whole_entries(section, RELA_LEN)?;
    let target = module.section(SectionIndex::new(section.sh_info));
    if target.is_none_or(|target| target.sh_type == SHT_NULL || target.sh_type == SHT_RELA) {
        return Err(ElfError::RelocationTarget { section: place, target: section.sh_info });
    }
    let count = module.symbol_count();
    for (entry, rela) in module.relocations(section.index).enumerate() {
        if rela.symbol.slot() >= count {
            return Err(ElfError::RelocationSymbol {
                section: place,
                entry,
                symbol: rela.symbol,
                count,
            });
        }
    }
    Ok(())
}

fn group(module: &Module<'_>, section: &Section<'_>) -> Result<(), ElfError> {
    let place = linked_to_symbols(module, section)?;
    let size = section.sh_size;
    if size < WORD_LEN || !size.is_multiple_of(WORD_LEN) {
        return Err(ElfError::GroupSize { section: place, size });
    }
    let symbol = SymbolIndex::new(section.sh_info);
    let count = module.symbol_count();
    if symbol.slot() >= count {
        return Err(ElfError::GroupSymbol { section: place, symbol, count });
    }
    for (member, index) in module.group_members(section.index).enumerate() {
        let found = module.section(index).map(|section| section.sh_type);
        if found.is_none_or(|sh_type| sh_type == SHT_NULL || sh_type == SHT_GROUP) {
            return Err(ElfError::GroupMember { section: place, member, value: index.get() });
        }
    }
    Ok(())
}
