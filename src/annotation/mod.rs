//! A livepatch author's annotations of symbols, in any of three dialects.
//!
//! `arrays` reads `KLP_MODULE_RELOC`/`KLP_SYMPOS` (klp-convert v1 to v7), `names` reads
//! `KLP_RELOC_SYMBOL[_POS]` (the minimal version), `selectors` reads `KLP_SYMBOL_IN` and
//! `KLP_SYMBOL_NEXT_TO`, whose position is found for each kernel, and `KLP_FUNC_IN` and
//! `KLP_FUNC_NEXT_TO` for replaced functions. All others decode to the same [`Annotation`], keyed
//! by ELF symbol, not by name: one module may use one name in two objects, or two positions of one
//! name. Annotations do not reach the output: [`Annotations`] lists what is removed with them.

mod arrays;
mod error;
mod names;
mod pointer;
mod selector;
mod selectors;

use std::collections::{BTreeMap, BTreeSet};

use crate::elf::{Location, Module, SectionIndex, SymbolIndex, SymbolSection};
use crate::name::{ObjectName, SymbolName};

pub use error::{AnnotationError, SelectorFault};
pub use names::NAME_PREFIX;
pub(crate) use selector::from_its_end;
pub use selector::{Selector, SourceFile, SourceFileError};
pub use selectors::SELECTORS;

/// The meaning of one undefined symbol of the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// The annotated ELF symbol.
    pub symbol: SymbolIndex,
    /// The symbol's name in its owner.
    pub name: SymbolName,
    /// The object whose load triggers the write; `None`: derived from the owner and its users.
    pub gate: Option<ObjectName>,
    /// The object that has the symbol.
    pub owner: ObjectName,
    /// Which symbol of that name.
    pub which: Selector,
    /// Where the author wrote it, for messages.
    pub location: AnnotationLocation,
}

impl Annotation {
    fn means_the_same(&self, other: &Self) -> bool {
        (&self.name, &self.gate, &self.owner, &self.which)
            == (&other.name, &other.gate, &other.owner, &other.which)
    }
}

/// Selects the function that a livepatch replaces by something other than a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionSelector {
    /// The object that has the function.
    pub object: ObjectName,
    /// The function's name (`old_name`).
    pub name: SymbolName,
    /// The function that replaces it.
    pub new_func: Location,
    /// Which symbol of that name.
    pub which: Selector,
    /// Where the author wrote it, for messages.
    pub location: AnnotationLocation,
}

/// The location of an annotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnnotationLocation {
    /// Entry number (from 0) of an array or of the selectors.
    Entry {
        /// The section's name.
        section: String,
        /// Index of the entry.
        entry: u64,
    },
    /// The symbol's own name.
    Name(String),
}

impl std::fmt::Display for AnnotationLocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Entry { section, entry } => write!(f, "{section}[{entry}]"),
            Self::Name(name) => write!(f, "symbol '{name}'"),
        }
    }
}

/// All annotations of a module, and what is removed with them.
#[derive(Debug, Default)]
pub struct Annotations {
    by_symbol: BTreeMap<SymbolIndex, Annotation>,
    /// Selectors of replaced functions, in file order.
    pub functions: Vec<FunctionSelector>,
    /// Sections that exist only to annotate: arrays, selectors, and their relocations.
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
        selectors::read(module, &mut annotations, &mut errors);
        names::read(module, &mut annotations, &mut errors);
        annotations.find_symbols(module);
        if errors.is_empty() { Ok(annotations) } else { Err(errors) }
    }

    /// Removes other sections as those of annotations are.
    pub(crate) fn include(&mut self, module: &Module<'_>, sections: &BTreeSet<SectionIndex>) {
        self.sections.extend(sections);
        self.find_symbols(module);
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

    /// Finds the symbols to remove with the sections.
    fn find_symbols(&mut self, module: &Module<'_>) {
        if self.sections.is_empty() {
            return;
        }
        let gone =
            |s: SymbolSection| matches!(s, SymbolSection::Defined(s) if self.sections.contains(&s));
        self.symbols = module.symbols().filter(|s| gone(s.section)).map(|s| s.index).collect();
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
