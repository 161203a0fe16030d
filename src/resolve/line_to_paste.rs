//! The exact line to paste to select a candidate, in each dialect.
//!
//! Positions are the kernel's: 0 for a name that is unique in its object, otherwise counted from 1. The
//! candidate list of klp-convert v7 counted from 0, so its second line selected the first symbol.

use std::fmt;

use crate::annotation::SourceFile;
use crate::name::{ObjectName, Position};
use crate::symbols::{Candidate, Kind};

/// The annotation of klp-convert v2 to v7: an array in `.klp.module_relocs.<object>`. The array's
/// name is derived from its contents: one file may have several.
#[derive(Debug, Clone, Copy)]
pub struct KlpSympos<'a> {
    /// The object that has the symbol.
    pub owner: &'a ObjectName,
    /// The symbol, whose name is a C identifier.
    pub name: &'a str,
    /// Which symbol of that name.
    pub position: Position,
}

impl fmt::Display for KlpSympos<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { owner, name, position } = self;
        write!(f, "KLP_MODULE_RELOC({owner}) klp_{owner}_{name}[] = ")?;
        write!(f, "{{ KLP_SYMPOS({name}, {position}) }};")
    }
}

/// The annotation of the minimal klp-convert: a declaration that renames the symbol for the linker.
/// For a name that is not a C identifier, the author has to fill in `TYPE` and use the name with `_`.
#[derive(Debug, Clone, Copy)]
pub struct KlpRelocSymbol<'a> {
    /// The object that is patched.
    pub gate: &'a ObjectName,
    /// The object that has the symbol.
    pub owner: &'a ObjectName,
    /// The symbol.
    pub name: &'a str,
    /// What the author's source calls it.
    pub alias: &'a str,
    /// Which symbol of that name.
    pub position: Position,
}

impl fmt::Display for KlpRelocSymbol<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gate, owner, name, alias, position } = self;
        if pasteable(name) {
            write!(f, "extern typeof({name}) {alias}")?;
        } else {
            // The macro stringifies the name and accepts dots; the declaration does not.
            write!(f, "extern TYPE {}", spelled(alias))?;
        }
        write!(f, " KLP_RELOC_SYMBOL_POS({gate}, {owner}, {name}, {position});")
    }
}

/// The selector by source file, which stays valid across kernels.
#[derive(Debug, Clone, Copy)]
pub struct KlpSymbolIn<'a> {
    /// The object that has the symbol.
    pub owner: &'a ObjectName,
    /// The symbol.
    pub name: &'a str,
    /// Its source file.
    pub file: &'a SourceFile,
}

impl<'a> KlpSymbolIn<'a> {
    /// The selector of a candidate, if its file distinguishes it from the other candidates.
    #[must_use]
    pub fn of(candidate: &'a Candidate, file: &'a SourceFile, all: &[Candidate]) -> Option<Self> {
        let Candidate { object: owner, name, .. } = candidate;
        let fits = |c: &&Candidate| {
            c.object == *owner
                && c.kind != Some(Kind::Marker)
                && c.file.as_ref().is_some_and(|known| file.agrees_with(known))
        };
        (all.iter().filter(fits).take(2).count() == 1).then_some(Self { owner, name, file })
    }
}

impl fmt::Display for KlpSymbolIn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { owner, name, file } = self;
        if pasteable(name) {
            write!(f, "KLP_SYMBOL_IN({owner}, {name}, \"{file}\");")
        } else {
            let ours = spelled(name);
            write!(f, "extern TYPE {ours}; ")?;
            write!(f, "KLP_SYMBOL_IN({owner}, {ours}, \"{file}\", .name = \"{name}\");")
        }
    }
}

/// A C identifier for a name that is not one.
fn spelled(name: &str) -> String {
    name.replace(|c: char| !c.is_ascii_alphanumeric(), "_")
}

/// Whether the name is a C identifier, as [`KlpSympos`] needs. A compiler's variant
/// (`foo.isra.0`) has a dot, and needs [`KlpRelocSymbol`].
#[must_use]
pub fn pasteable(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
