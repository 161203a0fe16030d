//! Faults of the input that rule out a conversion.

use std::fmt;

use klp_arch::Fault;

use super::rule::Consequence;
use super::section::{Misplaced, PassedOver, Unapplied, Unfinished};
use crate::annotation::{AnnotationError, AnnotationLocation};
use crate::elf::SymbolIndex;
use crate::intermediate::RecordError;
use crate::name::{KlpSymbol, OBJECT_NAME_MAX, ObjectName, SymbolName};
use crate::patch::{Replaced, Unpatchable};
use crate::resolve::Unresolved;

/// One reason why a module cannot be converted, or does not work.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// An annotation is malformed or contradicts another.
    #[error(transparent)]
    Annotation(AnnotationError),
    /// An annotated symbol has no relocation.
    #[error("{location}: '{name}' is annotated, but nothing in this module uses it")]
    AnnotationUnused {
        /// The symbol's name.
        name: SymbolName,
        /// The annotation's location.
        location: AnnotationLocation,
    },
    /// An undefined symbol's name is not UTF-8, so no map can have it.
    #[error("symbol {symbol} '{name}' has a name that is not UTF-8")]
    NotUtf8 {
        /// Index of the symbol.
        symbol: SymbolIndex,
        /// Its name, lossily decoded.
        name: String,
    },
    /// Another tool made the module, and what it has recorded cannot be read.
    #[error(transparent)]
    Record(RecordError),
    /// Another tool made the module, and has not finished it.
    #[error(transparent)]
    Unfinished(Unfinished),
    /// The name matches no symbol of the kernel, or more than one.
    #[error("{reason}")]
    Unresolved {
        /// The gate, if the author named one.
        gate: Option<ObjectName>,
        /// What is known about it.
        reason: Box<Unresolved>,
    },
    /// A vmlinux symbol in a section that a module gates.
    #[error("a vmlinux symbol cannot wait for module '{gate}'")]
    GatedVmlinuxSymbol {
        /// The gate.
        gate: ObjectName,
    },
    /// The gate is not an object that the livepatch patches.
    #[error("waits for '{gate}', which this livepatch does not patch")]
    GateNotPatched {
        /// The gate.
        gate: ObjectName,
    },
    /// Something that is loaded uses an annotation.
    #[error("an annotation is not data: the conversion removes it")]
    AnnotationNeeded,
    /// The section cannot take this relocation.
    #[error("{}", describe(*.reason, .gate))]
    Misplaced {
        /// The symbol's name in its owner.
        name: SymbolName,
        /// The gate.
        gate: ObjectName,
        /// Why.
        reason: Misplaced,
    },
    /// The machine's loader does not know the relocation type.
    #[error("the kernel's module loader does not know this relocation")]
    UnknownRelocation,
    /// A symbol is undefined, and nothing exports it to ordinary relocations.
    #[error("'{name}' is undefined, and only a klp relocation could bind it")]
    NotConverted {
        /// The symbol's name.
        name: String,
    },
    /// Code of several objects uses a symbol, and nothing determines which of them its relocation
    /// waits for.
    #[error("code for {} uses '{}' of '{}', and which object it waits for is not clear",
        Names(.users), .klp.symbol, .klp.owner)]
    GateUndecided {
        /// The symbol.
        klp: KlpSymbol,
        /// The objects whose replaced functions use it.
        users: Vec<ObjectName>,
    },
    /// Functions of vmlinux are replaced by code that uses a symbol of a module.
    #[error("replaces code of vmlinux and uses '{}' of '{}', a module that may not be loaded",
        .klp.symbol, .klp.owner)]
    ModuleSymbolInVmlinux {
        /// The symbol.
        klp: KlpSymbol,
    },
    /// The kernel refuses the patched object while a symbol's owner is not loaded.
    #[error("waits for '{gate}' and needs '{owner}', which '{gate}' does not depend on")]
    UndeclaredDependency {
        /// The object that the relocation waits for.
        gate: ObjectName,
        /// The module that has the symbol.
        owner: ObjectName,
    },
    /// A function to replace is not found, or not unique.
    #[error("{}", describe_lookup(.function, .reason))]
    NotReplaced {
        /// The function.
        function: Replaced,
        /// What is known about it.
        reason: Box<Unresolved>,
    },
    /// The kernel cannot patch a function to replace.
    #[error("{function} is to be replaced, but {why}")]
    Unpatchable {
        /// The function.
        function: Replaced,
        /// Why.
        why: Unpatchable,
    },
    /// A `klp_func` does not name the function to replace.
    #[error("a klp_func of '{object}' has no old_name")]
    NoOldName {
        /// The object.
        object: ObjectName,
    },
    /// A `klp_object` has no table of functions.
    #[error("the klp_object of '{object}' has no funcs")]
    NoFunctions {
        /// The object.
        object: ObjectName,
    },
    /// The kernel writes to the tables of a loaded patch, but they are not writable.
    #[error("the tables of the patch are in section '{section}', and the kernel writes to them")]
    TablesUnwritable {
        /// The section.
        section: String,
    },
    /// Two objects of the patch are the same.
    #[error("the patch has two klp_objects of '{name}'")]
    ObjectTwice {
        /// The object.
        name: String,
    },
    /// No module can have the name of a `klp_object`.
    #[error("the patch has a klp_object called \"{name}\", but no module can have that name")]
    NoSuchObject {
        /// The name.
        name: String,
    },
    /// A selector names a function that the tables do not have.
    #[error("{location}: the patch does not replace '{name}' of '{object}' with this function")]
    SelectedNotReplaced {
        /// The selector's location.
        location: AnnotationLocation,
        /// The object.
        object: ObjectName,
        /// The function's name.
        name: SymbolName,
    },
    /// A selector finds another position than the author wrote.
    #[error("{location}: {function} has position {found} there, but old_sympos says {written}",
        written = .function.position)]
    SelectedElsewhere {
        /// The selector's location.
        location: AnnotationLocation,
        /// The function, with the author's position.
        function: Replaced,
        /// The position that the selector finds.
        found: u64,
    },
    /// The kernel does not apply a relocation table.
    #[error("{0}")]
    PassedOver(PassedOver),
    /// The bytes to patch are not what the loader demands.
    #[error("{0}")]
    Place(Fault),
}

