//! What a file was: its digest, or its size and time.

use std::fmt::Write as _;
use std::path::Path;
use std::time::UNIX_EPOCH;

use sha2::{Digest as _, Sha256};

/// The SHA-256 of something, in hexadecimal.
pub(super) type Digest = String;

/// The digest of a file's bytes.
pub(super) fn digest(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Files as they are now, by size and time.
pub(super) fn sizes_and_times<'a>(paths: impl Iterator<Item = &'a Path>) -> String {
    let mut text = String::new();
    for path in paths {
        let metadata = path.metadata().ok();
        let modified = metadata.as_ref().and_then(|m| m.modified().ok());
        let modified = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let size = metadata.map(|m| m.len());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} {size:?} {modified:?}", path.display());
    }
    text
}
