//! The names of sections and symbols after edits.
//!
//! The two string tables (or one, if the compiler shares it) are rebuilt only if a name is added or
//! removed; else they and all offsets into them stay.

use object::elf::SHT_NULL;

use super::renumber::Renumbering;
use super::section::Section;
use super::strings::{NewStrings, StringTable};
use super::{Edits, ElfError, Module, SectionIndex, SymbolIndex};

/// New string tables, if they change.
#[derive(Debug)]
pub(super) struct Names<'a> {
    symbols: Option<(SectionIndex, NewStrings<'a>)>,
    sections: Option<(SectionIndex, NewStrings<'a>)>,
    shared: bool,
}

/// The readers of a string table.
#[derive(Debug, Clone, Copy)]
struct Readers {
    symbols: bool,
    sections: bool,
}

impl<'a> Names<'a> {
    /// The tables for checked edits; `extra` is the name of one more new section.
    pub(super) fn new(
        module: &Module<'a>,
        edits: &'a Edits,
        renumbering: &Renumbering,
        extra: Option<&'static [u8]>,
    ) -> Result<Self, ElfError> {
        let symbols_change = !edits.names.is_empty() || renumbering.moves_symbols();
        let sections_change =
            !edits.new_sections.is_empty() || extra.is_some() || renumbering.moves_sections();
        let strings = module.symbols.strings;
        let shared = strings.section == module.header.names;
        let build = |table, readers| build(module, edits, renumbering, extra, table, readers);
        let mut names = Self { symbols: None, sections: None, shared };
        if symbols_change || (shared && sections_change) {
            let readers = Readers { symbols: true, sections: shared };
            names.symbols = Some((strings.section, build(strings, readers)?));
        }
        if sections_change && !shared {
            let section = module.header.names;
            let table = StringTable { section, bytes: module.body(section) };
            let readers = Readers { symbols: false, sections: true };
            names.sections = Some((section, build(table, readers)?));
        }
        Ok(names)
    }

    /// The new table of symbol names.
    pub(super) fn of_symbols(&self) -> Option<&NewStrings<'a>> {
        self.symbols.as_ref().map(|(_, table)| table)
    }

    fn of_sections(&self) -> Option<&NewStrings<'a>> {
        let table = if self.shared { &self.symbols } else { &self.sections };
        table.as_ref().map(|(_, table)| table)
    }

    /// The new body of a section, if it is one of the tables.
    pub(super) fn table(&self, section: SectionIndex) -> Option<&[u8]> {
        let mut tables = self.symbols.iter().chain(&self.sections);
        tables.find(|(index, _)| *index == section).map(|(_, table)| table.bytes.as_slice())
    }

    /// The new `sh_name` of an old section, if it changes: the kernel compares the names of sections without a type,
    /// too.
    pub(super) fn of_section(&self, section: &Section<'_>, old: u32) -> Option<u32> {
        let table = self.of_sections()?;
        let is_nameless = section.name.is_empty() && section.sh_type != SHT_NULL;
        Some(if is_nameless { 0 } else { table.kept(old) })
    }

    /// `sh_name` of a new section.
    pub(super) fn of_new_section(&self, name: &[u8]) -> u32 {
        self.of_sections().map_or(0, |table| table.added(name))
    }
}

fn build<'a>(
    module: &Module<'a>,
    edits: &'a Edits,
    renumbering: &Renumbering,
    extra: Option<&'static [u8]>,
    table: StringTable<'_>,
    readers: Readers,
) -> Result<NewStrings<'a>, ElfError> {
    let symbol_names = edits
        .names
        .iter()
        .filter(|(index, _)| readers.symbols && renumbering.symbol(**index).is_some());
    let symbol_names = symbol_names.map(|(_, name)| name.as_slice());
    let new_symbols = edits.new_symbols.iter().map(|symbol| symbol.name.as_slice());
    let symbol_names = symbol_names.chain(new_symbols.filter(|_| readers.symbols));
    let section_names = edits.new_sections.iter().map(|section| section.name.as_slice());
    let section_names = section_names.chain(extra).filter(|_| readers.sections);
    let added = symbol_names.chain(section_names);
    if has_other_readers(module, renumbering, table.section) {
        return NewStrings::append(table, added);
    }
    let mut used = Vec::new();
    let endian = module.header.endian;
    if readers.symbols {
        used.reserve(module.symbol_count());
        for (slot, raw) in module.symbols.entries.iter().enumerate() {
            let index = SymbolIndex::of_slot(slot);
            let renamed = edits.names.contains_key(&index);
            if !renamed && renumbering.symbol(index).is_some() {
                used.push(raw.st_name.get(endian));
            }
        }
    }
    if readers.sections {
        for (section, raw) in module.sections().zip(module.header.sections) {
            let name = raw.sh_name.get(endian);
            let is_read = section.sh_type != SHT_NULL || table.get(name).is_some();
            if is_read && renumbering.section(section.index).is_some() {
                used.push(name);
            }
        }
    }
    NewStrings::rebuild(table, used, added)
}

/// Whether a section other than the symbol table reads strings from this one.
fn has_other_readers(module: &Module<'_>, renumbering: &Renumbering, table: SectionIndex) -> bool {
    let kept = module.sections().skip(1).filter(|s| renumbering.section(s.index).is_some());
    kept.filter(|section| section.index != module.symtab()).any(|s| s.sh_link == table)
}
