//! The exact line that an author pastes to choose a candidate, in both dialects.
//!
//! Positions are the kernel's: 0 for a name that is unique in its object, else counted from 1. The
//! candidate list of klp-convert v7 counted from 0, so its second line chose the first symbol.

use std::fmt;

use crate::klp::ObjectName;
use crate::symbols::Candidate;

/// The annotation of klp-convert v2 to v7: an entry of an array in `.klp.module_relocs.<object>`.
#[derive(Debug, Clone, Copy)]
pub struct KlpSympos<'a>(pub &'a Candidate);

impl fmt::Display for KlpSympos<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Candidate { object, name, .. } = self.0;
        let position = self.0.klp_position();
        write!(f, "KLP_MODULE_RELOC({object}) relocs[] = {{ KLP_SYMPOS({name}, {position}) }};")
    }
}

/// The annotation of the minimal klp-convert: a declaration that renames the symbol for the linker.
/// For a name that C cannot spell, the author has to fill in `TYPE` and use the name with `_`.
#[derive(Debug, Clone, Copy)]
pub struct KlpRelocSymbol<'a> {
    /// The symbol to choose.
    pub candidate: &'a Candidate,
    /// The object that is patched.
    pub gate: &'a ObjectName,
}

impl fmt::Display for KlpRelocSymbol<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Candidate { object, name, .. } = self.candidate;
        let position = self.candidate.klp_position();
        let gate = self.gate;
        if pasteable(self.candidate) {
            write!(f, "extern typeof({name}) {name}")?;
        } else {
            // The macro makes text of the name, so it takes dots; the declaration takes none.
            let ours = name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
            write!(f, "extern TYPE {ours}")?;
        }
        write!(f, " KLP_RELOC_SYMBOL_POS({gate}, {object}, {name}, {position});")
    }
}

/// Whether C source can name the symbol, so that [`KlpSympos`] compiles. A compiler's variant
/// (`foo.isra.0`) has a dot, and needs [`KlpRelocSymbol`].
#[must_use]
pub fn pasteable(candidate: &Candidate) -> bool {
    let mut bytes = candidate.name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
