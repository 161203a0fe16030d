//! Why a livepatch cannot be started.

use std::fmt;

use crate::c_source::Fault;
use crate::diagnostic::{Code, Diagnose, Diagnostic};
use crate::findings::Finding;
use crate::name::ObjectName;
use crate::symbols::SymbolError;

/// Why a livepatch cannot be started with a function.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DraftError {
    /// Its source cannot be copied.
    #[error("{file}: {fault}")]
    Source {
        /// The file.
        file: String,
        /// Why.
        fault: Fault,
    },
    /// Several objects have it, or one source file is to patch several.
    #[error("'{function}' is in several objects: {}", .objects.iter().map(|o| format!("'{o}'")).collect::<Vec<_>>().join(", "))]
    Objects {
        /// The function or file.
        function: String,
        /// The objects.
        objects: Vec<ObjectName>,
    },
    /// The kernel has the name, but from other files.
    #[error("'{function}' of the kernel is not from this file, but from {files}", files = .files.join(", "))]
    Elsewhere {
        /// The function.
        function: String,
        /// The file that was given.
        file: String,
        /// Those of the kernel's functions.
        files: Vec<String>,
    },
    /// The kernel does not have it, or cannot patch it.
    #[error("{0}")]
    Refused(Box<Finding>),
    /// The kernel's symbols cannot be read.
    #[error(transparent)]
    Symbols(#[from] SymbolError),
}

impl DraftError {
    pub(super) fn fault(file: &str, fault: Fault) -> Self {
        Self::Source { file: file.into(), fault }
    }

    /// Whether a file could not be read.
    #[must_use]
    pub fn is_io(&self) -> bool {
        matches!(self, Self::Symbols(error) if error.is_io())
    }

    /// The printable form.
    #[must_use]
    pub fn diagnostic(&self) -> Diagnostic {
        match self {
            Self::Source { file, fault } => Diagnostic::error(file, fault),
            Self::Elsewhere { file, .. } => Diagnostic::error(file, &Advice(self)),
            Self::Objects { function, .. } => Diagnostic::error(function, &Advice(self)),
            Self::Refused(finding) => Diagnostic::error("--function", &**finding),
            Self::Symbols(error) => error.diagnostic(),
        }
    }
}

impl Diagnose for Fault {
    fn code(&self) -> Code {
        Code::SourceNotCopied
    }

    fn help(&self) -> Vec<String> {
        Self::help(self)
    }
}

/// An error that is about more than a file's text.
struct Advice<'a>(&'a DraftError);

impl fmt::Display for Advice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Diagnose for Advice<'_> {
    fn code(&self) -> Code {
        Code::SourceNotCopied
    }

    fn help(&self) -> Vec<String> {
        vec![match self.0 {
            DraftError::Objects { .. } => {
                "name the one to patch: --function OBJECT:FILE:FUNCTION".to_owned()
            }
            _ => "the compiler has inlined this one: patch the functions that call it".to_owned(),
        }]
    }
}
