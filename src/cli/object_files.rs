//! The object files in folders.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::path_text::path_text;

/// The objects in a folder, by their path in it.
pub(super) fn objects(folder: &Path) -> Result<BTreeSet<PathBuf>, Diagnostic> {
    const NAMES: [&str; 5] = [".o", ".ko", ".ko.xz", ".ko.gz", ".ko.zst"];
    let mut found = BTreeSet::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(here) = pending.pop() {
        let failed = |error: std::io::Error| plain(Code::Read, &here, error.to_string());
        for entry in std::fs::read_dir(&here).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            // Links to folders are not followed: they may lead in circles.
            if entry.file_type().map_err(failed)?.is_dir() {
                pending.push(path);
                continue;
            }
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if NAMES.iter().any(|end| name.ends_with(end))
                && let Ok(inside) = path.strip_prefix(folder)
            {
                found.insert(inside.to_owned());
            }
        }
    }
    if found.is_empty() {
        return Err(plain(Code::Read, folder, "has no objects".to_owned()));
    }
    Ok(found)
}

/// An error about a path as a whole.
pub(super) fn plain(code: Code, path: &Path, message: String) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        code,
        file: path_text(path),
        message,
        help: Vec::new(),
        also: Vec::new(),
        more: 0,
    }
}
