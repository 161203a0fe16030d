//! What is allowed, but may be a mistake.

use crate::elf::ElfError;
use crate::name::{KlpSymbol, ObjectName};
use crate::patch::Replaced;

/// Something that is allowed, but may be a mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// A position could not be checked against addresses.
    #[error("'{klp}': its position comes from a list whose order is not proven")]
    PositionUnproven {
        /// The klp symbol.
        klp: KlpSymbol,
    },
    /// A selector's path is longer than what is known of the file, and the owner has several such files.
    #[error("'{klp}': its source file is known only as '{known}', which may not be '{said}'")]
    FileUnproven {
        /// The klp symbol.
        klp: KlpSymbol,
        /// The path that the author gives.
        said: String,
        /// The path that a source gives.
        known: String,
    },
    /// A module exports the symbol, but its symbols are not known.
    #[error("'{klp}': no source has the symbols of '{}', so its uniqueness is not proven", .klp.owner)]
    OwnerUnknown {
        /// The klp symbol.
        klp: KlpSymbol,
    },
    /// Another tool's object was converted before it is linked into a module.
    #[error("an object that is not linked into a module yet: only its klp relocations are checked")]
    NotLinked,
    /// The livepatch still depends on a module although it has klp symbols of it.
    #[error("{}", .why.text(.object))]
    DependsOnOwner {
        /// The module.
        object: ObjectName,
        /// What still names it.
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
        /// What the CPU requires there.
        pad: &'static str,
    },
    /// A module's symbol is resolved while the livepatch itself is loaded.
    #[error("'{klp}': waits for nothing, so the livepatch loads only if '{}' is already loaded", .klp.owner)]
    OwnerNotAwaited {
        /// The klp symbol.
        klp: KlpSymbol,
    },
    /// An annotation selects a symbol in memory that is freed after init.
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
    /// No source has the symbols of a patched object.
    #[error(
        "no source has the symbols of '{object}', so the functions replaced there are not checked"
    )]
    ReplacedUnchecked {
        /// The object.
        object: ObjectName,
    },
    /// Whether a patched object needs the owner of a symbol is not known.
    #[error(
        "'{gate}' needs '{owner}' for this livepatch, but it is not known whether it depends on it"
    )]
    DependencyUnknown {
        /// The object that the relocation waits for.
        gate: ObjectName,
        /// The module that has the symbol.
        owner: ObjectName,
    },
    /// A relocation that is written when the livepatch is loaded uses a module's symbol.
    #[error("loads only while '{owner}' is loaded, whose symbol it uses at once")]
    LoadsOnlyWith {
        /// The module that has the symbol.
        owner: ObjectName,
    },
    /// A function exists, or has its position, only while its module is being loaded.
    #[error("{function} is replaced only if the livepatch is loaded before '{}'", .function.object)]
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
    /// A header field is wrong, but the kernel ignores it.
    #[error("{0}, which the kernel ignores")]
    Irregular(ElfError),
    /// Another module exports what this one exports.
    #[error("exports {names}, as '{owner}' does: whichever is loaded second is refused")]
    ExportedTwice {
        /// The names, or the first few of many.
        names: String,
        /// The other module.
        owner: ObjectName,
    },
    /// Properties of exports that the kernel checks are not known.
    #[error("no source has {what} of {names}: {}", .what.check())]
    ExportsUnknown {
        /// What is not known.
        what: ExportProperty,
        /// The names, or the first few of many.
        names: String,
    },
    /// The kernel's own decompressor does not support the file's compression.
    #[error("the kernel's own decompressor refuses it: {0}")]
    Incompressible(String),
}

/// A property of an export that the kernel checks (`resolve_symbol`) and sources may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display)]
pub enum ExportProperty {
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

impl ExportProperty {
    fn check(self) -> &'static str {
        match self {
            Self::Namespace => "the kernel refuses a module that does not import it",
            Self::Gpl => "the kernel hides GPL-only exports from this module",
            Self::Crc => "the kernel refuses a module that was built with another one",
        }
    }
}

/// What still names a module that a livepatch has klp symbols of.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StillNamed {
    /// Another symbol of it stays ordinary.
    Import(String),
    /// `depends=`: whether another symbol of it stays ordinary is not known.
    Unknown,
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
            Self::Unknown => format!(
                ".modinfo: 'depends' still names '{object}': no source shows whether it is needed"
            ),
            Self::Depends => format!(
                ".modinfo: 'depends' still names '{object}', of which only klp symbols are used"
            ),
            Self::Version(name) => format!(
                "the table of versions still has '{name}', so depmod considers '{object}' a \
                 dependency"
            ),
        }
    }
}
