//! Checks a file before anything follows its indices and offsets.
//!
//! Second step of parsing. Each check relies on those before it: sections and their names, then
//! symbols, then (relocatable files only) relations between sections. The kernel checks part of
//! this (`elf_validity_*` in `kernel/module/main.c`) and trusts the rest, including the symbol
//! indices of relocations. Everything is linear except one sort of the sections.

mod relocatable;
mod sections;
mod symbols;

pub(super) use relocatable::relocatable;
pub(super) use sections::sections;
pub(super) use symbols::symbols;

use object::elf::SHT_STRTAB;

use super::bytes::body;
use super::irregular::Tolerance;
use super::section::Section;
use super::strings::StringTable;
use super::{ElfError, StringTableFault};

/// Size in bytes of a word of a group and of the extended section indices.
const WORD_LEN: u64 = 4;

fn body_in_file(data: &[u8], section: &Section<'_>) -> Result<(), ElfError> {
    let end = section.sh_offset.checked_add(section.sh_size);
    let inside = end.and_then(|end| usize::try_from(end).ok()).is_some_and(|end| end <= data.len());
    if inside || !section.has_body() {
        return Ok(());
    }
    let (offset, size) = (section.sh_offset, section.sh_size);
    Err(ElfError::Body { section: section.reference(), offset, size, len: data.len() })
}

/// `needs_nul`: whether the kernel requires a leading NUL, as it does for symbol names only.
fn string_table<'data>(
    data: &'data [u8],
    section: &Section<'_>,
    needs_nul: bool,
    tolerance: &mut Tolerance,
) -> Result<StringTable<'data>, ElfError> {
    let fault = |fault| ElfError::StringTable { section: section.reference(), fault };
    if section.sh_type != SHT_STRTAB {
        return Err(fault(StringTableFault::Type(section.sh_type.0)));
    }
    body_in_file(data, section)?;
    let bytes = body(data, section);
    let table = StringTable { section: section.index, bytes };
    match (bytes.first(), bytes.last()) {
        (None, _) | (_, None) => return Err(fault(StringTableFault::Empty)),
        (Some(&first), _) if first != 0 && needs_nul => {
            return Err(fault(StringTableFault::NoLeadingNul));
        }
        (Some(&first), _) if first != 0 => {
            tolerance.unnoticed(fault(StringTableFault::NoLeadingNul))?;
        }
        _ => {}
    }
    match bytes.last() {
        Some(0) if table.has_long_string() => Err(fault(StringTableFault::LongString)),
        Some(0) => Ok(table),
        _ => Err(fault(StringTableFault::NoTrailingNul)),
    }
}

/// Checks that a table's size is a whole number of entries that an index can count. The kernel
/// divides by its own entry size, and ignores the remainder.
fn whole_entries(
    section: &Section<'_>,
    entsize: u64,
    tolerance: &mut Tolerance,
) -> Result<(), ElfError> {
    if section.sh_entsize != entsize {
        let (section, given) = (section.reference(), section.sh_entsize);
        tolerance.unnoticed(ElfError::EntrySize { section, entsize: given, expected: entsize })?;
    }
    let size = section.sh_size;
    let fault = || ElfError::Entries { section: section.reference(), size, entsize };
    if u32::try_from(size / entsize).is_err() {
        return Err(fault());
    }
    if size.is_multiple_of(entsize) { Ok(()) } else { tolerance.unnoticed(fault()) }
}
