//! What stands against a conversion: the input's faults, each with its place.

use klp_arch::Fault;

use super::placement::Misplaced;
use super::rules::Violation;
use super::{KlpSymbol, ObjectName, Site, SymbolName};
use crate::annotation::{AnnotationError, AnnotationPlace};
use crate::elf::SymbolIndex;
use crate::resolve::Unresolved;

/// One reason why a module cannot be converted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// An annotation is malformed or contradicts another.
    #[error(transparent)]
    Annotation(AnnotationError),
    /// An annotated symbol has no relocation.
    #[error("{place}: '{name}' is annotated, but nothing in this module uses it")]
    AnnotationUnused {
        /// The symbol's name.
        name: SymbolName,
        /// Where the annotation stands.
        place: AnnotationPlace,
    },
    /// An undefined symbol's name is not UTF-8, so no map can have it.
    #[error("symbol {symbol} '{name}' has a name that is not UTF-8")]
    NotUtf8 {
        /// Index of the symbol.
        symbol: SymbolIndex,
        /// Its name, as far as it can be printed.
        name: String,
    },
    /// An undefined symbol is already spelled as a klp symbol: another tool's intermediate form.
    #[error("symbol '{name}' is spelled as a klp symbol but not marked SHN_LIVEPATCH")]
    UnfinishedKlpSymbol {
        /// The symbol's name.
        name: String,
    },
    /// No symbol of the kernel, or not just one, is meant.
    #[error("{}{reason}", .first_use.as_ref().map_or_else(String::new, |site| format!("{site}: ")))]
    Unresolved {
        /// The first relocation that uses it.
        first_use: Option<Box<Site>>,
        /// The gate that the author gave it, with a name.
        gate: Option<ObjectName>,
        /// What is known about it.
        reason: Box<Unresolved>,
    },
    /// A vmlinux symbol in a section that a module gates.
    #[error("{site}: a vmlinux symbol cannot wait for module '{gate}'")]
    VmlinuxSymbolBehindModule {
        /// The relocation.
        site: Box<Site>,
        /// The gate.
        gate: ObjectName,
    },
    /// The gate is none of the objects that the livepatch patches.
    #[error("{site}: waits for '{gate}', which this livepatch does not patch")]
    GateNotPatched {
        /// The relocation.
        site: Box<Site>,
        /// The gate.
        gate: ObjectName,
    },
    /// Something that is loaded uses an annotation.
    #[error("{site}: an annotation is no data, it leaves the module")]
    AnnotationNeeded {
        /// The relocation.
        site: Box<Site>,
    },
    /// The section cannot take this relocation.
    #[error("{site}: {}", describe(*.reason, .gate))]
    Misplaced {
        /// The relocation.
        site: Box<Site>,
        /// The symbol's name in its owner.
        name: SymbolName,
        /// The gate.
        gate: ObjectName,
        /// Why.
        reason: Misplaced,
    },
    /// The machine's loader does not know the relocation type.
    #[error("{site}: the kernel's module loader does not know this relocation")]
    UnknownRelocation {
        /// The relocation.
        site: Box<Site>,
    },
    /// A symbol is undefined, and no export that an ordinary relocation could use has it.
    #[error("'{name}' is undefined, and only a klp relocation could bind it")]
    NotConverted {
        /// The symbol's name.
        name: String,
    },
    /// The module breaks a rule of the kernel.
    #[error("{0}")]
    Rule(Violation),
    /// The bytes at the place are not what the loader demands.
    #[error("{site}: {fault}")]
    Place {
        /// The relocation.
        site: Box<Site>,
        /// What the back end found.
        fault: Fault,
    },
}

fn describe(reason: Misplaced, gate: &ObjectName) -> String {
    match reason {
        Misplaced::Consumed(consumed) => {
            let by = consumed.by;
            format!(
                "the kernel ({by}) reads this section before relocations for '{gate}' are written"
            )
        }
        Misplaced::Init => {
            format!("init memory is freed before relocations for '{gate}' are written")
        }
        Misplaced::Percpu => {
            "the percpu template is copied before or without klp relocations".to_owned()
        }
        Misplaced::NotLoaded => "the section is not loaded, the kernel would skip this".to_owned(),
    }
}

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
    /// modpost wrote down that the livepatch needs a module that it does not need any more.
    #[error(".modinfo: 'depends' still names '{object}', so modprobe loads it first")]
    DependsOnOwner {
        /// The module.
        object: ObjectName,
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
    #[error("{site}: takes the address of '{function}', which does not start with {pad}")]
    NoLandingPad {
        /// The relocation that takes the address.
        site: Box<Site>,
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
}
