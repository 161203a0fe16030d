//! What a livepatch author says about a symbol, in either historical dialect.
//!
//! `arrays` reads `KLP_MODULE_RELOC`/`KLP_SYMPOS` (klp-convert v1 to v7), `names` reads
//! `KLP_RELOC_SYMBOL[_POS]` (the minimal version). Both decode to the same [`Annotation`], keyed by
//! ELF symbol, not by name: one module may use one name in two objects, or two positions of one
//! name. Nothing of an annotation reaches the output: [`Annotations`] lists what goes with it.

mod arrays;
mod names;

use std::collections::{BTreeMap, BTreeSet};

use crate::elf::{Module, SectionIndex, SymbolIndex};
use crate::klp::{NameError, ObjectName, Position, SymbolName};

pub use names::NAME_PREFIX;

/// What one undefined symbol of the module stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// The annotated ELF symbol.
    pub symbol: SymbolIndex,
    /// The symbol's name in its owner.
    pub name: SymbolName,
    /// The object whose loading triggers the write; `None`: follows from the owner.
    pub gate: Option<ObjectName>,
    /// The object that has the symbol.
    pub owner: ObjectName,
    /// Which symbol of that name.
    pub position: Position,
    /// Where the author wrote it, for messages.
    pub place: AnnotationPlace,
}

impl Annotation {
    fn means_the_same(&self, other: &Self) -> bool {
        (&self.name, &self.gate, &self.owner, self.position)
            == (&other.name, &other.gate, &other.owner, other.position)
    }
}

/// Where an annotation stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnnotationPlace {
    /// Entry number (from 0) of an array section.
    Entry {
        /// The section's name.
        section: String,
        /// Index of the entry, in entries of 12 bytes.
        entry: u64,
    },
    /// The symbol's own name.
    Name(String),
}

impl std::fmt::Display for AnnotationPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Entry { section, entry } => write!(f, "{section}[{entry}]"),
            Self::Name(name) => write!(f, "symbol '{name}'"),
        }
    }
}

/// All annotations of a module, and what leaves the module with them.
#[derive(Debug, Default)]
pub struct Annotations {
    by_symbol: BTreeMap<SymbolIndex, Annotation>,
    /// Sections that exist only to annotate: arrays and their relocations.
    pub sections: BTreeSet<SectionIndex>,
    /// Symbols defined in those sections.
    pub symbols: Vec<SymbolIndex>,
}

impl Annotations {
    /// Reads every annotation of a module.
    ///
    /// # Errors
    /// Every malformed or contradictory annotation, in file order.
    pub fn read(module: &Module<'_>) -> Result<Self, Vec<AnnotationError>> {
        let mut annotations = Self::default();
        let mut errors = Vec::new();
        arrays::read(module, &mut annotations, &mut errors);
        names::read(module, &mut annotations, &mut errors);
        if errors.is_empty() { Ok(annotations) } else { Err(errors) }
    }

    /// The annotation of a symbol.
    #[must_use]
    pub fn get(&self, symbol: SymbolIndex) -> Option<&Annotation> {
        self.by_symbol.get(&symbol)
    }

    /// All annotations, by symbol index.
    pub fn iter(&self) -> impl Iterator<Item = &Annotation> {
        self.by_symbol.values()
    }

    fn add(&mut self, annotation: Annotation, errors: &mut Vec<AnnotationError>) {
        match self.by_symbol.get(&annotation.symbol) {
            Some(first) if first.means_the_same(&annotation) => {}
            Some(first) => errors.push(AnnotationError::Conflict {
                first: Box::new(first.clone()),
                second: Box::new(annotation),
            }),
            None => {
                self.by_symbol.insert(annotation.symbol, annotation);
            }
        }
    }
}

/// Why an annotation cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnnotationError {
    /// An array section is not a whole number of entries.
    #[error("{section}: {size:#x} bytes are not a whole number of 12-byte KLP_SYMPOS entries")]
    Length {
        /// Name of the array section.
        section: String,
        /// Its size in bytes.
        size: u64,
    },
    /// An entry has no relocation, so it names no symbol.
    #[error("{section}[{entry}]: no relocation names the annotated symbol")]
    NoSymbol {
        /// Name of the array section.
        section: String,
        /// Index of the entry.
        entry: u64,
    },
    /// A relocation of an array section belongs to no entry, or an entry has two.
    #[error("{section}+{offset:#x}: a relocation that belongs to no single entry")]
    StrayRelocation {
        /// Name of the array section.
        section: String,
        /// `r_offset` in bytes.
        offset: u64,
    },
    /// An entry names a symbol plus an offset.
    #[error(
        "{section}[{entry}]: '{symbol}' with addend {addend:#x}: an annotation names a whole symbol"
    )]
    Addend {
        /// Name of the array section.
        section: String,
        /// Index of the entry.
        entry: u64,
        /// The symbol's name.
        symbol: String,
        /// The addend.
        addend: i64,
    },
    /// An annotation names a symbol that the module itself defines.
    #[error("{place}: '{symbol}' is defined in this module, so there is nothing to look up")]
    Defined {
        /// Where it stands.
        place: AnnotationPlace,
        /// The symbol's name.
        symbol: String,
    },
    /// Object, symbol or position is no such name.
    #[error("{place}: {error}")]
    Name {
        /// Where it stands.
        place: AnnotationPlace,
        /// What is wrong with it.
        error: NameError,
    },
    /// A symbol name starts like an annotation but lacks a part.
    #[error("symbol '{0}': an annotated name is {NAME_PREFIX}GATE.OWNER.SYMBOL.POSITION")]
    NameParts(String),
    /// One ELF symbol is annotated twice, differently.
    #[error(
        "'{name}' is annotated as {o1},{p1} ({at1}) and as {o2},{p2} ({at2})",
        name = .first.name, o1 = .first.owner, p1 = .first.position, at1 = .first.place,
        o2 = .second.owner, p2 = .second.position, at2 = .second.place
    )]
    Conflict {
        /// The annotation that came first.
        first: Box<Annotation>,
        /// The one that contradicts it.
        second: Box<Annotation>,
    },
}
