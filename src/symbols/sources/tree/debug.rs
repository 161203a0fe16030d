//! The debug files of an installed kernel, below `usr/lib/debug` of its root. They name the source files
//! of symbols, which selectors need and distributions strip.
//!
//! Debian and Ubuntu have `boot/vmlinux-RELEASE` and `lib/modules/RELEASE/…/NAME.ko` there; Fedora has
//! `lib/modules/RELEASE/vmlinux` and `NAME.ko.debug`; SUSE puts `usr` before `lib`. Invariant: what is not
//! installed is not read; a file of another build is refused when it is joined with the installed one.

use std::collections::BTreeSet;
use std::path::Path;

use super::optional::{first, is_file, is_folder};
use super::walk::walk;
use super::{depmod, push};
use crate::symbols::{Sources, SymbolError, Vmlinux};

const ROOT: &str = "usr/lib/debug";
const MODULES: [&str; 2] = ["lib/modules", "usr/lib/modules"];

/// Adds what there is for the kernel installed in `folder`: of its modules those with these names, and
/// vmlinux unless it is given `elsewhere`.
pub(super) fn add(
    folder: &Path,
    names: &BTreeSet<String>,
    elsewhere: bool,
    sources: &mut Sources,
) -> Result<Vec<SymbolError>, SymbolError> {
    let Some((root, release)) = depmod::root_of(folder)? else { return Ok(Vec::new()) };
    let debug = root.join(ROOT);
    let modules = MODULES.map(|modules| debug.join(modules).join(&release));
    let boot = debug.join(format!("boot/vmlinux-{release}"));
    let kernels = [boot].into_iter().chain(modules.iter().map(|of| of.join("vmlinux")));
    if let Some(vmlinux) = first(kernels, is_file)?.filter(|_| !elsewhere) {
        sources.note(folder, format!("with the symbols of {}", vmlinux.display()));
        sources.push(Vmlinux::new(vmlinux));
    }
    let Some(modules) = first(&modules, is_folder)? else { return Ok(Vec::new()) };
    let (mut found, errors) = walk(modules, &root, &|_| false);
    found.retain(|path, _| names.contains(&depmod::module_name(path)));
    if !found.is_empty() {
        sources.note(folder, format!("with the symbols of modules in {}", modules.display()));
    }
    found.iter().for_each(|(path, file)| push(path, file, sources));
    Ok(errors)
}

#[cfg(test)]
mod tests {
    use super::super::add_kernel;
    use super::*;

    /// The files that are read of a kernel which is installed with its modules `a` and `b`, and these files
    /// below `usr/lib/debug`.
    fn read(debug: &[&str], elsewhere: bool) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        let installed = ["boot/vmlinuz-1", "lib/modules/1/kernel/a.ko.xz", "lib/modules/1/b.ko"];
        let debug = debug.iter().map(|name| format!("usr/lib/debug/{name}"));
        for name in installed.map(str::to_owned).into_iter().chain(debug) {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let mut sources = Sources::new();
        let errors = add_kernel(&root.path().join("lib/modules/1"), elsewhere, &mut sources);
        assert!(errors.is_empty(), "{errors:?}");
        let below = |path: &Path| {
            path.strip_prefix(root.path())
                .unwrap()
                .to_str()
                .unwrap()
                .strip_prefix("usr/lib/debug/")
                .map(str::to_owned)
        };
        sources.paths().filter_map(below).collect()
    }

    #[test]
    fn the_debug_files_of_debian_fedora_and_suse_are_found() {
        let debian = ["boot/vmlinux-1", "lib/modules/1/kernel/a.ko", "lib/modules/1/vmlinux"];
        assert_eq!(read(&debian, false), debian[..2]);
        let fedora = ["lib/modules/1/vmlinux", "lib/modules/1/kernel/a.ko.debug"];
        assert_eq!(read(&fedora, false), fedora);
        let suse = ["usr/lib/modules/1/kernel/a.ko.debug", "usr/lib/modules/1/b.ko.debug"];
        assert_eq!(read(&suse, false), [suse[1], suse[0]]);
        assert_eq!(read(&["boot/vmlinux-1"], false), ["boot/vmlinux-1"]);
    }

    #[test]
    fn those_of_other_releases_and_of_modules_that_are_not_installed_are_not_read() {
        assert!(read(&["boot/vmlinux-2", "lib/modules/2/kernel/a.ko"], false).is_empty());
        assert!(read(&["lib/modules/1/kernel/c.ko", "lib/modules/1/kernel/a.o"], false).is_empty());
        // One that is given is not looked for.
        let given = read(&["boot/vmlinux-1", "lib/modules/1/b.ko"], true);
        assert_eq!(given, ["lib/modules/1/b.ko"]);
    }
}
