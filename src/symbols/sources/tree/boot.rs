//! The boot image of an installed kernel, which packages put elsewhere than its modules.

use std::path::{Path, PathBuf};

use super::existing;

/// Names of boot images before `-RELEASE`.
const NAMES: [&str; 5] = ["vmlinuz", "vmlinux", "Image", "image", "bzImage"];
/// Suffixes after that.
const ENDS: [&str; 4] = ["", ".gz", ".xz", ".zst"];

/// The boot image that was installed with the modules in `/lib/modules/RELEASE`, also if both are
/// below another root.
pub(super) fn image(folder: &Path, root: &Path) -> Option<PathBuf> {
    let folder = folder.canonicalize().ok()?;
    let release = folder.file_name()?.to_str()?;
    let boots = folder.ancestors().skip(1).take(4).map(|root| root.join("boot"));
    let names = |end: &str| NAMES.map(|name| format!("{name}-{release}{end}"));
    let names: Vec<_> = ENDS.iter().flat_map(|end| names(end)).collect();
    let mut images = boots.flat_map(|boot| names.iter().map(move |name| boot.join(name)));
    images.find_map(|path| existing(root, &path).filter(|path| path.is_file()))
}
