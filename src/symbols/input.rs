//! Where a text source comes from: a file, or memory.
//!
//! Below the text sources. Invariant: a source is read through [`Input::open`] only, so that
//! text in memory takes the way that a file takes.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::{SymbolError, compressed};

/// A text, and the file that messages call it.
#[derive(Debug)]
pub(super) struct Input {
    path: PathBuf,
    /// The text itself; `None`: it is in the file.
    bytes: Option<Vec<u8>>,
}

impl Input {
    pub(super) fn file(path: PathBuf) -> Self {
        Self { path, bytes: None }
    }

    pub(super) fn memory(path: PathBuf, bytes: Vec<u8>) -> Self {
        Self { path, bytes: Some(bytes) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn open(&self) -> Result<Box<dyn Read + '_>, SymbolError> {
        match &self.bytes {
            Some(bytes) => Ok(Box::new(bytes.as_slice())),
            None => Ok(Box::new(compressed::open(&self.path)?)),
        }
    }
}
