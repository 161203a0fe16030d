//! The bytes of a map file, mapped into memory.
//!
//! The one place with `unsafe`: what is mapped changes when somebody writes to the file. This program
//! replaces maps by renaming, so that a mapped one stays as it is; a file that another program
//! rewrites in place shows other bytes, which checksums and bounds meet, and one that it cuts off
//! ends the program with a bus error, as with every mapped file.

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
        // SAFETY: the mapping is read-only, and only bytes are made of it, which any contents are.
        // That nobody writes to the file while it is mapped is a demand on whoever made it, which
        // this program meets by renaming.
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
