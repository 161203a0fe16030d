//! Outputs that would replace their inputs.
//!
//! Checked before anything is read. Files are compared by identity, not by path: a link to an input
//! is that input. Invariant: only `--in-place` replaces an input, and never a map.

use std::fmt;
use std::path::Path;

use crate::diagnostic::{Code, Diagnose, Diagnostic};
use crate::path_text::path_text;

/// The diagnostic for an output that is also one of `inputs`, each given with its role.
///
/// A file that does not exist is no input.
pub(super) fn overwritten<'a>(
    output: &Path,
    inputs: impl IntoIterator<Item = (&'static str, &'a Path)>,
) -> Option<Diagnostic> {
    let file = identity(output)?;
    let (role, path) =
        inputs.into_iter().find(|(_, input)| identity(input).as_ref() == Some(&file))?;
    Some(Diagnostic::error(&path_text(output), &Overwritten { role, path }))
}

/// What all paths that lead to one file have in common, through symbolic or hard links; `None` if there is none.
#[cfg(unix)]
fn identity(path: &Path) -> Option<impl PartialEq> {
    use std::os::unix::fs::MetadataExt;
    path.metadata().ok().map(|about| (about.dev(), about.ino()))
}

/// Hard links are not detected: only Unix has the numbers that show them.
#[cfg(not(unix))]
fn identity(path: &Path) -> Option<impl PartialEq> {
    path.canonicalize().ok()
}

/// An output that is also an input.
struct Overwritten<'a> {
    role: &'static str,
    path: &'a Path,
}

impl fmt::Display for Overwritten<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the output is the same file as {} '{}'", self.role, path_text(self.path))
    }
}

impl Diagnose for Overwritten<'_> {
    fn code(&self) -> Code {
        Code::Write
    }

    fn help(&self) -> Vec<String> {
        vec!["give another output; to replace the input: klp-convert convert --in-place".into()]
    }
}
