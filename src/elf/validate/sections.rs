//! Section headers: names, bodies within the file, links that are valid and end.

use object::Endianness;
use object::elf::{SHT_NULL, SHT_RELA, SectionHeader64};

use super::super::header::Header;
use super::super::irregular::Tolerance;
use super::super::section::Section;
use super::super::{ElfError, SectionFlags, SectionIndex};
use super::{body_in_file, string_table};

/// Reads the section headers and their names.
pub(in crate::elf) fn sections<'data>(
    data: &'data [u8],
    header: &Header<'data>,
    tolerance: &mut Tolerance,
) -> Result<Vec<Section<'data>>, ElfError> {
    let count = header.sections.len();
    let missing = || ElfError::SectionNames { index: header.names.get(), count };
    let raw = header.sections.get(header.names.slot()).ok_or_else(missing)?;
    if header.names == SectionIndex::NULL {
        return Err(missing());
    }
    let endian = header.endian;
    let names = string_table(data, &section(header.names, raw, b"", endian), false, tolerance)?;
    let mut sections = Vec::with_capacity(count);
    for (slot, raw) in header.sections.iter().enumerate() {
        let index = SectionIndex::of_slot(slot);
        let empty = raw.sh_type.get(endian) == SHT_NULL;
        let (offset, size) = (raw.sh_name.get(endian), names.bytes.len());
        let fault = ElfError::SectionName { section: index, offset, size };
        let name = match names.get(offset) {
            _ if empty && !tolerance.is_of_kernel() => &[],
            Some(_) if index == SectionIndex::NULL => &[],
            Some(name) => name,
            None if empty => {
                tolerance.unnoticed(fault)?;
                &[]
            }
            None => return Err(fault),
        };
        sections.push(section(index, raw, name, endian));
    }
    // Section 0 has the extended counts in these fields.
    for section in sections.iter().skip(1) {
        header_fields(data, section, count, tolerance)?;
    }
    link_cycles(&sections, tolerance)?;
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

/// Checks each header by itself.
fn header_fields(
    data: &[u8],
    section: &Section<'_>,
    count: usize,
    tolerance: &mut Tolerance,
) -> Result<(), ElfError> {
    if section.sh_type == SHT_NULL {
        return Ok(());
    }
    body_in_file(data, section)?;
    let align = section.sh_addralign;
    if align != 0 && !align.is_power_of_two() {
        tolerance.unnoticed(ElfError::Alignment { section: section.reference(), align })?;
    }
    let link = |field, value| ElfError::Link { section: section.reference(), field, value, count };
    if section.sh_link.slot() >= count {
        tolerance.unnoticed(link("sh_link", section.sh_link.get()))?;
    }
    let target = SectionIndex::new(section.sh_info);
    let names_target =
        section.sh_type == SHT_RELA || section.sh_flags.contains(SectionFlags::INFO_LINK);
    if names_target && target.slot() >= count {
        tolerance.unnoticed(link("sh_info", section.sh_info))?;
    }
    Ok(())
}

/// Follows `sh_link` from every section; visits each section once.
fn link_cycles(sections: &[Section<'_>], tolerance: &mut Tolerance) -> Result<(), ElfError> {
    let mut seen_from = vec![SectionIndex::NULL; sections.len()];
    for start in sections.iter().skip(1) {
        let mut at = Some(start);
        while let Some(section) = at.filter(|section| section.sh_type != SHT_NULL) {
            let Some(mark) = seen_from.get_mut(section.index.slot()) else {
                break;
            };
            if *mark == start.index {
                tolerance.unnoticed(ElfError::LinkCycle { section: section.reference() })?;
                break;
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
