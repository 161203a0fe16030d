//! Symbols, decoded in place, one at a time.
//!
//! Nothing is allocated per symbol. `st_shndx` is resolved into [`SymbolSection`]: reserved
//! indices, extended ones (`SHN_XINDEX`) and real sections cannot be confused. The livepatch index
//! is from `include/uapi/linux/elf.h`.

use object::elf::{
    SHN_ABS, SHN_COMMON, SHN_LORESERVE, SHN_UNDEF, SHN_XINDEX, STB_WEAK, STT_FUNC, STT_OBJECT,
    Sym64, SymbolBind, SymbolType,
};
use object::{Endianness, elf};

use super::strings::StringTable;
use super::{SectionIndex, SymbolIndex, SymbolRef};

/// Section index of symbols that the livepatch core resolves.
pub const SHN_LIVEPATCH: u16 = 0xff20;
/// Whether the kernel skips a symbol when it looks one up by address: only linkers need it. Source:
/// `include/linux/module_symbol.h:is_mapping_symbol`.
#[must_use]
pub(crate) fn is_mapping_symbol(name: &[u8]) -> bool {
    [&b".L"[..], b"L0", b"$"].iter().any(|start| name.starts_with(start))
}

/// Size of an entry in bytes.
pub(super) const SYMBOL_LEN: u64 = 24;

/// Where a symbol is defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SymbolSection {
    /// `SHN_UNDEF`: elsewhere.
    Undefined,
    /// `SHN_ABS`: the value is not relative to any section.
    Absolute,
    /// `SHN_COMMON`: not allocated yet; the value is an alignment.
    Common,
    /// [`SHN_LIVEPATCH`]: the livepatch core finds it.
    Livepatch,
    /// In this existing section.
    Defined(SectionIndex),
    /// Another index from `SHN_LORESERVE` up, defined by the machine or system.
    Reserved(u16),
}

/// One entry of the symbol table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Symbol<'data> {
    /// Index in the symbol table.
    pub index: SymbolIndex,
    /// Name; may be empty.
    pub name: &'data [u8],
    /// Value: in relocatable files the offset in the symbol's section, in bytes.
    pub st_value: u64,
    /// Size in bytes; 0 if unknown.
    pub st_size: u64,
    /// Binding (`STB_*`).
    pub bind: SymbolBind,
    /// Type (`STT_*`).
    pub kind: SymbolType,
    /// Visibility and the machine's bits.
    pub st_other: u8,
    /// Where it is defined.
    pub section: SymbolSection,
}

impl Symbol<'_> {
    /// Whether the module can do without the symbol (`STB_WEAK`).
    #[must_use]
    pub fn is_weak(&self) -> bool {
        self.bind == STB_WEAK
    }

    /// Whether the symbol is a function or a data object (`STT_FUNC`, `STT_OBJECT`).
    #[must_use]
    pub fn is_function_or_object(&self) -> bool {
        self.kind == STT_FUNC || self.kind == STT_OBJECT
    }

    /// Its number and name, for errors.
    pub(super) fn reference(&self) -> SymbolRef {
        SymbolRef::new(self.index, self.name)
    }
}

/// The extended section indices (`SHT_SYMTAB_SHNDX`): one 32-bit word for each symbol.
#[derive(Debug, Clone, Copy)]
pub(super) struct ExtendedIndices<'data> {
    pub(super) section: SectionIndex,
    pub(super) words: &'data [object::U32<Endianness>],
}

/// The symbol table, and what is needed to read it.
#[derive(Debug, Clone, Copy)]
pub(super) struct SymbolTable<'data> {
    pub(super) section: SectionIndex,
    pub(super) entries: &'data [Sym64<Endianness>],
    pub(super) strings: StringTable<'data>,
    pub(super) extended: Option<ExtendedIndices<'data>>,
    pub(super) endian: Endianness,
}

impl<'data> SymbolTable<'data> {
    /// The symbol in a slot of the table.
    pub(super) fn get(&self, slot: usize) -> Option<Symbol<'data>> {
        self.entries.get(slot).map(|raw| self.decode(slot, raw))
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = Symbol<'data>> + Clone + use<'data> {
        let table = *self;
        table.entries.iter().enumerate().map(move |(slot, raw)| table.decode(slot, raw))
    }

    /// The section of every symbol, by index; names are not read.
    pub(super) fn sections(&self) -> impl Iterator<Item = (SymbolIndex, SymbolSection)> + '_ {
        let entries = self.entries.iter().enumerate();
        entries.map(|(slot, raw)| (SymbolIndex::of_slot(slot), self.section_of(slot, raw)))
    }

    pub(super) fn iter_in(
        &self,
        section: SymbolSection,
    ) -> impl Iterator<Item = Symbol<'data>> + Clone + use<'data> {
        let table = *self;
        let here = move |&(slot, raw): &(usize, &_)| table.section_of(slot, raw) == section;
        let entries = table.entries.iter().enumerate().filter(here);
        entries.map(move |(slot, raw)| table.decode(slot, raw))
    }

    #[inline]
    fn decode(&self, slot: usize, raw: &Sym64<Endianness>) -> Symbol<'data> {
        Symbol {
            index: SymbolIndex::of_slot(slot),
            name: self.strings.get(raw.st_name.get(self.endian)).unwrap_or_default(),
            st_value: raw.st_value.get(self.endian),
            st_size: raw.st_size.get(self.endian),
            bind: raw.st_bind(),
            kind: raw.st_type(),
            st_other: raw.st_other.0,
            section: self.section_of(slot, raw),
        }
    }

    /// The section of a symbol; its name is not read.
    pub(super) fn section_of(&self, slot: usize, raw: &Sym64<Endianness>) -> SymbolSection {
        match raw.st_shndx.get(self.endian) {
            SHN_UNDEF => SymbolSection::Undefined,
            SHN_ABS => SymbolSection::Absolute,
            SHN_COMMON => SymbolSection::Common,
            SHN_XINDEX => {
                let word = self.extended.and_then(|table| table.words.get(slot));
                let index = word.map(|word| word.get(self.endian));
                index.map_or(SymbolSection::Reserved(SHN_XINDEX.0), |index| {
                    SymbolSection::Defined(SectionIndex::new(index))
                })
            }
            index if index.0 == SHN_LIVEPATCH => SymbolSection::Livepatch,
            index if index.0 >= SHN_LORESERVE => SymbolSection::Reserved(index.0),
            index => SymbolSection::Defined(SectionIndex::new(u32::from(index.0))),
        }
    }
}

/// Whether a section index is reserved and stands for itself.
pub(super) fn is_reserved(index: u16) -> bool {
    (SHN_LORESERVE..SHN_XINDEX.0).contains(&index)
}

impl SymbolSection {
    /// The value for `st_shndx`, and for the extended table if `st_shndx` is `SHN_XINDEX`.
    pub(super) fn encode(self) -> (elf::SymbolSection, u32) {
        match self {
            Self::Undefined => (SHN_UNDEF, 0),
            Self::Absolute => (SHN_ABS, 0),
            Self::Common => (SHN_COMMON, 0),
            Self::Livepatch => (elf::SymbolSection(SHN_LIVEPATCH), 0),
            Self::Reserved(index) => (elf::SymbolSection(index), 0),
            Self::Defined(section) => match elf::SymbolSection::new(section.get()) {
                SHN_XINDEX => (SHN_XINDEX, section.get()),
                index => (index, 0),
            },
        }
    }

    /// Whether naming the section takes an entry in the extended table.
    pub(super) fn is_extended(self) -> bool {
        self.encode().0 == SHN_XINDEX
    }
}
