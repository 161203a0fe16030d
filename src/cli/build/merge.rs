//! Results of several machines in one folder.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::cell::{Cell, End};
use super::of_all;
use super::project::{Place, Project};
use super::results::{CELL, LOG, Results};
use crate::cli::digest::digest;
use crate::cli::output;

/// Copies the cells of some folders of results into one. Of a cell that several folders have, one that went well
/// counts before others, then the first. With the cells that are wanted, those that nobody has built are in
/// the result.
///
/// # Errors
/// A folder or file that cannot be read or written, or a module that is not what its cell says.
pub(super) fn merge(
    wanted: Option<(&Project, &[Place])>,
    folders: &[PathBuf],
    results: &Results<'_>,
) -> Result<Vec<Cell>, (PathBuf, io::Error)> {
    let mut cells = BTreeMap::<_, (Cell, PathBuf)>::new();
    for folder in folders {
        folder.read_dir().map_err(|error| (folder.clone(), error))?;
        let files = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().flatten();
        for file in files.filter(|file| file.file_name() == CELL) {
            let path = file.path();
            let read = std::fs::read(path).and_then(|bytes| Ok(serde_json::from_slice(&bytes)?));
            let cell: Cell = read.map_err(|error| (path.to_owned(), error))?;
            let from = Results { folder }.of(&cell.patch, &cell.target);
            if from.join(CELL) != path {
                let error =
                    io::Error::other(format!("not the cell of {} and {}", cell.patch, cell.target));
                return Err((path.to_owned(), error));
            }
            let name = (cell.target.clone(), cell.patch.clone());
            let better = cells.get(&name).is_none_or(|(other, _)| cell.end < other.end);
            if better && cell.end != End::NotBuilt {
                cells.insert(name, (cell, from));
            }
        }
    }
    for (cell, from) in cells.values() {
        copy(cell, from, &results.of(&cell.patch, &cell.target))?;
    }
    let cells = cells.into_values().map(|(cell, _)| cell).collect();
    Ok(match wanted {
        Some((project, places)) => of_all(project, places, cells),
        None => cells,
    })
}

/// Copies a cell's files.
fn copy(cell: &Cell, from: &Path, to: &Path) -> Result<(), (PathBuf, io::Error)> {
    if from.canonicalize().ok().is_some_and(|from| to.canonicalize().is_ok_and(|to| to == from)) {
        return Ok(());
    }
    std::fs::create_dir_all(to).map_err(|error| (to.to_owned(), error))?;
    let copy = |file: &str, sha256: Option<&str>| -> io::Result<()> {
        if Path::new(file).file_name().is_none_or(|name| name != file) {
            return Err(io::Error::other("not the name of a file"));
        }
        let bytes = std::fs::read(from.join(file))?;
        if sha256.is_some_and(|sha256| digest(&bytes) != sha256) {
            return Err(io::Error::other("not the module that cell.json describes"));
        }
        output::write_new(&to.join(file), &bytes)
    };
    for module in &cell.modules {
        let copied = copy(&module.file, Some(&module.sha256));
        copied.map_err(|error| (from.join(&module.file), error))?;
    }
    [LOG, CELL]
        .iter()
        .try_for_each(|file| copy(file, None).map_err(|error| (from.join(file), error)))
}
