//! A folder with a module's memory: a file for each region, and their description.
//!
//! Invariant: the folder appears whole or not at all, and no existing file is lost: it must not
//! exist, or be empty.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::interruption::Held;
use super::load::Report;
use super::output::{TEMPORARY, folder_of, sync_folder};

/// Name of the file that describes the others.
const DESCRIPTION: &str = "image.json";

/// Writes `directory`: into a temporary one beside it, synced, then renamed.
///
/// # Errors
/// Any I/O error; also a folder that already has files.
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
    let parent = folder_of(directory);
    let _held = Held::new();
    // With the mode of new folders, not of temporary ones.
    let mode = fs::Permissions::from_mode(0o777);
    let builder = &mut tempfile::Builder::new();
    let temporary = builder.prefix(TEMPORARY).permissions(mode).tempdir_in(parent)?;
    let file = |name: &Path, bytes: &[u8]| {
        let mut file = File::create_new(temporary.path().join(name))?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    report.files().zip(images).try_for_each(|(name, bytes)| file(name, bytes))?;
    let mut description = serde_json::to_vec_pretty(report).map_err(io::Error::from)?;
    description.push(b'\n');
    file(Path::new(DESCRIPTION), &description)?;
    sync_folder(temporary.path())?;
    // An empty folder is replaced; one that has got files meanwhile is not.
    fs::rename(temporary.path(), directory)?;
    // There is nothing left to remove.
    let _ = temporary.keep();
    sync_folder(parent)
}
