//! One section as its header describes it.
//!
//! Fields keep their ABI names and are exact copies of the header; the name is resolved.

use object::elf::{SHT_NOBITS, SHT_NULL, SectionType};

use super::{SectionFlags, SectionIndex, SectionRef};

/// A section header. Sizes, offsets and alignments are in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section<'data> {
    /// Index in the section header table.
    pub index: SectionIndex,
    /// Name; empty for section 0, and for `SHT_NULL`, except in a module read as the kernel reads it.
    pub name: &'data [u8],
    /// What the section holds (`SHT_*`); types without a name are kept.
    pub sh_type: SectionType,
    /// Flags; bits without a name are kept.
    pub sh_flags: SectionFlags,
    /// Address at run time: 0 in relocatable files.
    pub sh_addr: u64,
    /// Offset of the body in the file.
    pub sh_offset: u64,
    /// Size of the body; for `SHT_NOBITS` the size in memory.
    pub sh_size: u64,
    /// A section that this one depends on, in a way defined by the type. In range, except in a
    /// module read as the kernel reads it.
    pub sh_link: SectionIndex,
    /// Section index, symbol index or else, depending on the type.
    pub sh_info: u32,
    /// Alignment in memory: 0 or a power of two, with the same exception.
    pub sh_addralign: u64,
    /// Size of an entry if the section is a table, else 0.
    pub sh_entsize: u64,
}

impl Section<'_> {
    /// Whether the section has bytes in the file.
    #[must_use]
    pub fn has_body(&self) -> bool {
        self.sh_type != SHT_NULL && self.sh_type != SHT_NOBITS && self.sh_size != 0
    }

    /// Its number and name, for errors.
    pub(super) fn reference(&self) -> SectionRef {
        SectionRef::new(self.index, self.name)
    }
}
