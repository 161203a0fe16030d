//! The frame of LZ4, which `lz4` writes without `-l`.
//!
//! A magic number, a descriptor with a checksum, then blocks up to a size of zero. A block may be stored,
//! have a checksum, and refer to the 64 KiB before it. Invariant: what is truncated or fails a
//! checksum is an error. `lz4_flex` accepts a stream that ends after a block as complete, so only
//! its block decoder is used. Source: "LZ4 Frame Format Description".

use std::io;

use twox_hash::XxHash32;

use super::blob::Blob;

/// Size of the magic number.
const MAGIC: usize = 4;
/// Bits of the descriptor's first byte; the version is in the highest two.
const DICTIONARY: u8 = 1;
const CHECKSUM: u8 = 1 << 2;
const SIZE: u8 = 1 << 3;
const BLOCK_CHECKSUM: u8 = 1 << 4;
const INDEPENDENT: u8 = 1 << 5;
const VERSION: u8 = 0xc2;
const VERSION_ONE: u8 = 0x40;
/// The bit of a block's size that marks it as stored.
const STORED: u32 = 1 << 31;
/// How far back a block may refer.
const WINDOW: usize = 64 << 10;

/// Whether the first byte of a descriptor is one of version 1, without reserved flags.
pub(super) fn is_known(flags: u8) -> bool {
    flags & VERSION == VERSION_ONE
}

/// Appends the decompressed blocks, at most one block beyond `limit`; returns the size.
pub(super) fn decompress(stream: &[u8], out: &mut Vec<u8>, limit: u64) -> io::Result<usize> {
    let cut = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let damaged = || io::Error::from(io::ErrorKind::InvalidData);
    let is_right = |hash: Option<u32>, bytes: &[u8]| match hash {
        None => Err(cut()),
        Some(hash) if hash != XxHash32::oneshot(0, bytes) => Err(damaged()),
        Some(_) => Ok(()),
    };
    let stream = Blob::little(stream);
    let (flags, block) = stream.u8(MAGIC).zip(stream.u8(MAGIC + 1)).ok_or_else(cut)?;
    let has = |flag: u8| flags & flag != 0;
    // No kernel uses a dictionary outside of the stream.
    if !is_known(flags) || has(DICTIONARY) || !(0x40..=0x70).contains(&block) || block & 0xf != 0 {
        return Err(damaged());
    }
    let block_max = 1_usize << (8 + 2 * (block >> 4));
    let end = MAGIC + 2 + if has(SIZE) { 8 } else { 0 };
    let descriptor = stream.slice(MAGIC, end - MAGIC).ok_or_else(cut)?;
    let [_, _, hash, _] = XxHash32::oneshot(0, descriptor).to_be_bytes();
    if stream.u8(end).ok_or_else(cut)? != hash {
        return Err(damaged());
    }
    let start = out.len();
    let mut at = end + 1;
    let mut made = vec![0; block_max];
    while u64::try_from(out.len()).is_ok_and(|size| size <= limit) {
        let word = stream.u32(at).ok_or_else(cut)?;
        at += 4;
        let whole = out.get(start..).unwrap_or_default();
        if word == 0 {
            if has(SIZE) && stream.u64(MAGIC + 2) != u64::try_from(whole.len()).ok() {
                return Err(damaged());
            }
            if has(CHECKSUM) {
                is_right(stream.u32(at), whole)?;
            }
            break;
        }
        let size = usize::try_from(word & !STORED).map_err(|_| damaged())?;
        if size > block_max {
            return Err(damaged());
        }
        let body = stream.slice(at, size).ok_or_else(cut)?;
        at += size;
        if has(BLOCK_CHECKSUM) {
            is_right(stream.u32(at), body)?;
            at += 4;
        }
        if word & STORED != 0 {
            out.extend_from_slice(body);
            continue;
        }
        let before = whole.get(whole.len().saturating_sub(WINDOW)..).unwrap_or_default();
        let before = if has(INDEPENDENT) { &[] } else { before };
        let size = lz4_flex::block::decompress_into_with_dict(body, &mut made, before)
            .map_err(|_| damaged())?;
        out.extend_from_slice(made.get(..size).unwrap_or_default());
    }
    Ok(out.len())
}
