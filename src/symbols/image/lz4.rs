//! The legacy frame of LZ4, which the kernel's `make` writes (`lz4 -l`).
//!
//! A magic number, then blocks, each its compressed size and an LZ4 block of 8 MiB, or less in the
//! last one. If the last one is also full, the end is the end of the file, or a size that no block can
//! have: `make` appends the kernel's size. Source: `lib/decompress_unlz4.c`; "LZ4 Frame Format
//! Description", "Legacy frame".

use std::io;

use super::blob::Blob;

/// Size of the magic number.
const MAGIC: usize = 4;
/// Decompressed size of a block.
const BLOCK: usize = 8 << 20;
/// Largest compressed size of a block (`LZ4_COMPRESSBOUND`).
const BLOCK_MAX: usize = BLOCK + BLOCK / 255 + 16;

/// Appends the decompressed blocks, at most one block beyond `limit`; returns the size.
pub(super) fn decompress(stream: &[u8], out: &mut Vec<u8>, limit: u64) -> io::Result<usize> {
    let stream = Blob::little(stream);
    let mut at = MAGIC;
    let mut block = vec![0; BLOCK];
    while u64::try_from(out.len()).is_ok_and(|size| size <= limit) {
        let size = stream.u32(at).and_then(|size| usize::try_from(size).ok());
        let Some(size) = size.filter(|&size| size != 0 && size <= BLOCK_MAX) else {
            break;
        };
        let body = stream.slice(at + 4, size).ok_or(io::ErrorKind::UnexpectedEof)?;
        let made = lz4_flex::block::decompress_into(body, &mut block)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        out.extend_from_slice(block.get(..made).unwrap_or_default());
        at += 4 + size;
        if made < BLOCK {
            return Ok(out.len());
        }
    }
    if out.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(out.len()) }
}
