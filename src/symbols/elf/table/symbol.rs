//! One entry of a symbol table.
//!
//! What a visit of [`super::ElfTable`] passes. Layout: gABI, "Symbol Table".

use object::elf;

use super::Section;
use crate::symbols::{Binding, Kind};

/// A decoded `st_shndx`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shndx {
    Undefined,
    Absolute,
    Common,
    /// In a section, by its index.
    Section(usize),
    /// Another reserved index, or one without a section.
    Reserved,
}

/// One entry of the symbol table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Symbol<'a> {
    /// Index in the table.
    pub(crate) index: u64,
    pub(crate) name: &'a [u8],
    /// `st_name`: where the name starts in the string table.
    pub(crate) name_offset: u32,
    pub(crate) info: u8,
    /// `st_other`
    pub(crate) other: u8,
    pub(crate) shndx: Shndx,
    /// The section and its name, if `shndx` is one.
    pub(crate) section: Option<(&'a Section, &'a [u8])>,
    pub(crate) value: u64,
    pub(crate) size: u64,
    /// How many `STT_FILE` symbols precede it.
    pub(crate) files: u32,
}

impl<'a> Symbol<'a> {
    /// `STT_*`.
    pub(crate) fn st_type(&self) -> elf::SymbolType {
        elf::SymbolType(self.info & 0xf)
    }

    pub(crate) fn binding(&self) -> Binding {
        match elf::SymbolBind(self.info >> 4) {
            elf::STB_LOCAL => Binding::Local,
            elf::STB_GLOBAL => Binding::Global,
            elf::STB_WEAK => Binding::Weak,
            _ => Binding::Other,
        }
    }

    /// The number of the `STT_FILE` symbol that names its source file, from 0. Only symbols that were
    /// local when the file was compiled have one: globals come after the last file, including hidden ones,
    /// which lld makes local (`computeBinding`) and Clang's LTO creates for static functions.
    pub(crate) fn unit(&self) -> Option<u32> {
        let visibility = elf::SymbolOther(self.other).visibility();
        let local = self.binding() == Binding::Local && visibility == elf::STV_DEFAULT;
        self.files.checked_sub(1).filter(|_| local)
    }

    /// `STB_GNU_UNIQUE`, type `u` of `nm`.
    pub(crate) fn is_gnu_unique(&self) -> bool {
        elf::SymbolBind(self.info >> 4) == elf::STB_GNU_UNIQUE
    }

    pub(crate) fn kind(&self) -> Kind {
        match self.st_type() {
            elf::STT_FUNC | elf::STT_GNU_IFUNC => Kind::Function,
            elf::STT_OBJECT | elf::STT_COMMON => Kind::Object,
            elf::STT_NOTYPE => Kind::Label,
            elf::STT_FILE | elf::STT_SECTION => Kind::Marker,
            _ => Kind::Other,
        }
    }

    pub(crate) fn is_undefined(&self) -> bool {
        self.shndx == Shndx::Undefined
    }

    /// Name of its section, empty if it has none.
    pub(crate) fn section_name(&self) -> &'a [u8] {
        self.section.map_or(b"", |(_, name)| name)
    }
}
