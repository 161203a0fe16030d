//! Where a source comes from: a file, or memory.
//!
//! Below every source. Invariant: a source is read only through [`Input::open`], which treats bytes in
//! memory like those of a file.

use std::path::{Path, PathBuf};

use super::compressed::{self, Contents};
use crate::symbols::SymbolError;

/// Bytes, and the file that messages name.
#[derive(Debug)]
pub(crate) struct Input {
    path: PathBuf,
    /// The bytes; `None`: they are in the file.
    bytes: Option<Vec<u8>>,
}

impl Input {
    pub(crate) fn file(path: PathBuf) -> Self {
        Self { path, bytes: None }
    }

    pub(crate) fn memory(path: PathBuf, bytes: Vec<u8>) -> Self {
        Self { path, bytes: Some(bytes) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it; compressed contents are decompressed into memory.
    pub(crate) fn open(&self) -> Result<Box<dyn Contents + '_>, SymbolError> {
        match &self.bytes {
            Some(bytes) => compressed::contents(bytes, &self.path),
            None => compressed::open(&self.path),
        }
    }
}
