//! Cells that were built before, by what they were made from.
//!
//! A folder for each identity has one for each set of files that compilers have read, with the modules, the
//! log and the cell. It appears whole or not at all.

use std::io;
use std::path::{Path, PathBuf};

use super::cell::Cell;
use super::digests::Digests;
use super::inputs::{Bases, Identity, Read};

/// What a folder has besides the modules.
const CELL: &str = "cell.json";
const LOG: &str = "log";
const READ: &str = "read";

/// Digits of a digest in the name of a folder.
const DIGITS: usize = 16;

/// What was built before.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
}

/// A cell with its files.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) cell: Cell,
    /// Where the modules and the log are.
    folder: PathBuf,
}

impl Stored {
    pub(super) fn log(&self) -> PathBuf {
        self.folder.join(LOG)
    }

    pub(super) fn module(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }
}

impl Store {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn of(&self, identity: &Identity) -> PathBuf {
        self.folder.join(identity.digest())
    }

    /// A cell that was made from this, if every file that was read is what it was.
    pub(super) fn find(
        &self,
        identity: &Identity,
        bases: &Bases<'_>,
        digests: &Digests,
    ) -> Option<Stored> {
        let folders = std::fs::read_dir(self.of(identity)).ok()?.flatten();
        folders.map(|entry| entry.path()).find_map(|folder| {
            let read = zstd::decode_all(std::fs::File::open(folder.join(READ)).ok()?).ok()?;
            let read = Read::of_text(&String::from_utf8(read).ok()?)?;
            if !read.is_current(bases, digests) {
                return None;
            }
            let cell = std::fs::read(folder.join(CELL)).ok()?;
            Some(Stored { cell: serde_json::from_slice(&cell).ok()?, folder })
        })
    }

    /// Keeps a cell.
    ///
    /// # Errors
    /// Any I/O error.
    pub(super) fn keep(
        &self,
        identity: &Identity,
        read: &Read,
        cell: &Cell,
        log: &Path,
        modules: &[(String, Vec<u8>)],
    ) -> io::Result<Stored> {
        let folder = self.of(identity);
        std::fs::create_dir_all(&folder)?;
        let fresh = tempfile::Builder::new().prefix(".new-").tempdir_in(&self.folder)?;
        std::fs::write(fresh.path().join(READ), zstd::encode_all(read.to_text().as_bytes(), 0)?)?;
        std::fs::write(fresh.path().join(CELL), serde_json::to_vec(cell)?)?;
        std::fs::copy(log, fresh.path().join(LOG))?;
        for (file, bytes) in modules {
            std::fs::write(fresh.path().join(file), bytes)?;
        }
        let to = folder.join(read.digest.get(..DIGITS).unwrap_or_default());
        // One that is there is the same, or was for files that are not what they were.
        match std::fs::remove_dir_all(&to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        std::fs::rename(fresh.path(), &to)?;
        // It is no longer a temporary folder.
        let _ = fresh.keep();
        Ok(Stored { cell: cell.clone(), folder: to })
    }
}
