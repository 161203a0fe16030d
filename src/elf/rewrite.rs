//! Emits a module again, with edits.
//!
//! Last step of a conversion. The file is: header, bodies in their original order and alignment,
//! new sections, the section header table. Bodies that no edit touches are borrowed. The loader
//! does not depend on the linker's file layout: it follows `sh_offset` (`move_module` in
//! `kernel/module/main.c`).

use std::borrow::Cow;

use object::elf::{
    SHN_LORESERVE, SHT_GROUP, SHT_NOBITS, SHT_NULL, SHT_RELA, SHT_SYMTAB_SHNDX,
    SectionFlags as RawFlags, SectionHeader64, SectionType,
};
use object::{Endianness, U32, U64};

use super::edits::number_of_added;
use super::emit::{Output, emit, length};
use super::names::Names;
use super::renumber::Renumbering;
use super::section::Section;
use super::tables::{self, NewSymbols, SHT_LLVM_ADDRSIG};
use super::{Edits, ElfError, Module, NewBody, NewSection, SectionFlags, SectionIndex, SectionRef};

/// Name of the extended section indices if the rewriter has to add them.
const EXTENDED_NAME: &[u8] = b".symtab_shndx";

/// Applies edits to a relocatable module and returns the new file.
///
/// Without edits these are the module's own bytes, signature included. Everything that the edits do
/// not touch keeps its bytes, order, alignment and, if nothing is removed, its index. Bytes outside
/// sections (gaps, trailing bytes, a signature) are dropped. A string table whose names change
/// keeps the strings in use; one that unknown sections read, too, is only appended to.
///
/// # Errors
/// [`ElfError`] when an edit names what does not exist or leaves a reference to something removed,
/// or when the result does not fit the format.
pub fn rewrite<'data>(module: &Module<'data>, edits: &Edits) -> Result<Cow<'data, [u8]>, ElfError> {
    if edits.is_empty() {
        return Ok(Cow::Borrowed(module.data()));
    }
    edits.check(module)?;
    let renumbering = Renumbering::new(module, edits)?;
    let extended = needs_extended(module, edits, &renumbering).then_some(EXTENDED_NAME);
    let names = Names::new(module, edits, &renumbering, extended)?;
    let symbols_change = names.of_symbols().is_some()
        || !edits.symbol_sections.is_empty()
        || !edits.sizes.is_empty()
        || renumbering.moves_sections()
        || renumbering.moves_symbols();
    let symbols =
        symbols_change.then(|| NewSymbols::new(module, edits, &renumbering, names.of_symbols()));
    let rewriter = Rewriter {
        module,
        edits,
        renumbering: &renumbering,
        names: &names,
        symbols: symbols.as_ref(),
    };
    let mut sections = rewriter.sections()?;
    if let (Some(name), Some(symbols)) = (extended, &symbols) {
        sections.push(rewriter.extended(name, &symbols.extended));
    }
    let names = renumbering.section(module.header.names).unwrap_or_default();
    emit(&module.header, names, sections).map(Cow::Owned)
}

/// Whether a symbol's section takes an extended index and the module has no table of them.
fn needs_extended(module: &Module<'_>, edits: &Edits, renumbering: &Renumbering) -> bool {
    let table = module.symbols.extended.map(|table| table.section);
    let has_table = table.is_some_and(|table| renumbering.section(table).is_some());
    if has_table || renumbering.kept_sections <= usize::from(SHN_LORESERVE) {
        return false;
    }
    let sections = module.symbols.sections();
    let mut kept = sections.filter(|(symbol, _)| renumbering.symbol(*symbol).is_some());
    kept.any(|(symbol, old)| {
        renumbering.symbol_section(edits.section_of(symbol, old)).is_extended()
    })
}

/// The inputs of the new file's sections.
#[derive(Debug)]
struct Rewriter<'a, 'data> {
    module: &'a Module<'data>,
    edits: &'a Edits,
    renumbering: &'a Renumbering,
    names: &'a Names<'a>,
    symbols: Option<&'a NewSymbols>,
}

