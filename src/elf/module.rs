//! A kernel module, or the kernel itself, as a read-only view of its bytes.
//!
//! First step of every command: whatever cannot be followed safely is refused here, so later code
//! may follow indices and offsets without checking again. The view copies no body, and it allocates
//! per section, never per symbol or relocation.

use super::bytes::{body, entries, in_file};
use std::ops::Range;

use object::elf::{SHT_GROUP, SHT_RELA};
use object::{Endianness, U32};
use scroll::Endian;

use super::header::Header;
use super::irregular::Tolerance;
use super::rela::Relocations;
use super::section::Section;
use super::symbol::{Symbol, SymbolSection, SymbolTable};
use super::{ElfError, SectionIndex, SymbolIndex, SymbolRef, modinfo, signature, validate};

/// A parsed and validated 64-bit ELF file of either byte order.
#[derive(Debug, Clone)]
pub struct Module<'data> {
    pub(super) data: &'data [u8],
    pub(super) header: Header<'data>,
    pub(super) sections: Vec<Section<'data>>,
    pub(super) symbols: SymbolTable<'data>,
    signature: Option<Range<usize>>,
    irregularities: Vec<ElfError>,
    /// Whether it is read as the kernel reads it.
    as_kernel: bool,
}

impl<'data> Module<'data> {
    /// Reads a relocatable file: a `.ko` or what `ld -r` makes.
    ///
    /// # Errors
    /// [`ElfError`] for the first thing found that is malformed, or that a relocatable file does
    /// not have.
    pub fn parse(data: &'data [u8]) -> Result<Self, ElfError> {
        Self::read(data, Tolerance::none())
    }

    /// Reads a module as the kernel's loader does, which checks fewer fields: the others may be
    /// wrong, and [`Module::irregularities`] returns them.
    ///
    /// # Errors
    /// [`ElfError`] for the first thing found that cannot be followed.
    pub fn parse_as_kernel(data: &'data [u8]) -> Result<Self, ElfError> {
        Self::read(data, Tolerance::of_kernel())
    }

    fn read(data: &'data [u8], mut tolerance: Tolerance) -> Result<Self, ElfError> {
        let signature = signature::find(data, &mut tolerance)?;
        let covered =
            signature.as_ref().map_or(data, |range| data.get(..range.start).unwrap_or(data));
        let header = Header::read(covered, &mut tolerance)?;
        let sections = validate::sections(covered, &header, &mut tolerance)?;
        let symbols = validate::symbols(covered, &header, &sections, &mut tolerance)?;
        let (irregularities, as_kernel) = (Vec::new(), tolerance.is_of_kernel());
        let mut module =
            Self { data, header, sections, symbols, signature, irregularities, as_kernel };
        validate::relocatable(&module, &mut tolerance)?;
        module.irregularities = tolerance.faults();
        Ok(module)
    }

    /// Wrong header fields that the kernel's loader checks loosely or not at all; only the first
    /// ones of many. None after [`Module::parse`].
    #[must_use]
    pub fn irregularities(&self) -> &[ElfError] {
        &self.irregularities
    }

