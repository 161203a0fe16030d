//! What to change in a module.
//!
//! Collected while a module is read, and consumed by [`rewrite()`](super::rewrite()). Every index
//! is that of the module as read, even if earlier edits remove something. Edits are checked against
//! the module when they are applied.

use std::collections::{BTreeMap, BTreeSet};

use object::elf::{
    SHT_GROUP, SHT_NOBITS, SHT_NULL, SHT_REL, SHT_RELA, SHT_SYMTAB, SHT_SYMTAB_SHNDX, STB_LOCAL,
    SectionType, SymbolBind, SymbolType,
};

use super::section::Section;
use super::symbol::{Symbol, is_reserved};
use super::{
    ElfError, Module, Rela, SectionFlags, SectionIndex, SymbolIndex, SymbolRef, SymbolSection,
};

/// What a new section holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewBody {
    /// These bytes.
    Bytes(Vec<u8>),
    /// These relocations, of the module's symbols.
    Relocations(Vec<Rela>),
}

/// A section to add after the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSection {
    /// Its name; need not be unique.
    pub name: Vec<u8>,
    /// Its type: `SHT_RELA` if and only if the body is [`NewBody::Relocations`], and not a type
    /// that the rewriter itself maintains.
    pub sh_type: SectionType,
    /// Its flags.
    pub sh_flags: SectionFlags,
    /// The section for `sh_link`: the symbol table for relocations, else null if there is none.
    pub link: SectionIndex,
    /// The section for `sh_info`: the one to relocate for relocations, else null. It may be one that is added,
    /// too: [`Edits::next_section`].
    pub info: SectionIndex,
    /// Alignment in bytes, a power of two.
    pub sh_addralign: u64,
    /// Size of an entry in bytes, or 0.
    pub sh_entsize: u64,
    /// Its contents.
    pub body: NewBody,
}

/// A symbol to add, with value and size 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSymbol {
    /// Its name; need not be unique.
    pub name: Vec<u8>,
    /// Its binding (`STB_*`).
    pub bind: SymbolBind,
    /// Its type (`STT_*`).
    pub kind: SymbolType,
    /// Where it is defined; an existing section has its index in the module as read.
    pub section: SymbolSection,
}

impl NewSymbol {
    /// Whether it comes before all that are not local.
    pub(super) fn is_local(&self) -> bool {
        self.bind == STB_LOCAL
    }
}

/// A list of changes; the last of several to the same thing counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edits {
    pub(super) bodies: BTreeMap<SectionIndex, Vec<u8>>,
    pub(super) relocations: BTreeMap<SectionIndex, Vec<Rela>>,
    pub(super) new_sections: Vec<NewSection>,
    pub(super) removed_sections: BTreeSet<SectionIndex>,
    pub(super) removed_symbols: BTreeSet<SymbolIndex>,
    pub(super) new_symbols: Vec<NewSymbol>,
    pub(super) names: BTreeMap<SymbolIndex, Vec<u8>>,
    pub(super) symbol_sections: BTreeMap<SymbolIndex, SymbolSection>,
    pub(super) sizes: BTreeMap<SymbolIndex, u64>,
}

impl Edits {
    /// No changes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is to be changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Replaces a section's bytes. Use [`Edits::set_relocations`] for relocations; the rewriter
    /// itself maintains the symbol table, its string tables and section groups.
    pub fn set_body(&mut self, section: SectionIndex, body: Vec<u8>) {
        self.bodies.insert(section, body);
    }

    /// Replaces the entries of an `SHT_RELA` section. A section left without entries stays, with
    /// size 0, so indices do not change.
    pub fn set_relocations(&mut self, section: SectionIndex, relocations: Vec<Rela>) {
        self.relocations.insert(section, relocations);
    }

    /// Adds a section after all others. Without removals its index is the module's number of
    /// sections, plus the number of sections added before.
    pub fn add_section(&mut self, section: NewSection) {
        self.new_sections.push(section);
    }

    /// The index by which edits refer to the section that is added next.
    #[must_use]
    pub fn next_section(&self, module: &Module<'_>) -> SectionIndex {
        SectionIndex::of_slot(module.sections().len().saturating_add(self.new_sections.len()))
    }

    /// Removes a section. Later sections move up and everything that names them follows. The
    /// section is removed from its group, and a group left empty is removed, too. Whatever else
    /// names the section (relocations for it, symbols in it) must be removed or changed as well.
    pub fn remove_section(&mut self, section: SectionIndex) {
        self.removed_sections.insert(section);
    }

    /// Removes a symbol. Later symbols move up and everything that names them follows. No
    /// relocation may be left that uses it.
    pub fn remove_symbol(&mut self, symbol: SymbolIndex) {
        self.removed_symbols.insert(symbol);
    }

    /// Adds a symbol: a local one after the other local ones, any other after all symbols. Relocations
    /// refer to it as if all new symbols came after the module's, in the order in which they are added.
    pub fn add_symbol(&mut self, symbol: NewSymbol) {
        self.new_symbols.push(symbol);
    }

    /// Gives a symbol another name.
    pub fn rename_symbol(&mut self, symbol: SymbolIndex, name: Vec<u8>) {
        self.names.insert(symbol, name);
    }