impl<'a> Rewriter<'a, '_> {
    /// Remaining and added sections, by new index.
    fn sections(&self) -> Result<Vec<Output<'a>>, ElfError> {
        let mut outputs = Vec::with_capacity(self.renumbering.kept_sections);
        for (section, raw) in self.module.sections().zip(self.module.header.sections) {
            if self.renumbering.section(section.index).is_some() {
                let body = self.body(section)?;
                outputs.push(self.kept(section, raw, body));
            }
        }
        for section in &self.edits.new_sections {
            outputs.push(self.added(section)?);
        }
        Ok(outputs)
    }

    /// The new body of an old section.
    fn body(&self, section: &Section<'_>) -> Result<Cow<'a, [u8]>, ElfError> {
        let (module, renumbering) = (self.module, self.renumbering);
        if let Some(table) = self.names.table(section.index) {
            return Ok(Cow::Borrowed(table));
        }
        if let Some(symbols) = self.symbols {
            if section.index == module.symtab() {
                return Ok(Cow::Borrowed(&symbols.symtab));
            }
            if module.symbols.extended.is_some_and(|table| table.section == section.index) {
                return Ok(Cow::Borrowed(&symbols.extended));
            }
        }
        if let Some(edited) = self.edits.relocations.get(&section.index) {
            let edited = edited.iter().copied();
            return Ok(Cow::Owned(tables::relocations(module, renumbering, edited)));
        }
        if section.sh_type == SHT_RELA && renumbering.moves_symbols() {
            let entries = module.relocations(section.index);
            return Ok(Cow::Owned(tables::relocations(module, renumbering, entries)));
        }
        if section.sh_type == SHT_GROUP && renumbering.moves_sections() {
            return Ok(Cow::Owned(tables::group(module, renumbering, section)));
        }
        let body = match self.edits.bodies.get(&section.index) {
            Some(edited) => edited.as_slice(),
            None => module.body(section.index),
        };
        let lists_symbols =
            section.sh_type == SHT_LLVM_ADDRSIG && section.sh_link == module.symtab();
        if lists_symbols && renumbering.moves_symbols() {
            let listed = tables::address_significance(module, renumbering, section, body)?;
            return Ok(Cow::Owned(listed));
        }
        Ok(Cow::Borrowed(body))
    }

    fn kept(
        &self,
        section: &Section<'_>,
        raw: &SectionHeader64<Endianness>,
        body: Cow<'a, [u8]>,
    ) -> Output<'a> {
        let endian = self.module.header.endian;
        let mut header = *raw;
        if let Some(offset) = self.names.of_section(section, raw.sh_name.get(endian)) {
            header.sh_name = U32::new(endian, offset);
        }
        if section.sh_type != SHT_NULL {
            let link = self.renumbering.section(section.sh_link).unwrap_or_default();
            header.sh_link = U32::new(endian, link.get());
            header.sh_info = U32::new(endian, self.renumbering.info(section));
            let flags = self.renumbering.flags(section).bits();
            header.sh_flags = U64::new(endian, RawFlags(flags));
            if section.sh_type != SHT_NOBITS {
                header.sh_size = U64::new(endian, length(&body));
            }
        }
        Output { header, body, is_old: true }
    }

    fn added(&self, section: &'a NewSection) -> Result<Output<'a>, ElfError> {
        let (module, renumbering) = (self.module, self.renumbering);
        let reference = || SectionRef::new(SectionIndex::NULL, &section.name);
        let body = match &section.body {
            NewBody::Bytes(bytes) => Cow::Borrowed(bytes.as_slice()),
            NewBody::Relocations(entries) => {
                renumbering.check_entries(module, reference, entries.iter().copied())?;
                Cow::Owned(tables::relocations(module, renumbering, entries.iter().copied()))
            }
        };
        let target = |field, old| {
            let removed = || module.section(old).map_or_else(reference, Section::reference);
            let gone = || ElfError::NamesRemovedSection {
                section: reference(),
                field,
                removed: removed(),
            };
            renumbering.section(old).ok_or_else(gone)
        };
        let fields = Fields {
            name: self.names.of_new_section(&section.name),
            sh_type: section.sh_type,
            sh_flags: section.sh_flags,
            link: target("sh_link", section.link)?,
            info: match number_of_added(module, section.info) {
                Some(number) => {
                    SectionIndex::of_slot(renumbering.kept_sections.saturating_add(number))
                }
                None => target("sh_info", section.info)?,
            },
            sh_addralign: section.sh_addralign,
            sh_entsize: section.sh_entsize,
        };
        Ok(fields.output(module.header.endian, body))
    }

    fn extended(&self, name: &[u8], body: &'a [u8]) -> Output<'a> {
        let fields = Fields {
            name: self.names.of_new_section(name),
            sh_type: SHT_SYMTAB_SHNDX,
            sh_flags: SectionFlags::empty(),
            link: self.renumbering.section(self.module.symtab()).unwrap_or_default(),
            info: SectionIndex::NULL,
            sh_addralign: 4,
            sh_entsize: 4,
        };
        fields.output(self.module.header.endian, Cow::Borrowed(body))
    }
}

/// Header of a section that the module did not have, in new numbering.
struct Fields {
    name: u32,
    sh_type: SectionType,
    sh_flags: SectionFlags,
    link: SectionIndex,
    info: SectionIndex,
    sh_addralign: u64,
    sh_entsize: u64,
}

impl Fields {
    fn output(self, endian: Endianness, body: Cow<'_, [u8]>) -> Output<'_> {
        let header = SectionHeader64 {
            sh_name: U32::new(endian, self.name),
            sh_type: U32::new(endian, self.sh_type),
            sh_flags: U64::new(endian, RawFlags(self.sh_flags.bits())),
            sh_addr: U64::new(endian, 0),
            sh_offset: U64::new(endian, 0),
            sh_size: U64::new(endian, length(&body)),
            sh_link: U32::new(endian, self.link.get()),
            sh_info: U32::new(endian, self.info.get()),
            sh_addralign: U64::new(endian, self.sh_addralign),
            sh_entsize: U64::new(endian, self.sh_entsize),
        };
        Output { header, body, is_old: false }
    }
}
