//! Files that may be compressed, as distributions install modules.
//!
//! Recognised by their first bytes, never by their names. Invariant: the output is bounded, whatever
//! the file says.

use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use super::in_kernel;
use crate::symbols::image::{Compression, ImageError};
use crate::symbols::{SymbolError, SymbolErrorKind};

/// The most bytes that a compressed module may have, unless a caller allows more. Distributions' largest have
/// 20 MB; one with its debug information may have hundreds.
pub const MODULE_MAX: u64 = 256 << 20;

/// A file that is read at any offset.
pub(crate) trait Contents: Read + Seek {}

impl<T: Read + Seek> Contents for T {}

/// Opens a file; a compressed one is decompressed into memory, to at most `limit` bytes.
pub(crate) fn open(path: &Path, limit: u64) -> Result<Box<dyn Contents>, SymbolError> {
    let fail = |error: std::io::Error| SymbolError::new(path, error);
    let mut file = File::open(path).map_err(fail)?;
    let mut bytes = Vec::new();
    file.by_ref().take(16).read_to_end(&mut bytes).map_err(fail)?;
    let Some(compression) = Compression::of(&bytes) else {
        file.seek(SeekFrom::Start(0)).map_err(fail)?;
        return Ok(Box::new(file));
    };
    file.read_to_end(&mut bytes).map_err(fail)?;
    decompressed(compression, &bytes, path, limit)
}

/// [`open`] for bytes in memory.
pub(crate) fn contents<'a>(
    bytes: &'a [u8],
    path: &Path,
    limit: u64,
) -> Result<Box<dyn Contents + 'a>, SymbolError> {
    match Compression::of(bytes) {
        Some(compression) => decompressed(compression, bytes, path, limit),
        None => Ok(Box::new(Cursor::new(bytes))),
    }
}

/// A module's bytes, and an objection to its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleBytes {
    /// The bytes, decompressed.
    pub bytes: Vec<u8>,
    /// How the file is compressed.
    pub compression: Option<Compression>,
    /// Why the kernel's own decompressor would refuse the file, if it would.
    pub objection: Option<String>,
}

/// Reads a module as distributions install them: plain, or compressed with xz, gzip or zstd.
///
/// # Errors
/// [`SymbolError`] when the file cannot be read, or its stream is damaged or too long.
pub fn read_module(path: &Path) -> Result<Vec<u8>, SymbolError> {
    read_module_file(path).map(|module| module.bytes)
}

/// Reads a module like [`read_module`], with the objection of the kernel's own decompressor.
///
/// # Errors
/// As [`read_module`].
pub fn read_module_file(path: &Path) -> Result<ModuleBytes, SymbolError> {
    read_module_within(path, MODULE_MAX)
}

/// Reads a module like [`read_module_file`]; a compressed one has at most `limit` bytes.
///
/// # Errors
/// As [`read_module`]; [`SymbolErrorKind::ModuleTooLarge`] beyond the limit.
pub fn read_module_within(path: &Path, limit: u64) -> Result<ModuleBytes, SymbolError> {
    let bytes = std::fs::read(path).map_err(|error| SymbolError::new(path, error))?;
    let Some(compression) = Compression::of(&bytes) else {
        return Ok(ModuleBytes { bytes, compression: None, objection: None });
    };
    let objection = in_kernel::objection(&bytes);
    let mut unpacked = Vec::new();
    compression.decompress_into(&bytes, &mut unpacked, limit).map_err(|error| match error {
        ImageError::TooLarge(limit) => {
            SymbolError::new(path, SymbolErrorKind::ModuleTooLarge { limit })
        }
        error => SymbolError::new(path, error),
    })?;
    let bytes = unpacked;
    Ok(ModuleBytes { bytes, compression: Some(compression), objection })
}

fn decompressed(
    compression: Compression,
    bytes: &[u8],
    path: &Path,
    limit: u64,
) -> Result<Box<dyn Contents>, SymbolError> {
    let mut whole = Vec::new();
    compression.decompress_into(bytes, &mut whole, limit).map_err(|error| match error {
        ImageError::TooLarge(limit) => {
            SymbolError::new(path, SymbolErrorKind::SourceTooLarge { limit })
        }
        error => SymbolError::new(path, error),
    })?;
    Ok(Box::new(Cursor::new(whole)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn contents(bytes: &[u8]) -> Result<Vec<u8>, SymbolError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let mut read = Vec::new();
        open(file.path(), MODULE_MAX)?.read_to_end(&mut read).unwrap();
        Ok(read)
    }

    #[test]
    fn files_are_read_whether_compressed_or_not() {
        assert_eq!(contents(b"\x7fELF").unwrap(), b"\x7fELF");
        assert_eq!(contents(b"").unwrap(), b"");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"\x7fELF").unwrap();
        assert_eq!(contents(&gzip.finish().unwrap()).unwrap(), b"\x7fELF");
        let zstd = zstd::encode_all(&b"\x7fELF"[..], 1).unwrap();
        assert_eq!(contents(&zstd).unwrap(), b"\x7fELF");
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(b"\x7fELF").unwrap();
        assert_eq!(contents(&xz.finish().unwrap()).unwrap(), b"\x7fELF");
    }

    #[test]
    fn a_module_that_unpacks_to_more_than_the_limit_is_refused_in_every_compression() {
        let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
        bzip2.write_all(&[0; 5000]).unwrap();
        let zstd = zstd::encode_all(&[0; 5000][..], 1).unwrap();
        for packed in [zstd, bzip2.finish().unwrap()] {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(&packed).unwrap();
            let error = read_module_within(file.path(), 4999).unwrap_err();
            assert!(matches!(error.kind, SymbolErrorKind::ModuleTooLarge { limit: 4999 }));
            assert_eq!(read_module_within(file.path(), 5000).unwrap().bytes.len(), 5000);
        }
    }

    #[test]
    fn a_truncated_compressed_file_is_refused() {
        let zstd = zstd::encode_all(&[7; 4096][..], 1).unwrap();
        for length in 5..zstd.len() {
            assert!(contents(&zstd[..length]).is_err(), "{length}");
        }
    }
}
