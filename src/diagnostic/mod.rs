//! Diagnostics: a stable code, the location, one sentence, and what to do.
//!
//! Errors have types of their own; [`Diagnose`] gives each its [`Code`] and its help. A
//! [`Diagnostic`] is the printable form, the same for text and JSON.

mod code;
mod escape;

pub use code::Code;
pub use escape::{Json, Lines, OneLine};

use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Bytes of a line that are printed. Names that a kernel may have are shorter, and a few of them are in one
/// line; a file may have any.
const LINE_MAX: usize = 4096;

/// Whether a diagnostic stops the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// The input is refused.
    Error,
    /// The work goes on.
    Warning,
}

/// One error or warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it stops the work.
    pub severity: Severity,
    /// Stable code, for `klp-convert explain`.
    pub code: Code,
    /// The file it is about, as the user named it.
    pub file: String,
    /// Location and sentence, on one line.
    pub message: String,
    /// What to do: lines to paste, candidates, causes.
    pub help: Vec<String>,
    /// Further locations with the same cause.
    pub also: Vec<String>,
    /// How many further ones of its kind were left out.
    pub more: usize,
}

impl Diagnostic {
    /// An error about a file.
    pub fn error(file: &str, error: &impl Diagnose) -> Self {
        Self::new(Severity::Error, file, error)
    }

    /// A warning about a file.
    pub fn warning(file: &str, warning: &impl Diagnose) -> Self {
        Self::new(Severity::Warning, file, warning)
    }

    fn new(severity: Severity, file: &str, what: &impl Diagnose) -> Self {
        Self {
            severity,
            code: what.code(),
            file: file.to_owned(),
            message: cut(what.to_string()),
            help: what.help().into_iter().map(cut).collect(),
            also: Vec::new(),
            more: what.more(),
        }
    }

    /// One diagnostic for each cause: the first one, with the locations of the others.
    pub(crate) fn grouped(all: impl IntoIterator<Item = (Self, Option<Cause>)>) -> Vec<Self> {
        let mut grouped: Vec<Self> = Vec::new();
        let mut causes = HashMap::new();
        for (diagnostic, cause) in all {
            let Some(Cause { what, location }) = cause else {
                grouped.push(diagnostic);
                continue;
            };
            match causes.entry((diagnostic.severity, diagnostic.code, what)) {
                Entry::Vacant(vacant) => {
                    vacant.insert(grouped.len());
                    grouped.push(diagnostic);
                }
                Entry::Occupied(first) => {
                    grouped.get_mut(*first.get()).into_iter().for_each(|first| {
                        first.also.push(cut(location.clone()));
                        first.more = first.more.saturating_add(diagnostic.more);
                    });
                }
            }
        }
        grouped
    }
}

/// What several errors of one code have in common, to report them once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The cause: equal for errors that one change to the input fixes.
    pub what: String,
    /// The location of this error, to print instead of its message.
    pub location: String,
}

/// An error with a stable code and advice.
pub trait Diagnose: std::fmt::Display {
    /// The code of `klp-convert explain`.
    fn code(&self) -> Code;

    /// What it has in common with others of its code; `None` to report each one.
    fn cause(&self) -> Option<Cause> {
        None
    }

    /// How many further ones of its kind were left out.
    fn more(&self) -> usize {
        0
    }

    /// What to do about it, line by line; may be empty.
    fn help(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Cuts a line that is longer than any that is of use.
fn cut(mut line: String) -> String {
    let length = line.len();
    if length > LINE_MAX {
        line.truncate(line.floor_char_boundary(LINE_MAX));
        line += &format!("… ({length} bytes)");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_that_no_one_reads_are_cut_and_never_inside_a_character() {
        assert_eq!(cut("ä".repeat(2048)), "ä".repeat(2048));
        let long = cut("a".to_owned() + &"ä".repeat(3000));
        assert!(long.ends_with("ä… (6001 bytes)") && long.len() < 4200, "{}", long.len());
    }
}
