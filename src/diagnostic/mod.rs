//! What the tool tells people: a stable code, the place, one sentence, and what to do.
//!
//! Errors are typed where they arise; [`Explained`] gives each its [`Code`] and its help. A
//! [`Diagnostic`] is the printable form, the same for text and JSON.

mod code;

pub use code::Code;

use serde::Serialize;

/// Whether a diagnostic stops the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The input is refused.
    Error,
    /// The work goes on.
    Warning,
}

/// One thing to tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Whether it stops the work.
    pub severity: Severity,
    /// Stable code, for `klp-convert explain`.
    pub code: Code,
    /// The file it is about, as the user named it.
    pub file: String,
    /// Place and sentence, one line.
    pub message: String,
    /// What to do: lines to paste, candidates, causes.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// An error about a file.
    pub fn error(file: &str, error: &impl Explained) -> Self {
        Self::new(Severity::Error, file, error)
    }

    /// A warning about a file.
    pub fn warning(file: &str, warning: &impl Explained) -> Self {
        Self::new(Severity::Warning, file, warning)
    }

    fn new(severity: Severity, file: &str, what: &impl Explained) -> Self {
        Self {
            severity,
            code: what.code(),
            file: file.to_owned(),
            message: what.to_string(),
            help: what.help(),
        }
    }
}

/// An error with a stable code and advice.
pub trait Explained: std::fmt::Display {
    /// The code of `klp-convert explain`.
    fn code(&self) -> Code;

    /// What to do about it, line by line; may be empty.
    fn help(&self) -> Vec<String> {
        Vec::new()
    }
}
