//! The bytes of a map file, mapped into memory.
//!
//! The only `unsafe`: a mapping changes when something writes to the file. This program
//! replaces maps by renaming, which leaves a mapped one unchanged. If another program rewrites a
//! file in place, checksums and bounds catch it; if it truncates the file, this
//! program dies with a bus error, as with every mapped file.

use std::fs::File;
use std::io;
use std::ops::Deref;

use memmap2::Mmap;

/// The bytes of a file, or of memory.
#[derive(Debug)]
pub(super) enum Bytes {
    Mapped(Mmap),
    Memory(Vec<u8>),
}

impl Bytes {
    /// Maps a file.
    pub(super) fn map(file: &File) -> io::Result<Self> {
        #[expect(unsafe_code, reason = "a mapping is unsafe by nature; see the module's text")]
        // SAFETY: the mapping is read-only, and is only used as bytes, for which any contents are valid.
        // Nothing may write to the file while it is mapped; this program replaces
        // maps by renaming.
        let mapped = unsafe { Mmap::map(file)? };
        Ok(Self::Mapped(mapped))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Memory(bytes) => bytes,
        }
    }
}
