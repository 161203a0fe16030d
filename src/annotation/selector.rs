//! How an author selects one of several symbols of a name.
//!
//! The kernel knows positions only. A position is what both historical dialects give; a selector
//! names a source file or a neighbour, from which [`crate::resolve`] computes the position. A
//! [`SourceFile`] is compared by whole components from its end, because author, symbol table and
//! debug information may each have a different part of the path.

use std::fmt;
use std::str::FromStr;

use crate::name::{Position, SymbolName};

/// Selects one of the symbols of a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Selector {
    /// The one at this position.
    Position(Position),
    /// The one defined in this source file.
    InFile(SourceFile),
    /// The one defined in the same source file as the static symbol of this name.
    NextTo(SymbolName),
}

impl From<Position> for Selector {
    fn from(position: Position) -> Self {
        Self::Position(position)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Position(position) => write!(f, "position {position}"),
            Self::InFile(file) => write!(f, "from '{file}'"),
            Self::NextTo(neighbour) => write!(f, "next to '{neighbour}'"),
        }
    }
}

/// Longest path in bytes: a selector's text field without its NUL.
const FILE_MAX: usize = 511;

/// A source file's path or the end of one, such as `fs/proc/stat.c` or `stat.c`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SourceFile(String);

impl SourceFile {
    /// The path as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this may be the file that a symbol source calls `known`: the shorter path is the end
    /// of the longer one, component by component.
    #[must_use]
    pub fn agrees_with(&self, known: &str) -> bool {
        let mut theirs = components(known).peekable();
        theirs.peek().is_some() && components(&self.0).zip(theirs).all(|(a, b)| a == b)
    }

    /// Whether this has more components than `known`, so only its end could be compared.
    #[must_use]
    pub fn says_more_than(&self, known: &str) -> bool {
        components(&self.0).count() > components(known).count()
    }
}

/// The components of a path, the last one first, with a slash after each: where one such text starts with another, the
/// paths agree.
pub(crate) fn from_its_end(path: &str) -> String {
    components(path).flat_map(|component| [component, "/"]).collect()
}

/// The components of a path, the last one first, without `.` and without the root.
fn components(path: &str) -> impl Iterator<Item = &str> {
    path.rsplit('/').filter(|c| !c.is_empty() && *c != ".")
}

impl fmt::Display for SourceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why text is not the path of a source file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceFileError {
    /// There is no text.
    #[error("the source file is empty")]
    Empty,
    /// The path is longer than a selector can hold.
    #[error("source file of {0} bytes, a selector holds {FILE_MAX}")]
    TooLong(usize),
    /// The path ends with a slash or has an empty component, `.` or `..`.
    #[error("source file '{0}' has an invalid component")]
    Component(String),
    /// A character that ends a C string or a line.
    #[error("source file {0:?} contains {1:?}")]
    Character(String, char),
}

impl FromStr for SourceFile {
    type Err = SourceFileError;

    fn from_str(text: &str) -> Result<Self, SourceFileError> {
        if text.is_empty() {
            return Err(SourceFileError::Empty);
        }
        if text.len() > FILE_MAX {
            return Err(SourceFileError::TooLong(text.len()));
        }
        if let Some(c) = text.chars().find(|&c| c.is_control() || matches!(c, '"' | '\\')) {
            return Err(SourceFileError::Character(text.into(), c));
        }
        let relative = text.strip_prefix('/').unwrap_or(text);
        if relative.split('/').any(|c| matches!(c, "" | "." | "..")) {
            return Err(SourceFileError::Component(text.into()));
        }
        Ok(Self(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> SourceFile {
        text.parse().unwrap()
    }

    #[test]
    fn the_shorter_path_must_be_the_end_of_the_longer_one() {
        for known in ["stat.c", "proc/stat.c", "fs/proc/stat.c", "/src/fs/proc/stat.c"] {
            assert!(file("fs/proc/stat.c").agrees_with(known), "{known}");
            assert!(file("stat.c").agrees_with(known), "{known}");
        }
        assert!(file("proc/stat.c").agrees_with("./proc/./stat.c"));
    }

    #[test]
    fn components_are_compared_whole() {
        for known in ["stat.h", "xstat.c", "tat.c", "xproc/stat.c", "fs/stat.c", "stat.c/x", ""] {
            assert!(!file("fs/proc/stat.c").agrees_with(known), "{known}");
        }
        assert!(!file("stat.c").agrees_with("lstat.c"));
        assert!(!file("stat.c").agrees_with("/"));
    }

    #[test]
    fn a_path_says_more_than_its_end() {
        assert!(file("fs/stat.c").says_more_than("stat.c"));
        assert!(!file("fs/stat.c").says_more_than("./fs/stat.c"));
        assert!(!file("stat.c").says_more_than("fs/stat.c"));
    }

    #[test]
    fn what_is_not_the_path_of_a_file_is_refused() {
        for text in ["", "/", "a/", "a//b.c", "./a.c", "../a.c", "a/../b.c", "a\n", "a\"", "a\\b"] {
            assert!(text.parse::<SourceFile>().is_err(), "{text:?}");
        }
        assert!("x".repeat(511).parse::<SourceFile>().is_ok());
        assert_eq!("x".repeat(512).parse::<SourceFile>(), Err(SourceFileError::TooLong(512)));
        assert_eq!(file("/src/a b.c").to_string(), "/src/a b.c");
    }
}
