//! Bytes with a byte order, read at any offset.
//!
//! Below everything else here. Invariant: what is outside of the bytes is `None`.

use scroll::{Endian, Pread};

/// Bytes whose numbers have one byte order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blob<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) endian: Endian,
}

impl<'a> Blob<'a> {
    pub(super) fn little(bytes: &'a [u8]) -> Self {
        Self { bytes, endian: Endian::Little }
    }

    pub(super) fn big(bytes: &'a [u8]) -> Self {
        Self { bytes, endian: Endian::Big }
    }

    pub(super) fn slice(&self, at: usize, size: usize) -> Option<&'a [u8]> {
        self.bytes.get(at..at.checked_add(size)?)
    }

    pub(super) fn u8(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    pub(super) fn u16(&self, at: usize) -> Option<u16> {
        self.bytes.pread_with(at, self.endian).ok()
    }

    pub(super) fn u32(&self, at: usize) -> Option<u32> {
        self.bytes.pread_with(at, self.endian).ok()
    }

    pub(super) fn i32(&self, at: usize) -> Option<i32> {
        self.bytes.pread_with(at, self.endian).ok()
    }

    pub(super) fn u64(&self, at: usize) -> Option<u64> {
        self.bytes.pread_with(at, self.endian).ok()
    }

    /// A 32-bit number that is a size or an offset.
    pub(super) fn size(&self, at: usize) -> Option<usize> {
        self.u32(at).and_then(|n| usize::try_from(n).ok())
    }
}
