//! Modules compressed as the kernel's `make modules_install` leaves them.
//!
//! Invariant: the kernel's own decompressor takes what is made here. Source: `cmd_gzip`, `cmd_xz` and
//! `cmd_zstd` of `scripts/Makefile.modinst`, which is the same from Linux 6.1 to 7.3: no filter for
//! branches, and one frame or stream.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::Path;

use flate2::GzBuilder;
use liblzma::stream::{Check, Filters, LzmaOptions, PRESET_DEFAULT, Stream};

use crate::symbols::image::Compression;

/// The dictionary of xz, in bytes (`--lzma2=dict=1MiB`).
const DICTIONARY: u32 = 1 << 20;
/// `OS` of a gzip header, as `gzip` writes it on Linux (RFC 1952).
const UNIX: u8 = 3;

impl Compression {
    /// How a module is compressed whose file has this name; `None`: not at all.
    #[must_use]
    pub fn of_module(path: &Path) -> Option<Self> {
        match path.extension().and_then(OsStr::to_str)? {
            "gz" => Some(Self::Gzip),
            "xz" => Some(Self::Xz),
            "zst" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// Compresses a module.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] for a compression in which no module is installed.
    pub fn compress_module(self, module: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip => {
                let level = flate2::Compression::default();
                let mut out = GzBuilder::new().operating_system(UNIX).write(Vec::new(), level);
                out.write_all(module)?;
                out.finish()
            }
            Self::Xz => {
                let mut options = LzmaOptions::new_preset(PRESET_DEFAULT)?;
                options.dict_size(DICTIONARY);
                let stream =
                    Stream::new_stream_encoder(Filters::new().lzma2(&options), Check::Crc32)?;
                let mut out = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
                out.write_all(module)?;
                out.finish()
            }
            Self::Zstd => {
                let mut out = zstd::Encoder::new(Vec::new(), zstd::DEFAULT_COMPRESSION_LEVEL)?;
                out.include_checksum(true)?;
                out.set_pledged_src_size(u64::try_from(module.len()).ok())?;
                out.write_all(module)?;
                out.finish()
            }
            other => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!("modules are compressed with xz, zstd or gzip, not with {other}"),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::in_kernel;
    use super::*;

    const INSTALLED: [Compression; 3] = [Compression::Gzip, Compression::Xz, Compression::Zstd];

    /// Like a module: neither all the same nor all different.
    fn module() -> Vec<u8> {
        (0..100_000_u32).flat_map(|n| (n / 7).wrapping_mul(n).to_le_bytes()).collect()
    }

    #[test]
    fn what_is_compressed_is_read_again_and_taken_by_the_kernels_decompressor() {
        for bytes in [module(), vec![7]] {
            for compression in INSTALLED {
                let packed = compression.compress_module(&bytes).unwrap();
                assert_eq!(Compression::of(&packed), Some(compression));
                assert_eq!(in_kernel::objection(&packed), None, "{compression}");
                assert_eq!(compression.decompress(&packed).unwrap(), bytes, "{compression}");
            }
        }
        // CRC32 and nothing else, and a block header of one filter, LZMA2 of 1 MiB.
        let xz = Compression::Xz.compress_module(&module()).unwrap();
        assert_eq!(xz[7], 1);
        assert_eq!(xz[13..17], [0, 0x21, 1, 0x10]);
        // Without a name and a time (`gzip -n`).
        let gzip = Compression::Gzip.compress_module(&module()).unwrap();
        assert_eq!(gzip[3..8], [0; 5]);
    }

    #[test]
    fn no_module_is_compressed_with_what_boot_images_alone_are() {
        use strum::IntoEnumIterator;
        for other in Compression::iter().filter(|c| !INSTALLED.contains(c)) {
            let error = other.compress_module(b"\x7fELF").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::Unsupported);
            assert!(error.to_string().contains(&other.to_string()), "{error}");
        }
    }

    #[test]
    fn the_last_suffix_says_how_a_module_is_compressed() {
        let told = |path: &str| Compression::of_module(Path::new(path));
        assert_eq!(told("a/m.ko.xz"), Some(Compression::Xz));
        assert_eq!(told("m.ko.zst"), Some(Compression::Zstd));
        assert_eq!(told("m.ko.gz"), Some(Compression::Gzip));
        for plain in ["m.ko", "m.xz.ko", "m", "xz", ".xz", "m.ko.XZ", "a.xz/m.ko", "m.ko.lz4"] {
            assert_eq!(told(plain), None, "{plain}");
        }
    }
}