    /// Moves a symbol to another section. The value stays, but is 0 for
    /// [`SymbolSection::Livepatch`].
    pub fn set_symbol_section(&mut self, symbol: SymbolIndex, section: SymbolSection) {
        self.symbol_sections.insert(symbol, section);
    }

    /// Gives a symbol another size (`st_size`), in bytes.
    pub fn resize_symbol(&mut self, symbol: SymbolIndex, size: u64) {
        self.sizes.insert(symbol, size);
    }

    /// The section after the edits of a symbol that was in `old`, in old numbering.
    pub(super) fn section_of(&self, symbol: SymbolIndex, old: SymbolSection) -> SymbolSection {
        self.symbol_sections.get(&symbol).copied().unwrap_or(old)
    }

    /// Checks that everything named exists in the module and may be changed as asked.
    pub(super) fn check(&self, module: &Module<'_>) -> Result<(), ElfError> {
        for &index in &self.removed_sections {
            let section = known_section(module, index)?;
            if is_required(module, section) {
                return Err(ElfError::EditRequired(section.reference()));
            }
        }
        for &index in self.bodies.keys() {
            let section = known_section(module, index)?;
            if is_kept_by_rewriter(section.sh_type) || is_string_table(module, section) {
                return Err(ElfError::EditBody(section.reference()));
            }
        }
        for &index in self.relocations.keys() {
            let section = known_section(module, index)?;
            if section.sh_type != SHT_RELA {
                return Err(ElfError::EditRelocations(section.reference()));
            }
        }
        let symbols = self.removed_symbols.iter().chain(self.names.keys());
        for &index in symbols.chain(self.sizes.keys()) {
            known_symbol(module, index)?;
        }
        for (&index, &section) in &self.symbol_sections {
            check_section_of(module, section, known_symbol(module, index)?.reference())?;
        }
        for symbol in &self.new_symbols {
            let reference = SymbolRef::new(SymbolIndex::NULL, &symbol.name);
            check_section_of(module, symbol.section, reference)?;
        }
        let new_names = self.new_sections.iter().map(|section| &section.name);
        let new_names = new_names.chain(self.new_symbols.iter().map(|symbol| &symbol.name));
        if let Some(name) = self.names.values().chain(new_names).find(|name| name.contains(&0)) {
            return Err(ElfError::EditName(name.as_slice().into()));
        }
        let added = self.new_sections.len();
        self.new_sections.iter().try_for_each(|section| check_new(module, section, added))
    }
}

/// Checks that a symbol can be in a section.
fn check_section_of(
    module: &Module<'_>,
    section: SymbolSection,
    symbol: SymbolRef,
) -> Result<(), ElfError> {
    match section {
        SymbolSection::Defined(section) => known_section(module, section).map(|_| ()),
        SymbolSection::Reserved(value) if !is_reserved(value) => {
            Err(ElfError::EditReserved { symbol, value })
        }
        _ => Ok(()),
    }
}

fn check_new(module: &Module<'_>, section: &NewSection, added: usize) -> Result<(), ElfError> {
    let is_added = |index| number_of_added(module, index).is_some_and(|number| number < added);
    for (index, may_be_added) in [(section.link, false), (section.info, true)] {
        if index != SectionIndex::NULL && !(may_be_added && is_added(index)) {
            known_section(module, index)?;
        }
    }
    let relocations = matches!(section.body, NewBody::Relocations(_));
    let refused = if relocations {
        section.sh_type != SHT_RELA
    } else {
        is_kept_by_rewriter(section.sh_type)
    };
    let align = section.sh_addralign;
    if refused || (align != 0 && !align.is_power_of_two()) {
        let name = section.name.as_slice().into();
        return Err(ElfError::EditNew { name, sh_type: section.sh_type.0, align });
    }
    Ok(())
}

/// Which of the added sections an index means, in the order in which they are added; `None` for the module's own.
pub(super) fn number_of_added(module: &Module<'_>, index: SectionIndex) -> Option<usize> {
    index.slot().checked_sub(module.sections().len())
}

fn known_section<'m, 'data>(
    module: &'m Module<'data>,
    index: SectionIndex,
) -> Result<&'m Section<'data>, ElfError> {
    let count = module.sections().len();
    let known = module.section(index).filter(|section| section.index != SectionIndex::NULL);
    known.ok_or(ElfError::EditSection { index, count })
}

fn known_symbol<'data>(
    module: &Module<'data>,
    index: SymbolIndex,
) -> Result<Symbol<'data>, ElfError> {
    let count = module.symbol_count();
    let known = module.symbol(index).filter(|symbol| symbol.index != SymbolIndex::NULL);
    known.ok_or(ElfError::EditSymbol { index, count })
}

/// Whether sections of a type have tables of indices for bodies, or none.
fn is_kept_by_rewriter(sh_type: SectionType) -> bool {
    [SHT_NULL, SHT_NOBITS, SHT_SYMTAB, SHT_SYMTAB_SHNDX, SHT_GROUP, SHT_REL, SHT_RELA]
        .contains(&sh_type)
}

fn is_string_table(module: &Module<'_>, section: &Section<'_>) -> bool {
    [module.symbols.strings.section, module.header.names].contains(&section.index)
}

fn is_required(module: &Module<'_>, section: &Section<'_>) -> bool {
    section.index == module.symtab() || is_string_table(module, section)
}
