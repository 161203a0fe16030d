//! What only relocatable files have to be like: separate bodies, relocations and groups that fit.

use object::elf::{ET_REL, SHT_GROUP, SHT_NULL, SHT_REL, SHT_RELA};

use super::super::header::HEADER_LEN;
use super::super::rela::RELA_LEN;
use super::super::section::Section;
use super::super::{ElfError, Module, SectionIndex, SectionPlace, SymbolIndex};
use super::{WORD_LEN, whole_entries};

/// What only relocatable files have to be like.
pub(in crate::elf) fn relocatable(module: &Module<'_>) -> Result<(), ElfError> {
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
