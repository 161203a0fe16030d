//! Changes that a livepatch cannot make, and what cannot be compared.

use std::fmt;

use crate::diagnostic::{Code, Diagnose};

/// Why a change is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChangeRefusal {
    /// Writable data begins with something else: the running kernel has its own, which is not replaced.
    Data {
        /// The variable.
        name: String,
    },
    /// A function that only runs when the kernel or a module starts.
    Init {
        /// The function.
        name: String,
    },
    /// ftrace cannot hook it.
    NotTraced {
        /// The function.
        name: String,
    },
    /// A table that is not known, or whose entries have no known size, names a changed function.
    UnknownTable {
        /// Its section.
        section: String,
        /// The function.
        function: String,
    },
    /// The code has values that only a booting kernel fills in, in itself.
    RuntimeConstant {
        /// The function.
        name: String,
    },
    /// Several things of one name that cannot be told apart.
    Ambiguous {
        /// Those of the old object.
        old: Vec<String>,
        /// Those of the new one.
        new: Vec<String>,
    },
    /// A compiler of Rust made it: names and data are made in other ways.
    Rust,
}

impl fmt::Display for ChangeRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data { name } => write!(f, "the initial value of '{name}' has changed"),
            Self::Init { name } => write!(f, "'{name}' has changed, which runs at start only"),
            Self::NotTraced { name } => write!(f, "'{name}' has changed, which ftrace cannot hook"),
            Self::UnknownTable { section, function } => {
                write!(
                    f,
                    "section '{section}' is not known, and names '{function}', which has changed"
                )
            }
            Self::RuntimeConstant { name } => {
                write!(f, "'{name}' uses a runtime constant, which only a booting kernel fills in")
            }
            Self::Ambiguous { old, new } => {
                write!(f, "{} and {} cannot be told apart", quoted(old), quoted(new))
            }
            Self::Rust => f.write_str("it is compiled from Rust, which is not compared"),
        }
    }
}

/// Names in a row; only the first of many.
fn quoted(names: &[String]) -> String {
    const SHOWN: usize = 4;
    let first: Vec<_> = names.iter().take(SHOWN).map(|name| format!("'{name}'")).collect();
    let more = names.len().saturating_sub(SHOWN);
    match more {
        0 => first.join(", "),
        _ => format!("{} and {more} more", first.join(", ")),
    }
}

impl Diagnose for ChangeRefusal {
    fn code(&self) -> Code {
        match self {
            Self::Data { .. } => Code::DataChanged,
            Self::Init { .. } => Code::InitChanged,
            Self::NotTraced { .. } => Code::NotTraced,
            Self::UnknownTable { .. } => Code::UnknownTable,
            Self::RuntimeConstant { .. } => Code::RuntimeConstantInChange,
            Self::Ambiguous { .. } => Code::AmbiguousTwins,
            Self::Rust => Code::RustObject,
        }
    }

    fn help(&self) -> Vec<String> {
        let line = match self {
            Self::Data { .. } => {
                "set it in a callback of the livepatch (pre_patch), or use a shadow variable"
            }
            Self::Init { .. } => {
                "it has run already: make the change in what runs later, or in a callback"
            }
            Self::NotTraced { .. } => "patch the functions that call it",
            Self::UnknownTable { .. } => {
                "if nothing reads the section in a module, remove it from both objects: objcopy -R"
            }
            Self::RuntimeConstant { .. } => {
                "compile the livepatch's source as a module, in which runtime constants are ordinary variables"
            }
            Self::Ambiguous { .. } => "give them different names in the patch",
            Self::Rust => "leave it out",
        };
        vec![line.to_owned()]
    }
}
