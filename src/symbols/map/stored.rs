//! The bytes of a map: a file of which parts are read when they are needed, or memory.
//!
//! The file is not mapped into memory: a mapped file that another program cuts off ends this one
//! with a bus error. Reading gives an error instead. A lookup reads the tables and a few kilobytes.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::MapError;

/// The most bytes that are read at once. The largest table of a kernel with a million symbols has a fiftieth.
const READ_MAX: usize = 256 << 20;

#[derive(Debug)]
pub(super) enum Stored {
    File { file: File, length: u64 },
    Memory(Vec<u8>),
}

impl Stored {
    /// A file, as long as it is now.
    pub(super) fn file(file: File) -> io::Result<Self> {
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        Ok(Self::File { file, length: about.len() })
    }

    pub(super) fn len(&self) -> u64 {
        match self {
            Self::File { length, .. } => *length,
            Self::Memory(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        }
    }

    /// A range of bytes.
    ///
    /// # Errors
    /// [`MapError::Truncated`] if the file ends before, [`MapError::Read`], [`MapError::TooLarge`].
    pub(super) fn read(&self, range: Range<usize>) -> Result<Cow<'_, [u8]>, MapError> {
        match self {
            Self::Memory(bytes) => bytes.get(range).map(Cow::from).ok_or(MapError::Truncated),
            Self::File { file, .. } => {
                if range.len() > READ_MAX {
                    return Err(MapError::TooLarge);
                }
                let mut bytes = vec![0; range.len()];
                let at = u64::try_from(range.start).map_err(|_| MapError::TooLarge)?;
                match file.read_exact_at(&mut bytes, at) {
                    Ok(()) => Ok(bytes.into()),
                    Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                        Err(MapError::Truncated)
                    }
                    Err(error) => Err(MapError::Read(error.raw_os_error().unwrap_or_default())),
                }
            }
        }
    }

    /// At most so many of the first bytes.
    pub(super) fn start(&self, most: usize) -> Result<Cow<'_, [u8]>, MapError> {
        let length = usize::try_from(self.len()).unwrap_or(usize::MAX);
        self.read(0..most.min(length))
    }
}
