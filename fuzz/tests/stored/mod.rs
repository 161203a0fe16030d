//! Seeds in the repository against what the tests make.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the seed of a target is.
pub(crate) fn path(target: &str, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target).join(name)
}

/// Fails unless the stored seed is what was made; with `BLESS=1` stores it.
#[track_caller]
pub(crate) fn same(target: &str, name: &str, made: &[u8]) {
    assert!(made.len() < 49152, "{target} {name}: {} bytes", made.len());
    let path = path(target, name);
    if std::env::var_os("BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, made).unwrap();
    }
    let stored = fs::read(&path).unwrap_or_default();
    assert!(stored == made, "{}: differs, run with BLESS=1", path.display());
}
