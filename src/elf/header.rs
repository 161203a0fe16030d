//! The file header: what kind of ELF file this is and where its section headers are.
//!
//! First step of parsing. Counts and indices that do not fit 16 bits are read from section 0
//! (extended numbering, gABI "Sections"). Source: `elf_validity_ehdr` and
//! `elf_validity_cache_sechdrs` in `kernel/module/main.c`.

use object::elf::{ELFMAG, FileHeader64, SHN_XINDEX, SHT_NULL, SectionHeader64};
use object::{Endianness, pod};

use super::irregular::Tolerance;
use super::{ElfError, SectionIndex};

/// Size of the file header, and of a section header, in bytes.
pub(super) const HEADER_LEN: u16 = 64;

/// The file header and the table that it leads to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header<'data> {
    pub(super) raw: &'data FileHeader64<Endianness>,
    pub(super) endian: Endianness,
    pub(super) sections: &'data [SectionHeader64<Endianness>],
    /// The section that holds section names.
    pub(super) names: SectionIndex,
}

impl<'data> Header<'data> {
    pub(super) fn read(data: &'data [u8], tolerance: &mut Tolerance) -> Result<Self, ElfError> {
        let (raw, _) = pod::from_bytes::<FileHeader64<Endianness>>(data)
            .map_err(|()| ElfError::TooShort(data.len()))?;
        let ident = &raw.e_ident;
        if ident.magic != ELFMAG {
            return Err(ElfError::Magic(ident.magic));
        }
        if ident.class.0 != 2 {
            return Err(ElfError::Class(ident.class.0));
        }
        let endian = match ident.data.0 {
            1 => Endianness::Little,
            2 => Endianness::Big,
            other => return Err(ElfError::ByteOrder(other)),
        };
        let version = raw.e_version.get(endian);
        if ident.version.0 != 1 || version != 1 {
            let wrong = if version == 1 { u32::from(ident.version.0) } else { version };
            tolerance.unnoticed(ElfError::Version(wrong))?;
        }
        let wrong =
            |field, size| (size != HEADER_LEN).then_some(ElfError::HeaderSize { field, size });
        if let Some(fault) = wrong("e_ehsize", raw.e_ehsize.get(endian)) {
            tolerance.unnoticed(fault)?;
        }
        if let Some(fault) = wrong("e_shentsize", raw.e_shentsize.get(endian)) {
            return Err(fault);
        }
        let (sections, names) = section_table(data, raw, endian)?;
        Ok(Self { raw, endian, sections, names })
    }

    /// Offset of the section header table in the file.
    pub(super) fn table_offset(&self) -> u64 {
        self.raw.e_shoff.get(self.endian)
    }
}

type SectionTable<'data> = (&'data [SectionHeader64<Endianness>], SectionIndex);

fn section_table<'data>(
    data: &'data [u8],
    raw: &FileHeader64<Endianness>,
    endian: Endianness,
) -> Result<SectionTable<'data>, ElfError> {
    let offset = raw.e_shoff.get(endian);
    let short = u64::from(raw.e_shnum.get(endian));
    if offset == 0 {
        return Err(ElfError::NoSections);
    }
    let beyond = |count| ElfError::SectionTable { offset, count, len: data.len() };
    let table =
        usize::try_from(offset).ok().and_then(|at| data.get(at..)).ok_or_else(|| beyond(short))?;
    let (zero, _) =
        pod::from_bytes::<SectionHeader64<Endianness>>(table).map_err(|()| beyond(short.max(1)))?;
    if zero.sh_type.get(endian) != SHT_NULL {
        return Err(ElfError::SectionZero(zero.sh_type.get(endian).0));
    }
    let count = if short == 0 { zero.sh_size.get(endian) } else { short };
    if count == 0 {
        return Err(ElfError::NoSections);
    }
    let sections = usize::try_from(count)
        .ok()
        .filter(|_| u32::try_from(count).is_ok())
        .and_then(|count| pod::slice_from_bytes(table, count).ok())
        .map(|(sections, _)| sections)
        .ok_or_else(|| beyond(count))?;
    let names = match raw.e_shstrndx.get(endian) {
        SHN_XINDEX => zero.sh_link.get(endian),
        index => u32::from(index.0),
    };
    Ok((sections, SectionIndex::new(names)))
}
