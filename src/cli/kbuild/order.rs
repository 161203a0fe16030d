//! The modules that kbuild has built in a folder, by its `modules.order`.
//!
//! What is written there has changed: until Linux 6.2 the module's file, then its last object; until 6.12
//! below the folder's own path, then below the folder. Source: `scripts/Makefile.build`,
//! `scripts/Makefile.modinst`.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// Name of the list.
pub(super) const ORDER: &str = "modules.order";

/// The files of the modules, in kbuild's order, each once.
///
/// # Errors
/// The list cannot be read: nothing was built there.
pub(in crate::cli) fn modules(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let order = std::fs::read_to_string(folder.join(ORDER))?;
    Ok(listed(folder, &folder.canonicalize()?, &order))
}

/// `whole`: the folder's path as kbuild may write it.
fn listed(folder: &Path, whole: &Path, order: &str) -> Vec<PathBuf> {
    let mut seen = BTreeSet::new();
    let lines = order.lines().map(str::trim).filter(|line| !line.is_empty()).map(Path::new);
    let inside = lines.map(|line| line.strip_prefix(whole).unwrap_or(line).with_extension("ko"));
    let modules =
        inside.map(|module| if folder == Path::new(".") { module } else { folder.join(module) });
    modules.filter(|module| seen.insert(module.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kernels_list_names_the_same_files() {
        let folder = Path::new("/src/lp");
        let expected = [folder.join("a.ko"), folder.join("deep/b.ko")];
        for order in [
            "/src/lp/a.ko\n/src/lp/deep/b.ko\n",
            "/src/lp/a.o\n/src/lp/deep/b.o\n",
            "a.o\ndeep/b.o\na.o\n",
            "a.o\n\ndeep/b.o",
        ] {
            assert_eq!(listed(folder, folder, order), expected, "{order}");
            let here = listed(Path::new("."), folder, order);
            assert_eq!(here, [Path::new("a.ko"), Path::new("deep/b.ko")], "{order}");
        }
        assert_eq!(listed(folder, folder, ""), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_name_with_dots_and_spaces_is_kept() {
        let folder = Path::new("/my patches");
        assert_eq!(listed(folder, folder, "v1.2 fix.o\n"), [folder.join("v1.2 fix.ko")]);
    }
}