    /// The whole input, with its signature.
    #[must_use]
    pub fn data(&self) -> &'data [u8] {
        self.data
    }

    /// Byte order (`EI_DATA`).
    #[must_use]
    pub fn endian(&self) -> Endian {
        if self.header.endian == Endianness::Big { Endian::Big } else { Endian::Little }
    }

    /// The machine (`e_machine`, `EM_*`).
    #[must_use]
    pub fn machine(&self) -> u16 {
        self.header.raw.e_machine.get(self.header.endian).0
    }

    /// The kind of file (`e_type`, `ET_*`).
    #[must_use]
    pub fn file_type(&self) -> u16 {
        self.header.raw.e_type.get(self.header.endian).0
    }

    /// The machine's flags (`e_flags`).
    #[must_use]
    pub fn flags(&self) -> u32 {
        self.header.raw.e_flags.get(self.header.endian).0
    }

    /// All sections by index, with the null section 0.
    pub fn sections(&self) -> impl ExactSizeIterator<Item = &Section<'data>> + Clone {
        self.sections.iter()
    }

    /// What the header of section 0, which has no name, says is its name.
    #[must_use]
    pub fn name_of_section_0(&self) -> &'data [u8] {
        let offset = self.header.sections.first().map(|raw| raw.sh_name.get(self.header.endian));
        let offset = offset.and_then(|offset| usize::try_from(offset).ok());
        let names = self.body(self.header.names);
        let name = offset.and_then(|offset| names.get(offset..)).unwrap_or_default();
        name.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    /// The section of this index.
    #[must_use]
    pub fn section(&self, index: SectionIndex) -> Option<&Section<'data>> {
        self.sections.get(index.slot())
    }

    /// All sections of a name, by index; names need not be unique.
    pub fn sections_named(&self, name: &[u8]) -> impl Iterator<Item = &Section<'data>> {
        self.sections.iter().filter(move |section| section.name == name)
    }

    /// The bytes of a section; none for `SHT_NOBITS`, unknown indices, and `SHT_NULL`, except in a module read as the
    /// kernel reads it.
    #[must_use]
    pub fn body(&self, index: SectionIndex) -> &'data [u8] {
        self.section(index).map_or(&[], |section| body(self.data, section))
    }

    /// The bytes of a section in the file, whatever its type says; none if they are out of range.
    pub(crate) fn in_file(&self, index: SectionIndex) -> &'data [u8] {
        self.section(index).map_or(&[], |section| in_file(self.data, section))
    }

    /// Number of symbols, the null symbol 0 included.
    #[must_use]
    pub fn symbol_count(&self) -> usize {
        self.symbols.entries.len()
    }

    /// The slot of the first symbol that is not local, as the table says (`sh_info`); the null symbol always is.
    pub(super) fn first_global(&self) -> usize {
        let table = self.section(self.symtab());
        table.map_or(1, |table| SymbolIndex::new(table.sh_info).slot().max(1))
    }

    /// All symbols by index, with the null symbol 0; decoded on the way.
    pub fn symbols(&self) -> impl ExactSizeIterator<Item = Symbol<'data>> + Clone + use<'data> {
        self.symbols.iter()
    }

    /// The symbols defined in one section, by index; names of others are not read.
    pub fn symbols_in(
        &self,
        section: SymbolSection,
    ) -> impl Iterator<Item = Symbol<'data>> + Clone + use<'data> {
        self.symbols.iter_in(section)
    }

    /// The symbol of this index.
    #[must_use]
    pub fn symbol(&self, index: SymbolIndex) -> Option<Symbol<'data>> {
        self.symbols.get(index.slot())
    }

    /// A symbol's number and name, for errors.
    pub(super) fn symbol_ref(&self, index: SymbolIndex) -> SymbolRef {
        SymbolRef::new(index, self.symbol(index).map_or(&[], |symbol| symbol.name))
    }

    /// The symbol table, of which there is exactly one.
    #[must_use]
    pub fn symtab(&self) -> SectionIndex {
        self.symbols.section
    }

    /// The sections of type `SHT_RELA`, by index.
    pub fn relocation_sections(&self) -> impl Iterator<Item = &Section<'data>> + Clone {
        self.sections.iter().filter(|section| section.sh_type == SHT_RELA)
    }

    /// The relocations of one `SHT_RELA` section, in file order; none for any other section.
    #[must_use]
    pub fn relocations(&self, index: SectionIndex) -> Relocations<'data> {
        let section = self.section(index).filter(|section| section.sh_type == SHT_RELA);
        let bytes = section.map_or(&[][..], |section| body(self.data, section));
        Relocations::new(bytes, self.header.endian)
    }

    /// The members of a section group, without its flag word; none for any other section.
    pub fn group_members(
        &self,
        index: SectionIndex,
    ) -> impl Iterator<Item = SectionIndex> + Clone + use<'data> {
        let section = self.section(index).filter(|section| section.sh_type == SHT_GROUP);
        let bytes = section.map_or(&[][..], |section| body(self.data, section));
        let words: &[U32<Endianness>] = entries(bytes);
        let endian = self.header.endian;
        words.iter().skip(1).map(move |word| SectionIndex::new(word.get(endian)))
    }

    /// The key-value pairs of `.modinfo`, in file order.
    pub fn modinfo(&self) -> impl Iterator<Item = (&'data [u8], &'data [u8])> + Clone {
        let section = self.sections_named(b".modinfo").next();
        modinfo::pairs(section.map_or(&[], |section| match self.as_kernel {
            true => modinfo::strings(self.data, section),
            false => body(self.data, section),
        }))
    }

    /// The range of the appended signature in [`Module::data`], to the end of the file.
    #[must_use]
    pub fn signature(&self) -> Option<Range<usize>> {
        self.signature.clone()
    }
}
