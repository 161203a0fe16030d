//! The compressions that modules and lists have.

use std::io::{Read as _, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use liblzma::read::{XzDecoder, XzEncoder};

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumIter)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Packing {
    Xz,
    Gz,
    Zst,
}

impl Packing {
    /// As fast as it gets.
    pub(crate) fn packed(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Xz => {
                let mut packed = Vec::new();
                XzEncoder::new(bytes, 0).read_to_end(&mut packed).unwrap();
                packed
            }
            Self::Gz => {
                let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
                gzip.write_all(bytes).unwrap();
                gzip.finish().unwrap()
            }
            Self::Zst => zstd::encode_all(bytes, 1).unwrap(),
        }
    }
}

/// The bytes of a module of an installed kernel, unpacked.
pub(crate) fn read(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    if path.extension().is_none_or(|end| end != "xz") {
        return bytes;
    }
    let mut unpacked = Vec::new();
    XzDecoder::new(bytes.as_slice()).read_to_end(&mut unpacked).unwrap();
    unpacked
}
