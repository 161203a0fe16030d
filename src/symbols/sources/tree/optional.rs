//! What a tree may have or not. That it is missing is an answer; that it cannot be read is an error, or
//! the answer would be that of another tree.

use std::fs;
use std::io::{ErrorKind, Result as IoResult};
use std::path::Path;

use crate::symbols::SymbolError;

type Result<T> = std::result::Result<T, SymbolError>;

/// What is there; `None` if it is missing.
///
/// # Errors
/// It is there, and cannot be read.
pub(super) fn optional<T>(path: &Path, there: IoResult<T>) -> Result<Option<T>> {
    match there {
        Ok(there) => Ok(Some(there)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(SymbolError::new(path, error)),
    }
}

/// Whether a path leads to a file.
///
/// # Errors
/// [`optional`].
pub(super) fn is_file(path: &Path) -> Result<bool> {
    Ok(optional(path, fs::metadata(path))?.is_some_and(|found| found.is_file()))
}

/// Whether a path leads to a folder.
///
/// # Errors
/// [`optional`].
pub(super) fn is_folder(path: &Path) -> Result<bool> {
    Ok(optional(path, fs::metadata(path))?.is_some_and(|found| found.is_dir()))
}

/// The first file of these.
///
/// # Errors
/// [`optional`].
pub(super) fn first<P: AsRef<Path>>(
    paths: impl IntoIterator<Item = P>,
    wanted: fn(&Path) -> Result<bool>,
) -> Result<Option<P>> {
    for path in paths {
        if wanted(path.as_ref())? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
