//! A kernel's headers, as packages install them for building modules: they have its release and its
//! exports, and the kernel itself is installed elsewhere below the same root.

use std::path::{Path, PathBuf};

/// The release of the headers in a folder; `None` where it has none.
pub(super) fn release(folder: &Path) -> Option<String> {
    let text = std::fs::read_to_string(folder.join("include/config/kernel.release")).ok()?;
    Some(text.trim().to_owned()).filter(|release| !release.is_empty())
}

/// Where the kernel of this release is installed: beside a link `build` to the headers, or in
/// `lib/modules` of a folder that they lie in.
pub(super) fn installed(folder: &Path, release: &str) -> Option<PathBuf> {
    let beside = folder.file_name().filter(|name| *name == "build").and(folder.parent());
    let whole = folder.canonicalize().ok();
    let around = whole.iter().flat_map(|folder| folder.ancestors().skip(1));
    let below = around.flat_map(|root| {
        ["lib/modules", "usr/lib/modules"].map(|modules| root.join(modules).join(release))
    });
    let mut folders = beside.map(Path::to_owned).into_iter().chain(below);
    folders.find(|folder| folder.join("kernel").is_dir())
}
