//! A kernel's headers, as packages install them for building modules: they have its release and its
//! exports, and the kernel itself is installed elsewhere below the same root.

use std::path::{Path, PathBuf};

/// The release of the kernel whose build tree or headers a folder is, as `uname -r` prints it and modules'
/// `vermagic` has it; `None` where it has none.
///
/// It is `UTS_RELEASE`. `kernel.release`, from which kbuild makes it, is another one where a distribution's
/// rules give the release on the command line: `6.1.176` for Debian's `6.1.0-50-amd64`.
#[must_use]
pub fn kernel_release(folder: &Path) -> Option<String> {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    let defined = read("include/generated/utsrelease.h").and_then(|text| {
        let value = text.lines().find_map(|line| line.strip_prefix("#define UTS_RELEASE "))?;
        Some(value.trim().trim_matches('"').to_owned())
    });
    let release =
        defined.or_else(|| Some(read("include/config/kernel.release")?.trim().to_owned()));
    release.filter(|release| !release.is_empty())
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