impl Refusal {
    /// What happens to a module that has it.
    #[must_use]
    pub fn consequence(&self) -> Consequence {
        match self {
            // A name too long for a module is refused; any other waits forever.
            Self::NoSuchObject { name } if name.len() <= OBJECT_NAME_MAX => Consequence::Ignored,
            // For unfinished symbols that are not weak, a simulated load has the kernel's refusal.
            Self::GateNotPatched { .. }
            | Self::Unfinished(_)
            | Self::PassedOver(PassedOver {
                reason: Unapplied::Unknown(_) | Unapplied::Target(_) | Unapplied::Type(_),
                ..
            }) => Consequence::Ignored,
            Self::TablesUnwritable { .. }
            | Self::Unpatchable { why: Unpatchable::InitReplacement, .. } => Consequence::Corrupted,
            _ => Consequence::Refused,
        }
    }

    /// Whether the kernel finds it only when the patch is enabled (`klp_enable_patch`).
    pub(crate) fn is_of_enabling(&self) -> bool {
        matches!(
            self,
            Self::ObjectTwice { .. }
                | Self::NoSuchObject { .. }
                | Self::NoFunctions { .. }
                | Self::NoOldName { .. }
                | Self::NotReplaced { .. }
                | Self::Unpatchable { .. }
        )
    }

    /// What is known about the name, if this is about a name that is not found.
    pub fn unresolved_mut(&mut self) -> Option<&mut Unresolved> {
        match self {
            Self::Unresolved { reason, .. } | Self::NotReplaced { reason, .. } => Some(reason),
            _ => None,
        }
    }
}

/// Displays names, each in quotes.
struct Names<'a>(&'a [ObjectName]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, name) in self.0.iter().enumerate() {
            let before = match n {
                0 => "",
                _ if n + 1 == self.0.len() => " and ",
                _ => ", ",
            };
            write!(f, "{before}'{name}'")?;
        }
        Ok(())
    }
}

fn describe_lookup(function: &Replaced, reason: &Unresolved) -> String {
    let Replaced { object, name, position } = function;
    match reason {
        Unresolved::NotFound { .. } => {
            format!("'{name}' is to be replaced, but '{object}' has no symbol of this name")
        }
        Unresolved::AnnotatedNotUnique { candidates, .. } => {
            let count = candidates.len();
            format!("'{name}' is to be replaced, but '{object}' has {count} of them")
        }
        Unresolved::AnnotatedNoSuchPosition { candidates, .. } => {
            let count = candidates.len();
            format!("'{name}' at position {position} is to be replaced, but '{object}' has {count}")
        }
        other => format!("'{name}' of '{object}' is to be replaced: {other}"),
    }
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
        Misplaced::NotLoaded => {
            "the section is not loaded, so the kernel would skip this".to_owned()
        }
    }
}
