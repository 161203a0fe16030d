//! Files written whole or not at all.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

use super::attributes;
use super::destination::Destination;
use super::interruption::Held;

/// How the names of temporary files and folders start: what SIGKILL has left can be told by it.
pub(super) const TEMPORARY: &str = ".klp-convert-";

/// Writes a file: into a temporary one beside it, synced, then renamed over it, and its folder synced.
///
/// On any error but that of the last step an old file is untouched and no new one exists. An old file's
/// owner, mode and extended attributes are kept ([`attributes::keep`]); a new file's mode is the
/// rights of `like`, less the umask. Symbolic links are followed, also to a file that does not exist.
/// Standard output, FIFOs and character devices are written into.
///
/// # Errors
/// Any I/O error; also an output that is a folder, a block device, a socket or a terminal.
pub(super) fn write(path: &Path, bytes: &[u8], like: &Path) -> io::Result<()> {
    put(path, bytes, Some(like))
}

/// Writes a file as [`write()`] does; a new one gets the default mode.
///
/// # Errors
/// As [`write()`].
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    put(path, bytes, None)
}

/// Whether a file has these bytes already.
pub(super) fn holds(path: &Path, bytes: &[u8]) -> bool {
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let same = |there: Metadata| there.is_file() && there.len() == length;
    matches!(Destination::of(path), Ok(Destination::File(_)))
        && fs::metadata(path).is_ok_and(same)
        && fs::read(path).is_ok_and(|there| there == bytes)
}

/// Makes the names in a folder last.
///
/// # Errors
/// Those of the disk. A folder that may not be read, and a file system without such a call, pass.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    let Ok(opened) = File::open(folder) else { return Ok(()) };
    match opened.sync_all() {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
        other => other,
    }
}

/// The folder that a path is in.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn put(path: &Path, bytes: &[u8], like: Option<&Path>) -> io::Result<()> {
    match Destination::of(path)? {
        Destination::Stdout => stream(io::stdout().lock(), bytes),
        Destination::Stream(path) => stream(File::options().write(true).open(path)?, bytes),
        Destination::File(target) => replace(&target, bytes, like),
    }
}

fn stream(mut out: impl Write + IsTerminal, bytes: &[u8]) -> io::Result<()> {
    if out.is_terminal() {
        let text = "is a terminal: redirect standard output, or name a file";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    out.write_all(bytes)?;
    out.flush()
}

fn replace(target: &Path, bytes: &[u8], like: Option<&Path>) -> io::Result<()> {
    let old = match fs::metadata(target) {
        Ok(old) => Some(old),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let mode = match (&old, like) {
        // Until it has its owner.
        (Some(_), _) => 0o600,
        (None, Some(like)) => fs::metadata(like)?.permissions().mode() & 0o777,
        (None, None) => 0o666,
    };
    let folder = folder_of(target);
    // The operating system's error, without the name of the temporary file.
    fs::metadata(folder)?;
    let _held = Held::new();
    let mut file = temporary(folder, mode).map_err(|error| io::Error::from(error.kind()))?;
    file.write_all(bytes)?;
    if let Some(old) = old {
        attributes::keep(target, &old, file.as_file())?;
    }
    file.as_file().sync_all()?;
    file.persist(target)?;
    sync_folder(folder)
}

/// A temporary file with this mode, less the umask.
fn temporary(folder: &Path, mode: u32) -> io::Result<NamedTempFile> {
    Builder::new().prefix(TEMPORARY).permissions(Permissions::from_mode(mode)).tempfile_in(folder)
}
