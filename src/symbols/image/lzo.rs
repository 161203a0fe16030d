//! The container of `lzop`, which the kernel's `make` writes.
//!
//! A header of variable size, then blocks: size, compressed size, checksums by the header's flags,
//! and an LZO1X block; a size of 0 ends it. All numbers are big-endian. Checksums are not verified:
//! the tables in the kernel are checked against each other. Source: `lib/decompress_unlzo.c`.

use std::io;

use super::blob::Blob;

/// Size of the magic number.
const MAGIC: usize = 9;
/// Since this version the header has the version needed to read it, and a compression level.
const LEVELS: u16 = 0x940;
/// A filter follows the flags.
const FILTER: u32 = 1 << 11;
/// Blocks have checksums of the decompressed and of the compressed data: Adler-32, CRC-32.
const SUMS_OUT: [u32; 2] = [1 << 0, 1 << 8];
const SUMS_IN: [u32; 2] = [1 << 1, 1 << 9];
/// The largest block that the kernel reads.
const BLOCK_MAX: usize = 256 << 10;

/// What is wrong with a container.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Malformed(pub(super) &'static str);

/// Appends the decompressed blocks, at most one block beyond `limit`; returns the size.
pub(super) fn decompress(stream: &[u8], out: &mut Vec<u8>, limit: u64) -> io::Result<usize> {
    let cut = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let bad = |what| io::Error::new(io::ErrorKind::InvalidData, Malformed(what));
    let stream = Blob::big(stream);
    let (flags, mut at) = header(&stream).ok_or_else(cut)?;
    let word = |at: usize| stream.u32(at).and_then(|n| usize::try_from(n).ok()).ok_or_else(cut);
    let sums = |bits: [u32; 2]| bits.iter().filter(|&&bit| flags & bit != 0).count() * 4;
    let mut block = vec![0; BLOCK_MAX];
    while u64::try_from(out.len()).is_ok_and(|size| size <= limit) {
        let size = word(at)?;
        if size == 0 {
            break;
        }
        let packed = word(at + 4)?;
        // An incompressible block is stored, without the second pair of checksums.
        let stored = packed >= size;
        at += 8 + sums(SUMS_OUT) + if stored { 0 } else { sums(SUMS_IN) };
        let body = stream.slice(at, packed).ok_or_else(cut)?;
        let room = block.get_mut(..size).ok_or_else(|| bad("a block is too large"))?;
        if stored && packed > size {
            return Err(bad("a block is larger than its contents"));
        }
        if stored {
            out.extend_from_slice(body);
        } else {
            let made = lzokay::decompress::decompress(body, room)
                .map_err(|_| bad("a block is damaged"))?;
            if made != size {
                return Err(bad("a block has the wrong size"));
            }
            out.extend_from_slice(room);
        }
        at += packed;
    }
    Ok(out.len())
}

/// The flags, and where the blocks start.
fn header(stream: &Blob<'_>) -> Option<(u32, usize)> {
    let version = stream.u16(MAGIC)?;
    // The version of the library; then the version that can read it, the method, the level.
    let mut at = MAGIC + 4;
    at += if version >= LEVELS { 4 } else { 1 };
    let flags = stream.u32(at)?;
    at += 4 + if flags & FILTER == 0 { 0 } else { 4 };
    // Mode and time; newer versions also have the time's upper half.
    at += if version >= LEVELS { 12 } else { 8 };
    let name = *stream.slice(at, 1)?.first()?;
    // The name and the header's checksum.
    Some((flags, at + 1 + usize::from(name) + 4))
}
