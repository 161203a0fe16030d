//! A kernel's headers, as packages install them for building modules: they have its release and its
//! exports, and the kernel itself is installed elsewhere below the same root.

use std::fs::read_to_string;
use std::path::{Path, PathBuf};

use super::optional::{is_folder, optional};
use crate::symbols::SymbolError;

/// The release of the kernel whose build tree or headers a folder is, as `uname -r` prints it and modules'
/// `vermagic` has it; `None` where it has none.
///
/// It is `UTS_RELEASE`. `kernel.release`, from which kbuild makes it, is another one where a distribution's
/// rules give the release on the command line: `6.1.176` for Debian's `6.1.0-50-amd64`.
///
/// # Errors
/// A file is there, and cannot be read.
pub fn kernel_release(folder: &Path) -> Result<Option<String>, SymbolError> {
    let read = |name: &str| {
        let path = folder.join(name);
        optional(&path, read_to_string(&path))
    };
    let defined = read("include/generated/utsrelease.h")?.and_then(|text| {
        let value = text.lines().find_map(|line| line.strip_prefix("#define UTS_RELEASE "))?;
        Some(value.trim().trim_matches('"').to_owned())
    });
    let release = match defined {
        Some(release) => Some(release),
        None => read("include/config/kernel.release")?.map(|release| release.trim().to_owned()),
    };
    Ok(release.filter(|release| !release.is_empty()))
}

/// Where the kernel of this release is installed: beside a link `build` to the headers, or in
/// `lib/modules` of a folder that they lie in.
///
/// # Errors
/// A folder cannot be read.
pub(super) fn installed(folder: &Path, release: &str) -> Result<Option<PathBuf>, SymbolError> {
    let beside = folder.file_name().filter(|name| *name == "build").and(folder.parent());
    let whole = optional(folder, folder.canonicalize())?;
    let around = whole.iter().flat_map(|folder| folder.ancestors().skip(1));
    let below = around.flat_map(|root| {
        ["lib/modules", "usr/lib/modules"].map(|modules| root.join(modules).join(release))
    });
    for folder in beside.map(Path::to_owned).into_iter().chain(below) {
        if is_folder(&folder.join("kernel"))? {
            return Ok(Some(folder));
        }
    }
    Ok(None)
}
