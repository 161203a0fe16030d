//! Checks of relocatable files only: separate bodies, valid relocations and groups.

use object::elf::{ET_REL, SHT_GROUP, SHT_NULL, SHT_REL, SHT_RELA};

use super::super::header::HEADER_LEN;
use super::super::irregular::Tolerance;
use super::super::rela::RELA_LEN;
use super::super::section::Section;
use super::super::{ElfError, Module, SectionIndex, SectionRef, StringTableFault, SymbolIndex};
use super::{WORD_LEN, whole_entries};

/// How many bodies may share each byte of the file, on average: thousands of tables in the same
/// bytes would take thousands of times as long.
const OVERLAP_MAX: u64 = 4;

/// Checks what only relocatable files must have.
pub(in crate::elf) fn relocatable(
    module: &Module<'_>,
    tolerance: &mut Tolerance,
) -> Result<(), ElfError> {
    if module.file_type() != ET_REL.0 {
        return Err(ElfError::FileType(module.file_type()));
    }
    let segments = module.header.raw.e_phnum.get(module.header.endian);
    if segments != 0 {
        tolerance.unnoticed(ElfError::ProgramHeaders(segments))?;
    }
    if let Some(rel) = module.sections().find(|section| section.sh_type == SHT_REL) {
        tolerance.unnoticed(ElfError::Rel(rel.reference()))?;
    }
    bodies_apart(module, tolerance)?;
    // The kernel reads the last string to its end, and what follows may move.
    let mut modinfo = module.sections_named(b".modinfo");
    if let Some(section) = modinfo.find(|s| module.body(s.index).last().is_some_and(|c| *c != 0)) {
        let (section, fault) = (section.reference(), StringTableFault::NoTrailingNul);
        tolerance.unnoticed(ElfError::StringTable { section, fault })?;
    }
    for section in module.sections() {
        if section.sh_type == SHT_RELA {
            relocations(module, section, tolerance)?;
        } else if section.sh_type == SHT_GROUP {
            group(module, section, tolerance)?;
        }
    }
    Ok(())
}

fn bodies_apart(module: &Module<'_>, tolerance: &mut Tolerance) -> Result<(), ElfError> {
    let table = module.header.table_offset();
    let table_len = u64::from(HEADER_LEN)
        .saturating_mul(u64::try_from(module.sections.len()).unwrap_or(u64::MAX));
    let table_end = table.saturating_add(table_len);
    let mut bodies: Vec<&Section<'_>> = module.sections().filter(|s| s.has_body()).collect();
    bodies.sort_unstable_by_key(|section| (section.sh_offset, section.index));
    let whole = bodies.iter().fold(0_u64, |sum, section| sum.saturating_add(section.sh_size));
    let len = u64::try_from(module.data().len()).unwrap_or(u64::MAX);
    let shared = whole / OVERLAP_MAX > len;
    let mut before: Option<&Section<'_>> = None;
    for section in bodies {
        let offset = section.sh_offset;
        let end = offset.saturating_add(section.sh_size);
        let table = offset < table_end && end > table;
        if table || offset < u64::from(HEADER_LEN) {
            let section = section.reference();
            tolerance.unnoticed(ElfError::OverlapsHeaders { section, offset, table })?;
        }
        if let Some(other) = before
            && other.sh_offset.saturating_add(other.sh_size) > offset
        {
            let (section, other) = (section.reference(), other.reference());
            let fault = ElfError::Overlap { section, offset, other };
            if shared {
                return Err(fault);
            }
            tolerance.unnoticed(fault)?;
        }
        before = Some(section);
    }
    Ok(())
}

fn linked_to_symbols(
    module: &Module<'_>,
    section: &Section<'_>,
    tolerance: &mut Tolerance,
) -> Result<SectionRef, ElfError> {
    let symtab = module.symtab();
    if section.sh_link != symtab {
        let link = section.sh_link.get();
        let section = section.reference();
        tolerance.unnoticed(ElfError::NotLinkedToSymbols { section, link, symtab })?;
    }
    Ok(section.reference())
}

fn relocations(
    module: &Module<'_>,
    section: &Section<'_>,
    tolerance: &mut Tolerance,
) -> Result<(), ElfError> {
    let reference = linked_to_symbols(module, section, tolerance)?;
    whole_entries(section, RELA_LEN, tolerance)?;
    let target = module.section(SectionIndex::new(section.sh_info));
    if target.is_none_or(|target| target.sh_type == SHT_NULL || target.sh_type == SHT_RELA) {
        let (section, target) = (section.reference(), section.sh_info);
        tolerance.unnoticed(ElfError::RelocationTarget { section, target })?;
    }
    let count = module.symbol_count();
    for (entry, rela) in module.relocations(section.index).enumerate() {
        if rela.symbol.slot() >= count {
            let symbol = rela.symbol;
            let fault = ElfError::RelocationSymbol { section: reference, entry, symbol, count };
            return tolerance.unnoticed(fault);
        }
    }
    Ok(())
}

fn group(
    module: &Module<'_>,
    section: &Section<'_>,
    tolerance: &mut Tolerance,
) -> Result<(), ElfError> {
    let reference = linked_to_symbols(module, section, tolerance)?;
    let size = section.sh_size;
    if size < WORD_LEN || !size.is_multiple_of(WORD_LEN) {
        return tolerance.unnoticed(ElfError::GroupSize { section: reference, size });
    }
    let symbol = SymbolIndex::new(section.sh_info);
    let count = module.symbol_count();
    if symbol.slot() >= count {
        let section = section.reference();
        tolerance.unnoticed(ElfError::GroupSymbol { section, symbol, count })?;
    }
    for (member, index) in module.group_members(section.index).enumerate() {
        let found = module.section(index).map(|section| section.sh_type);
        if found.is_none_or(|sh_type| sh_type == SHT_NULL || sh_type == SHT_GROUP) {
            let value = index.get();
            return tolerance.unnoticed(ElfError::GroupMember {
                section: reference,
                member,
                value,
            });
        }
    }
    Ok(())
}
