//! Where a source comes from: a file, or memory.
//!
//! Below every source. Invariant: a source is read only through [`Input::open`], which treats bytes in
//! memory like those of a file.

use std::path::{Path, PathBuf};

use super::compressed::{self, Contents};
use crate::symbols::SymbolError;

/// The most bytes that compressed contents may have: a module's, or ten times the longest list.
const SOURCE_MAX: u64 = compressed::MODULE_MAX;
/// The most that those of a linked kernel may have.
const KERNEL_MAX: u64 = 1 << 30;

/// Bytes, and the file that messages name.
#[derive(Debug)]
pub(crate) struct Input {
    path: PathBuf,
    /// The bytes; `None`: they are in the file.
    bytes: Option<Vec<u8>>,
    /// The most bytes that compressed contents may have.
    limit: u64,
}

impl Input {
    pub(crate) fn file(path: PathBuf) -> Self {
        Self { path, bytes: None, limit: SOURCE_MAX }
    }

    pub(crate) fn memory(path: PathBuf, bytes: Vec<u8>) -> Self {
        Self { path, bytes: Some(bytes), limit: SOURCE_MAX }
    }

    /// Compressed contents may be as large as a kernel with its debug information.
    pub(crate) fn of_kernel(self) -> Self {
        Self { limit: KERNEL_MAX, ..self }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it; compressed contents are decompressed into memory.
    pub(crate) fn open(&self) -> Result<Box<dyn Contents + '_>, SymbolError> {
        match &self.bytes {
            Some(bytes) => compressed::contents(bytes, &self.path, self.limit),
            None => compressed::open(&self.path, self.limit),
        }
    }
}
