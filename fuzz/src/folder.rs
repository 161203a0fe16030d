//! Folders for inputs: in memory where the machine has that.
#![allow(clippy::unwrap_used, reason = "folders are made here, a surprise stops the run")]

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Start of the names of folders that a process keeps to its end.
const KEPT: &str = "klp-fuzz-of-";

fn below() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

/// A new folder, which is removed with the value.
pub(crate) fn new() -> TempDir {
    tempfile::Builder::new().prefix("klp-fuzz-").tempdir_in(below()).unwrap()
}

/// An empty folder for all inputs. A fuzzer ends a process without a word to it: what processes have left that
/// are no more is removed.
pub(crate) fn of_this_process() -> PathBuf {
    for entry in std::fs::read_dir(below()).unwrap().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(KEPT));
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    let folder = below().join(format!("{KEPT}{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Writes a file, and the folders that it is in.
pub(crate) fn write(path: &Path, contents: &[u8]) {
    // A folder may be there, or a file where a folder would be.
    let _ = path.parent().map(std::fs::create_dir_all);
    let _ = std::fs::write(path, contents);
}
