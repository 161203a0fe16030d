//! What is allowed, but may not be what was meant.

use crate::elf::ElfError;
use crate::name::{KlpSymbol, ObjectName};
use crate::patch::Replaced;

/// Something that is allowed but may not be what was meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// A position could not be checked against addresses.
    #[error("'{klp}': its position comes from a list that proves no order")]
    PositionUnproven {
        /// The klp symbol.
        klp: KlpSymbol,
    },
    /// A selector's path is longer than what is known of the file.
    #[error("'{klp}': its source file is known as '{known}' only, not that it is '{said}'")]
    FileUnproven {
        /// The klp symbol.
        klp: KlpSymbol,
        /// The path that the author gives.
        said: String,
        /// The path that a source gives.
        known: String,
    },
    /// A module exports the symbol, but its symbols are not known.
    #[error("'{klp}': no source tells the symbols of '{}', so that it is unique is not proven", .klp.owner)]
    OwnerUntold {
        /// The klp symbol.
        klp: KlpSymbol,
    },
    /// The livepatch still asks for a module although it has klp symbols of it.
    #[error("{}", .why.text(.object))]
    DependsOnOwner {
        /// The module.
        object: ObjectName,
        /// What asks for it.
        why: StillNamed,
    },
    /// A symbol that nothing refers to makes the livepatch need a module.
    #[error("'{name}' is undefined and unused, but '{owner}' exports it and must be loaded first")]
    UnusedImport {
        /// The symbol's name.
        name: String,
        /// The module that exports it.
        owner: ObjectName,
    },
    /// A function is called through a pointer and has no landing pad.
    #[error("takes the address of '{function}', which does not start with {pad}")]
    NoLandingPad {
        /// The function.
        function: String,
        /// What the processor demands there.
        pad: &'static str,
    },
    /// A module's symbol is resolved while the livepatch itself is loaded.
    #[error("'{klp}': waits for nothing, so the livepatch loads only where '{}' is loaded already", .klp.owner)]
    OwnerNotAwaited {
        /// The klp symbol.
        klp: KlpSymbol,
    },
    /// An author insists on a symbol in memory that is freed after initialisation.
    #[error("'{klp}': lies in init memory of '{}', which is freed before a livepatch runs", .klp.owner)]
    InitMemory {
        /// The klp symbol.
        klp: KlpSymbol,
    },
    /// A position means another symbol once the owner's init memory is gone.
    #[error("'{klp}': its position holds only while the module is loading, not once it is live")]
    PositionDrifts {
        /// The klp symbol.
        klp: KlpSymbol,
    },
    /// The tables of the patch cannot be read.
    #[error("the objects and functions to patch cannot be read from the file: code fills them in")]
    TablesAtRunTime,
    /// No source tells the symbols of an object that is patched.
    #[error(
        "no source has the symbols of '{object}', so the functions replaced there are not checked"
    )]
    ObjectUntold {
        /// The object.
        object: ObjectName,
    },
    /// Whether a patched object needs the owner of a symbol is not known.
    #[error(
        "'{gate}' needs '{owner}' for this livepatch, and whether it depends on it is not known"
    )]
    DependencyUntold {
        /// The object that is waited for.
        gate: ObjectName,
        /// The module that has the symbol.
        owner: ObjectName,
    },
    /// A function is there, or at its position, only while its module is being loaded.
    #[error("{function} is replaced only where the livepatch is loaded before '{}'", .function.object)]
    ReplacedDrifts {
        /// The function.
        function: Replaced,
    },
    /// The replacement of a function has no symbol.
    #[error("the replacement of {function} has no symbol, by which the kernel finds its size")]
    ReplacementNameless {
        /// The function.
        function: Replaced,
    },
    /// A klp symbol that no relocation names.
    #[error("'{klp}': nothing in this module uses it, and nothing is written for it")]
    UnusedKlpSymbol {
        /// The klp symbol.
        klp: KlpSymbol,
    },
    /// A header field is wrong, and the kernel does not look at it.
    #[error("{0}, which the kernel does not look at")]
    Irregular(ElfError),
    /// Another module exports what this one exports.
    #[error("exports {names}, as '{owner}' does: the one that is loaded later is refused")]
    ExportedTwice {
        /// The names, the first of them where there are many.
        names: String,
        /// The other module.
        owner: ObjectName,
    },
    /// What the kernel checks of exports is not known.
    #[error("no source tells {what} of {names}: {}", .what.check())]
    ExportsUntold {
        /// What is not known.
        what: UntoldOfExports,
        /// The names, the first of them where there are many.
        names: String,
    },
    /// The file is compressed in a way that the kernel's own decompressor does not take.
    #[error("the kernel's own decompressor refuses it: {0}")]
    Incompressible(String),
}

/// What the kernel checks of an export (`resolve_symbol`), and sources may not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display)]
pub enum UntoldOfExports {
    /// The namespace that a module must import.
    #[strum(serialize = "the namespace")]
    Namespace,
    /// Whether it is for GPL modules only.
    #[strum(serialize = "the licence")]
    Gpl,
    /// The CRC of its type.
    #[strum(serialize = "the CRC")]
    Crc,
}

impl UntoldOfExports {
    fn check(self) -> &'static str {
        match self {
            Self::Namespace => "the kernel refuses a module that does not import it",
            Self::Gpl => "the kernel hides GPL-only exports from this module",
            Self::Crc => "the kernel refuses a module that was built with another one",
        }
    }
}

/// What asks for a module of which a livepatch has klp symbols.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StillNamed {
    /// Another symbol of it stays an ordinary one.
    Import(String),
    /// `depends=`: whether another symbol of it stays ordinary is not known.
    Untold,
    /// `depends=`, though no ordinary symbol of it is left.
    Depends,
    /// An entry of this name in a table of versions, though the symbol is a klp symbol.
    Version(String),
}

impl StillNamed {
    fn text(&self, object: &ObjectName) -> String {
        match self {
            Self::Import(name) => {
                format!("'{name}' stays an ordinary symbol, so '{object}' must be loaded first")
            }
            Self::Untold => format!(
                ".modinfo: 'depends' still names '{object}': no source tells whether it is needed"
            ),
            Self::Depends => format!(
                ".modinfo: 'depends' still names '{object}', of which only klp symbols are used"
            ),
            Self::Version(name) => format!(
                "the table of versions still has '{name}', so depmod takes '{object}' to be needed"
            ),
        }
    }
}
