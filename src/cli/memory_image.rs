//! A folder with a module's memory: a file for each region, and what they are.
//!
//! Invariant: the folder appears whole or not at all, and no file that was there is lost: it must
//! not be there, or be empty.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use super::load::Report;

/// Name of the file that says what the others are.
const DESCRIPTION: &str = "image.json";

/// Writes `directory`: into one beside it, synced, then renamed.
///
/// # Errors
/// Any I/O error, a folder that has files already among them.
pub(super) fn write(directory: &Path, report: &Report, images: &[Vec<u8>]) -> io::Result<()> {
    match fs::read_dir(directory) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "the folder is not empty",
                ));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or_else(|| Path::new("."));
    let temporary = tempfile::Builder::new().prefix(".klp-convert-").tempdir_in(parent)?;
    let file = |name: &Path, bytes: &[u8]| {
        let mut file = File::create_new(temporary.path().join(name))?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    report.files().zip(images).try_for_each(|(name, bytes)| file(name, bytes))?;
    let mut description = serde_json::to_vec_pretty(report).map_err(io::Error::from)?;
    description.push(b'\n');
    file(Path::new(DESCRIPTION), &description)?;
    open(temporary.path())?;
    // What is empty is replaced; what has got files meanwhile is not.
    fs::rename(temporary.path(), directory)?;
    // Nothing is left to remove.
    let _ = temporary.keep();
    Ok(())
}

/// Gives a folder the mode that new ones have, not that of a temporary one.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

/// Modes are Unix's.
#[cfg(not(unix))]
fn open(_: &Path) -> io::Result<()> {
    Ok(())
}
