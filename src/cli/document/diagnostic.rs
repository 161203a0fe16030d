//! Diagnostics.

use serde::{Serialize, Serializer};

use crate::diagnostic::{self, Severity};

#[derive(Serialize)]
struct Diagnostic<'a> {
    severity: &'static str,
    code: &'static str,
    file: &'a str,
    message: &'a str,
    help: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    also: &'a [String],
    /// How many further ones of its kind are left out.
    #[serde(skip_serializing_if = "is_none")]
    more: usize,
}

pub(super) fn is_none(more: &usize) -> bool {
    *more == 0
}

impl<'a> From<&'a diagnostic::Diagnostic> for Diagnostic<'a> {
    fn from(diagnostic: &'a diagnostic::Diagnostic) -> Self {
        let diagnostic::Diagnostic { severity, code, file, message, help, also, more } = diagnostic;
        let severity = match severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        Self { severity, code: code.into(), file, message, help, also, more: *more }
    }
}

/// Serialises diagnostics, of which `also` is left out where it is empty.
pub(in crate::cli) fn diagnostics<S: Serializer>(
    all: &[diagnostic::Diagnostic],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(all.iter().map(Diagnostic::from))
}
