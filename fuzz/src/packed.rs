//! Arbitrary bytes as a file that may be compressed: an error that names the file, or what was packed, never
//! more than is allowed; and what is packed as modules are installed unpacks to what it was, also in the kernel.
#![allow(clippy::panic, reason = "a property that does not hold has to stop the run")]

use klp_convert::symbols::image::Compression;
use klp_convert::symbols::{SymbolError, read_module, read_module_within};

/// The most bytes that a file may unpack to.
const LIMIT: u64 = 1 << 18;
const INSTALLED: [Compression; 3] = [Compression::Gzip, Compression::Xz, Compression::Zstd];

/// Checks the property.
///
/// # Panics
/// When it does not hold.
pub fn run(data: &[u8]) {
    let folder = crate::folder::new();
    let path = folder.path().join("module.ko");
    crate::folder::write(&path, data);
    match read_module_within(&path, LIMIT) {
        Ok(module) if module.compression.is_none() => {
            assert!(module.bytes == data && module.objection.is_none());
        }
        Ok(module) => {
            assert!(u64::try_from(module.bytes.len()).is_ok_and(|size| size <= LIMIT), "too much");
            assert!(module.objection.is_none_or(|objection| !objection.is_empty()));
            assert!(read_module(&path).is_ok_and(|again| again == module.bytes));
        }
        Err(error) => refused(&error),
    }
    // Which one does not depend on a byte that the search wants to be something else. It is the slowest part.
    let Some(&compression) = INSTALLED.get(data.len() % 16) else { return };
    let packed = match compression.compress_module(data) {
        Ok(packed) => packed,
        Err(error) => panic!("{compression}: {error}"),
    };
    crate::folder::write(&path, &packed);
    match read_module_within(&path, LIMIT) {
        Ok(module) => {
            assert!(module.bytes == data, "{compression}: other bytes");
            assert_eq!(module.compression, Some(compression));
            assert_eq!(module.objection, None, "{compression}");
        }
        Err(error) => panic!("{compression}: {error}"),
    }
}

fn refused(error: &SymbolError) {
    assert!(error.to_string().contains("module.ko"), "which file? {error}");
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_property_holds_for_every_seed() {
        crate::replay("packed", super::run);
    }
}
