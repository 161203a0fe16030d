//! Compressed streams, as the kernel's `make` puts them into boot images.
//!
//! Each format is recognised by its first bytes. Invariant: the output has at most the bytes that the caller allows
//! and a dictionary at most [`MEMORY_MAX`], whatever the stream contains; what follows the
//! stream is ignored, because `make` appends a size. Source: `scripts/Makefile.lib` and
//! `lib/decompress.c`.

use std::io::{self, Read};

use liblzma::read::XzDecoder;
use liblzma::stream::Stream;

use super::blob::Blob;
use super::{ImageError, lz4, lz4_frame, lzo};

/// The largest kernel. Those of distributions have less than 100 MB.
pub(super) const KERNEL_MAX: u64 = 512 << 20;
/// What liblzma may allocate: `make` asks for dictionaries of 128 MiB at most.
const MEMORY_MAX: u64 = 256 << 20;

/// The logarithm of the largest window of zstd: 128 MiB, as in the kernel's decompressor.
const WINDOW_LOG_MAX: u32 = 27;

/// How a stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::Display, strum::EnumIter)]
#[strum(serialize_all = "lowercase")]
pub enum Compression {
    /// RFC 1952.
    Gzip,
    /// Burrows and Wheeler's, of Julian Seward.
    Bzip2,
    /// The format of `lzma` before `xz`, without a magic number.
    Lzma,
    /// With any filter, such as one for branch instructions.
    Xz,
    /// The container of `lzop`.
    Lzo,
    /// The legacy frame of `lz4 -l`, which the kernel's `make` writes.
    Lz4,
    /// The frame of `lz4`, which newer tools use.
    #[strum(serialize = "lz4")]
    Lz4Frame,
    /// RFC 8878.
    Zstd,
}

impl Compression {
    /// The bytes that a stream starts with.
    pub(super) fn magic(self) -> &'static [u8] {
        match self {
            // Method 8 is the only one.
            Self::Gzip => b"\x1f\x8b\x08",
            Self::Bzip2 => b"BZh",
            // Properties of lc 3, lp 0, pb 2, and a dictionary of a multiple of 64 KiB.
            Self::Lzma => b"\x5d\0\0",
            Self::Xz => b"\xfd7zXZ\0",
            Self::Lzo => b"\x89LZO\0\r\n\x1a\n",
            Self::Lz4 => b"\x02\x21\x4c\x18",
            Self::Lz4Frame => b"\x04\x22\x4d\x18",
            Self::Zstd => b"\x28\xb5\x2f\xfd",
        }
    }

    /// Whether a stream may start here, by more than the magic number if that is short.
    pub(super) fn may_start(self, stream: &[u8]) -> bool {
        let header = Blob::little(stream);
        match self {
            // No reserved flag.
            Self::Gzip => header.u8(3).is_some_and(|flags| flags & 0xe0 == 0),
            // The level, and the digits of π that a block starts with.
            Self::Bzip2 => {
                header.u8(3).is_some_and(|level| (b'1'..=b'9').contains(&level))
                    && header.slice(4, 6) == Some(b"1AY&SY")
            }
            // A dictionary of 2ⁿ or 3 · 2ⁿ bytes, an unknown size or that of a kernel, and the zero that
            // a range coder starts with.
            Self::Lzma => {
                let dictionary =
                    header.u32(1).map_or(0, |size| size >> size.trailing_zeros().min(31));
                let size = header.u64(5).is_some_and(|size| size == u64::MAX || size <= KERNEL_MAX);
                matches!(dictionary, 1 | 3) && size && header.u8(13) == Some(0)
            }
            Self::Lz4Frame => header.u8(4).is_some_and(lz4_frame::is_known),
            Self::Xz | Self::Lzo | Self::Lz4 | Self::Zstd => true,
        }
    }

    /// The compression of a stream.
    pub(crate) fn of(stream: &[u8]) -> Option<Self> {
        use strum::IntoEnumIterator;
        Self::iter().find(|compression| stream.starts_with(compression.magic()))
    }

    /// Decompresses the stream at the start of `stream`.
    #[cfg(test)]
    pub(crate) fn decompress(self, stream: &[u8]) -> Result<Vec<u8>, ImageError> {
        let mut out = Vec::new();
        self.decompress_into(stream, &mut out, KERNEL_MAX).map(|()| out)
    }

    /// Decompresses with a `limit` on the size of the output; `out` has it, even after an error.
    pub(in crate::symbols) fn decompress_into(
        self,
        stream: &[u8],
        out: &mut Vec<u8>,
        limit: u64,
    ) -> Result<(), ImageError> {
        let failed = |error: &io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => ImageError::CutStream(self),
            _ => ImageError::Corrupt { compression: self, reason: self.reason(error) },
        };
        let mut take = |reader: &mut dyn Read| reader.take(limit + 1).read_to_end(out);
        let lzma = |stream: Result<Stream, _>| stream.map_err(io::Error::from);
        let read = match self {
            Self::Gzip => take(&mut flate2::read::GzDecoder::new(stream)),
            Self::Bzip2 => take(&mut bzip2::read::BzDecoder::new(stream)),
            Self::Lzma => lzma(Stream::new_lzma_decoder(MEMORY_MAX))
                .and_then(|decoder| take(&mut XzDecoder::new_stream(stream, decoder))),
            Self::Xz => lzma(Stream::new_stream_decoder(MEMORY_MAX, 0))
                .and_then(|decoder| take(&mut XzDecoder::new_stream(stream, decoder))),
            Self::Zstd => zstd::Decoder::with_buffer(stream).and_then(|mut decoder| {
                decoder.window_log_max(WINDOW_LOG_MAX)?;
                take(&mut decoder.single_frame())
            }),
            Self::Lz4 => lz4::decompress(stream, out, limit),
            Self::Lz4Frame => lz4_frame::decompress(stream, out, limit),
            Self::Lzo => lzo::decompress(stream, out, limit),
        };
        read.map_err(|error| failed(&error))?;
        let size = u64::try_from(out.len()).unwrap_or(u64::MAX);
        if size > limit { Err(ImageError::TooLarge(limit)) } else { Ok(()) }
    }

    /// Why a stream cannot be decompressed, in our own words.
    fn reason(self, error: &io::Error) -> &'static str {
        let inner = error.get_ref();
        if let Some(lzma) = inner.and_then(|inner| inner.downcast_ref::<liblzma::stream::Error>()) {
            return match lzma {
                liblzma::stream::Error::MemLimit => "its dictionary is larger than 256 MiB",
                liblzma::stream::Error::Options => "it has an unknown filter or option",
                _ => "damaged",
            };
        }
        match inner.and_then(|inner| inner.downcast_ref::<lzo::Malformed>()) {
            Some(lzo::Malformed(what)) => what,
            // Its decoder does not distinguish errors.
            None if self == Self::Zstd => "damaged, or its window is larger than 128 MiB",
            None => "damaged",
        }
    }
}
