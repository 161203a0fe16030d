//! The folder of results: for each target and livepatch the modules, the log and the cell.

use std::io;
use std::path::{Path, PathBuf};

use super::cell::{Cell, End};
use super::digests::Digests;
use super::matrix::Done;
use super::project::{Patch, Target};
use crate::cli::digest::digest;
use crate::cli::output;

/// The file of a cell.
pub(super) const CELL: &str = "cell.json";
/// The file of what kbuild and the conversion have said.
pub(super) const LOG: &str = "log";

/// The folder of results.
#[derive(Debug, Clone, Copy)]
pub(super) struct Results<'a> {
    pub(super) folder: &'a Path,
}

impl Results<'_> {
    /// The folder of a cell.
    pub(super) fn of(&self, patch: &str, target: &str) -> PathBuf {
        self.folder.join(target).join(patch)
    }

    /// How long a cell took the last time.
    pub(super) fn seconds(&self, patch: &Patch, target: &Target) -> Option<f32> {
        let cell = self.cell(&patch.name, &target.name)?;
        (cell.end != End::NotBuilt).then_some(cell.seconds)
    }

    /// A cell as it is there.
    pub(super) fn cell(&self, patch: &str, target: &str) -> Option<Cell> {
        let bytes = std::fs::read(self.of(patch, target).join(CELL)).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Puts a cell's files into its folder, and takes away modules that are not its.
    pub(super) fn put(&self, done: Done, digests: &Digests) -> Done {
        match self.try_put(&done, digests) {
            Ok(()) => done,
            Err(error) => {
                let folder = self.of(&done.cell.patch, &done.cell.target);
                let reason = Some(format!("{}: {error}", folder.display()));
                Done {
                    cell: Cell { end: End::Failed, reason, ..done.cell },
                    log: done.log,
                    stored: None,
                }
            }
        }
    }

    fn try_put(&self, done: &Done, digests: &Digests) -> io::Result<()> {
        let folder = self.of(&done.cell.patch, &done.cell.target);
        let text = serde_json::to_vec_pretty(&done.cell)?;
        let is =
            |path: &Path, sha256: &str| digests.of(path).is_some_and(|digest| digest == sha256);
        let current = std::fs::read(folder.join(CELL)).is_ok_and(|there| there == text);
        if current
            && done.cell.modules.iter().all(|module| is(&folder.join(&module.file), &module.sha256))
        {
            return Ok(());
        }
        std::fs::create_dir_all(&folder)?;
        remove(&folder.join(CELL))?;
        for entry in std::fs::read_dir(&folder)?.flatten() {
            let name = entry.file_name();
            let is_module = Path::new(&name).extension().is_some_and(|extension| extension == "ko");
            if is_module && !done.cell.modules.iter().any(|module| *module.file == *name) {
                std::fs::remove_file(entry.path())?;
            }
        }
        if let Some(stored) = &done.stored {
            for module in &done.cell.modules {
                let bytes = std::fs::read(stored.module(&module.file))?;
                if digest(&bytes) != module.sha256 {
                    return Err(io::Error::other(format!(
                        "{}: damaged",
                        stored.module(&module.file).display()
                    )));
                }
                output::write_new(&folder.join(&module.file), &bytes)?;
                digests.renew(&folder.join(&module.file));
            }
        }
        let log = match &done.stored {
            Some(stored) => std::fs::read(stored.log())?,
            None => done.log.clone(),
        };
        output::write_new(&folder.join(LOG), &log)?;
        output::write_new(&folder.join(CELL), &text)
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
