//! Where an output goes: a file, a FIFO or device, or standard output.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// How many links the kernel follows (`MAXSYMLINKS`, `include/linux/namei.h`).
const LINKS: usize = 40;

/// Where an output goes.
#[derive(Debug)]
pub(super) enum Destination {
    /// `-`, or a name of standard output.
    Stdout,
    /// A FIFO or a character device, which is written into.
    Stream(PathBuf),
    /// A file that may be there, with symbolic links followed; also a dangling one.
    File(PathBuf),
}

impl Destination {
    /// The destination that a user named.
    ///
    /// # Errors
    /// It cannot be looked at, or is neither a file nor a stream.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        if is_stdout(path) {
            return Ok(Self::Stdout);
        }
        match fs::metadata(path) {
            Ok(there) => {
                let kind = there.file_type();
                if kind.is_file() {
                    follow(path).map(Self::File)
                } else if kind.is_fifo() || kind.is_char_device() {
                    Ok(Self::Stream(path.to_owned()))
                } else if kind.is_dir() {
                    Err(io::Error::new(io::ErrorKind::IsADirectory, "is a directory"))
                } else {
                    Err(io::Error::new(
                        io::ErrorKind::InvalidInput,
                        "is a block device or a socket",
                    ))
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => follow(path).map(Self::File),
            Err(error) => Err(error),
        }
    }
}

/// Whether a path means standard output.
pub(super) fn is_stdout(path: &Path) -> bool {
    ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].iter().any(|name| path == Path::new(name))
}

/// The file that a path leads to, whether it exists or not.
fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..=LINKS {
        match fs::read_link(&path) {
            Ok(link) => path = path.parent().unwrap_or(Path::new("")).join(link),
            // EINVAL: not a link.
            Err(error) => match error.kind() {
                io::ErrorKind::InvalidInput | io::ErrorKind::NotFound => return Ok(path),
                _ => return Err(error),
            },
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "too many symbolic links"))
}
