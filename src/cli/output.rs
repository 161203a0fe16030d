//! Files written whole or not at all.

use std::io::{self, Write};
use std::path::Path;

use tempfile::NamedTempFile;

/// Writes a file: into a temporary one beside it, synced, then renamed over it.
///
/// On any error the old file, if there was one, is untouched and no new one exists. An old file's
/// mode is kept; a new one gets that of `like`. A symbolic link stays: what it names is replaced.
///
/// # Errors
/// Any I/O error, an existing output that is no regular file among them.
pub(super) fn write(path: &Path, bytes: &[u8], like: &Path) -> io::Result<()> {
    let target = match std::fs::canonicalize(path) {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(error),
    };
    let metadata = match std::fs::metadata(&target) {
        Ok(old) if !old.is_file() => {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(old) => old,
        Err(error) if error.kind() == io::ErrorKind::NotFound => std::fs::metadata(like)?,
        Err(error) => return Err(error),
    };
    let directory = target.parent().filter(|p| !p.as_os_str().is_empty());
    let directory = directory.unwrap_or_else(|| Path::new("."));
    let mut file = NamedTempFile::with_prefix_in(".klp-convert-", directory)?;
    file.write_all(bytes)?;
    file.as_file().set_permissions(metadata.permissions())?;
    file.as_file().sync_all()?;
    file.persist(&target)?;
    Ok(())
}
