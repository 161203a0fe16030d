//! Files written whole or not at all.

use std::fs::Permissions;
use std::io::{self, Write};
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

/// Writes a file: into a temporary one beside it, synced, then renamed over it.
///
/// On any error an old file is untouched and no new one exists. An old file's mode is kept; a new
/// one gets that of `like`. A symbolic link stays: its target is replaced.
///
/// # Errors
/// Any I/O error; also an existing output that is not a regular file.
pub(super) fn write(path: &Path, bytes: &[u8], like: &Path) -> io::Result<()> {
    replace(path, bytes, Some(like))
}

/// Writes a file as [`write()`] does; a new one gets the default mode.
///
/// # Errors
/// As [`write()`].
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes, None)
}

fn replace(path: &Path, bytes: &[u8], like: Option<&Path>) -> io::Result<()> {
    let target = match std::fs::canonicalize(path) {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(error),
    };
    let mode: Option<Permissions> = match std::fs::metadata(&target) {
        Ok(old) if !old.is_file() => {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(old) => Some(old.permissions()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match like {
            Some(like) => Some(std::fs::metadata(like)?.permissions()),
            None => None,
        },
        Err(error) => return Err(error),
    };
    let directory = target.parent().filter(|p| !p.as_os_str().is_empty());
    let directory = directory.unwrap_or_else(|| Path::new("."));
    // The operating system's error, without the name of the temporary file.
    std::fs::metadata(directory)?;
    let mut file = temporary(directory).map_err(|error| io::Error::from(error.kind()))?;
    file.write_all(bytes)?;
    if let Some(mode) = mode {
        file.as_file().set_permissions(mode)?;
    }
    file.as_file().sync_all()?;
    file.persist(&target)?;
    Ok(())
}

/// A temporary file with the mode of a new one.
#[cfg(unix)]
fn temporary(directory: &Path) -> io::Result<NamedTempFile> {
    use std::os::unix::fs::PermissionsExt;
    let mode = Permissions::from_mode(0o666);
    Builder::new().prefix(".klp-convert-").permissions(mode).tempfile_in(directory)
}

/// A temporary file.
#[cfg(not(unix))]
fn temporary(directory: &Path) -> io::Result<NamedTempFile> {
    Builder::new().prefix(".klp-convert-").tempfile_in(directory)
}
