//! The boot image of an installed kernel, which packages put elsewhere than its modules.

use std::path::{Path, PathBuf};

use super::existing;
use super::optional::{is_file, optional};
use crate::symbols::SymbolError;

/// Names of boot images before `-RELEASE`.
const NAMES: [&str; 5] = ["vmlinuz", "vmlinux", "Image", "image", "bzImage"];
/// Suffixes after that.
const ENDS: [&str; 4] = ["", ".gz", ".xz", ".zst"];

/// The boot image that was installed with the modules in `/lib/modules/RELEASE`, also if both are
/// below another root.
///
/// # Errors
/// One is there, and cannot be read.
pub(super) fn image(folder: &Path, root: &Path) -> Result<Option<PathBuf>, SymbolError> {
    let Some(folder) = optional(folder, folder.canonicalize())? else { return Ok(None) };
    let release = folder.file_name().and_then(|name| name.to_str());
    let Some(release) = release else { return Ok(None) };
    let boots = folder.ancestors().skip(1).take(4).map(|root| root.join("boot"));
    let names = |end: &str| NAMES.map(|name| format!("{name}-{release}{end}"));
    let names: Vec<_> = ENDS.iter().flat_map(|end| names(end)).collect();
    for path in boots.flat_map(|boot| names.iter().map(move |name| boot.join(name))) {
        if let Some(path) = existing(root, &path)?
            && is_file(&path)?
        {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
