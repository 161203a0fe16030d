//! Writes sections into a file: gives each body its offset, then emits the bytes.
//!
//! Bodies keep their order and alignment in the file; new ones follow. An alignment is limited to
//! that of the old offset, so a header cannot demand more padding than the old file had. Invariant:
//! bodies do not overlap, the section header table is last.

use std::borrow::Cow;

use object::elf::{
    FileHeader64, SHN_LORESERVE, SHT_NOBITS, SHT_NULL, SectionHeader64, SymbolSection as Shndx,
};
use object::{Endianness, U16, U32, U64, pod};

use super::header::{HEADER_LEN, Header};
use super::{ElfError, SectionIndex};

/// Largest file alignment of a section without an old offset: the largest page.
const ALIGN_MAX: u64 = 0x1_0000;
/// Alignment of the section header table.
const TABLE_ALIGN: u64 = 8;

/// A section to write, in new numbering except for `sh_offset`.
#[derive(Debug)]
pub(super) struct Output<'a> {
    pub(super) header: SectionHeader64<Endianness>,
    pub(super) body: Cow<'a, [u8]>,
    /// Whether the old file had it, at the offset that `header` still has.
    pub(super) is_old: bool,
}

/// Writes the file whose sections are `outputs`, by index; `names` holds their names.
pub(super) fn emit(
    old: &Header<'_>,
    names: SectionIndex,
    mut outputs: Vec<Output<'_>>,
) -> Result<Vec<u8>, ElfError> {
    let endian = old.endian;
    let mut order: Vec<usize> = (1..outputs.len()).collect();
    // Empty bodies come first at their offset, or they would move past the other's end.
    order.sort_by_key(|&slot| match outputs.get(slot) {
        Some(old) if old.is_old => (false, old.header.sh_offset.get(endian), !old.body.is_empty()),
        _ => (true, 0, true),
    });
    let mut end = u64::from(HEADER_LEN);
    for &slot in &order {
        if let Some(output) = outputs.get_mut(slot) {
            end = set_offset(output, end, endian)?;
        }
    }
    let table = align_up(end, TABLE_ALIGN)?;
    let count = u32::try_from(outputs.len()).map_err(|_| ElfError::TooLarge("section count"))?;
    if let Some(zero) = outputs.first_mut() {
        extended_counts(&mut zero.header, count, names, endian);
    }

    let table_len = u64::from(count).saturating_mul(u64::from(HEADER_LEN));
    let total = table.checked_add(table_len).and_then(|total| usize::try_from(total).ok());
    let mut file = Vec::with_capacity(total.ok_or(ElfError::TooLarge("size"))?);
    file.extend_from_slice(pod::bytes_of(&file_header(old, table, count, names)));
    for output in order.iter().filter_map(|&slot| outputs.get(slot)) {
        if !output.body.is_empty() {
            pad_to(&mut file, output.header.sh_offset.get(endian))?;
            file.extend_from_slice(&output.body);
        }
    }
    pad_to(&mut file, table)?;
    for output in &outputs {
        file.extend_from_slice(pod::bytes_of(&output.header));
    }
    Ok(file)
}

/// Gives a section its offset, and returns the end of its body.
fn set_offset(output: &mut Output<'_>, end: u64, endian: Endianness) -> Result<u64, ElfError> {
    let header = &mut output.header;
    if header.sh_type.get(endian) == SHT_NULL {
        return Ok(end);
    }
    let before = header.sh_offset.get(endian);
    let obeyed = if output.is_old && before != 0 {
        1_u64.checked_shl(before.trailing_zeros()).unwrap_or(ALIGN_MAX)
    } else {
        ALIGN_MAX
    };
    let start = align_up(end, header.sh_addralign.get(endian).clamp(1, obeyed))?;
    header.sh_offset = U64::new(endian, start);
    if header.sh_type.get(endian) == SHT_NOBITS || output.body.is_empty() {
        return Ok(end);
    }
    start.checked_add(length(&output.body)).ok_or(ElfError::TooLarge("size"))
}

/// Counts that do not fit the file header go to section 0 (gABI, "Sections").
fn extended_counts(
    zero: &mut SectionHeader64<Endianness>,
    count: u32,
    names: SectionIndex,
    endian: Endianness,
) {
    let beyond = |number: u32| {
        if number >= u32::from(SHN_LORESERVE) { number } else { 0 }
    };
    zero.sh_size = U64::new(endian, u64::from(beyond(count)));
    zero.sh_link = U32::new(endian, beyond(names.get()));
}

fn file_header(
    old: &Header<'_>,
    table: u64,
    count: u32,
    names: SectionIndex,
) -> FileHeader64<Endianness> {
    let endian = old.endian;
    let short = u16::try_from(count).ok().filter(|&count| count < SHN_LORESERVE).unwrap_or(0);
    FileHeader64 {
        e_shoff: U64::new(endian, table),
        e_shnum: U16::new(endian, short),
        e_shstrndx: U16::new(endian, Shndx::new(names.get())),
        ..*old.raw
    }
}

fn align_up(offset: u64, align: u64) -> Result<u64, ElfError> {
    offset.checked_next_multiple_of(align).ok_or(ElfError::TooLarge("size"))
}

fn pad_to(file: &mut Vec<u8>, offset: u64) -> Result<(), ElfError> {
    let offset = usize::try_from(offset).map_err(|_| ElfError::TooLarge("size"))?;
    file.resize(offset.max(file.len()), 0);
    Ok(())
}

/// Size of a body as headers have it.
pub(super) fn length(body: &[u8]) -> u64 {
    u64::try_from(body.len()).unwrap_or(u64::MAX)
}
