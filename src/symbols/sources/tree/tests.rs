//! Build trees and installed trees of empty files.

use super::*;
use std::fs;

/// A folder of empty files.
fn tree(files: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for file in files {
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    root
}

/// The paths below the root of what was added, and the errors.
fn added(
    root: &Path,
    add: impl Fn(&mut Sources) -> Vec<SymbolError>,
) -> (Vec<String>, Vec<SymbolErrorKind>) {
    let mut sources = Sources::new();
    let errors = add(&mut sources);
    let root = root.canonicalize().unwrap();
    let paths = sources.paths().map(|path| {
        let path = path.canonicalize().unwrap();
        path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned()
    });
    (paths.collect(), errors.into_iter().map(|error| error.kind).collect())
}

#[test]
fn a_build_tree_has_the_modules_that_it_lists() {
    let files = ["vmlinux", "Module.symvers", "a/old.ko", "b/new.ko", "c/stale.ko"];
    let root = tree(&files);
    fs::write(root.path().join("modules.order"), "kernel/a/old.ko\nb/new.o\n").unwrap();
    let (paths, errors) = added(root.path(), |s| add_kernel(root.path(), false, s));
    assert_eq!(paths, ["vmlinux", "Module.symvers", "a/old.ko", "b/new.ko"]);
    assert!(errors.is_empty());
}

#[test]
fn a_build_tree_has_no_modules_elsewhere() {
    for elsewhere in ["/lib/modules/a.ko", "a/../../b.o", "../c.o"] {
        let root = tree(&["vmlinux", "a/old.ko"]);
        fs::write(root.path().join("modules.order"), format!("a/old.o\n{elsewhere}\n")).unwrap();
        let (_, errors) = added(root.path(), |s| add_kernel(root.path(), false, s));
        assert!(matches!(errors[..], [SymbolErrorKind::Outside(_)]), "{errors:?}");
    }
}

#[test]
fn livepatches_of_a_patched_tree_are_left_out_whether_they_are_linked_or_not() {
    let root = tree(&["vmlinux", "a/plain.ko", "b/linked.ko"]);
    fs::write(root.path().join("modules.order"), "a/plain.o\nb/linked.o\nb/not-yet.o\n").unwrap();
    fs::write(root.path().join("modules.livepatch"), "b/linked.ko\nb/not-yet.ko\n").unwrap();
    let (paths, errors) = added(root.path(), |s| add_kernel(root.path(), false, s));
    assert_eq!(paths, ["vmlinux", "a/plain.ko"]);
    assert!(errors.is_empty());
}

#[test]
fn an_installed_tree_has_every_module_below_it_however_compressed() {
    let lib = "lib/modules/6.1.0/";
    let names = ["kernel/a.ko", "kernel/b.ko.xz", "updates/c.ko.gz", "extra/d.ko.zst", "e.o"];
    let mut files: Vec<_> = names.iter().map(|name| format!("{lib}{name}")).collect();
    files.extend(["boot/vmlinuz-6.1.0".into(), "boot/vmlinuz-6.1.1".into()]);
    files.push("src/kernel/f.ko".into());
    let root = tree(&files.iter().map(String::as_str).collect::<Vec<_>>());
    let folder = root.path().join(lib);
    std::os::unix::fs::symlink(root.path().join("src"), folder.join("build")).unwrap();
    let (paths, errors) = added(root.path(), |s| add_kernel(&folder, false, s));
    let expected = ["extra/d.ko.zst", "kernel/a.ko", "kernel/b.ko.xz", "updates/c.ko.gz"];
    let mut expected: Vec<_> = expected.iter().map(|name| format!("{lib}{name}")).collect();
    expected.insert(0, "boot/vmlinuz-6.1.0".into());
    assert_eq!(paths, expected);
    assert!(errors.is_empty());
}

#[test]
fn an_installed_tree_without_a_kernel_needs_one_from_elsewhere() {
    let root = tree(&["lib/modules/1/kernel/a.ko"]);
    let folder = root.path().join("lib/modules/1");
    let (paths, errors) = added(root.path(), |s| add_kernel(&folder, false, s));
    assert_eq!(paths.len(), 1);
    assert!(matches!(errors[..], [SymbolErrorKind::NoVmlinux]));
    assert!(added(root.path(), |s| add_kernel(&folder, true, s)).1.is_empty());
}

#[test]
fn links_to_a_build_tree_that_is_not_installed_are_skipped() {
    let root = tree(&["lib/modules/1/kernel/a.ko", "lib/modules/1/vmlinuz"]);
    let folder = root.path().join("lib/modules/1");
    for link in ["build", "source"] {
        std::os::unix::fs::symlink(root.path().join("gone"), folder.join(link)).unwrap();
    }
    let (paths, errors) = added(root.path(), |s| add_kernel(&folder, false, s));
    assert_eq!(paths, ["lib/modules/1/vmlinuz", "lib/modules/1/kernel/a.ko"]);
    assert!(errors.is_empty(), "{errors:?}");
    // A missing module is an error.
    std::os::unix::fs::symlink(root.path().join("gone"), folder.join("kernel/b.ko")).unwrap();
    let mut sources = Sources::new();
    let errors = add_kernel(&folder, false, &mut sources);
    assert_eq!(errors.len(), 1);
    assert!(errors[0].path.ends_with("kernel/b.ko") && errors[0].is_io(), "{errors:?}");
}

#[test]
fn a_placeholder_for_system_map_is_skipped_if_another_file_has_the_kernel() {
    let root = tree(&["1/kernel/a.ko", "1/vmlinux.xz", "2/kernel/a.ko"]);
    for folder in ["1", "2"] {
        let line = "ffffffffffffffff B The real System.map is in the linux-image-dbg package\n";
        fs::write(root.path().join(folder).join("System.map"), line).unwrap();
    }
    let paths = |folder: &str, elsewhere| {
        added(root.path(), |s| add_kernel(&root.path().join(folder), elsewhere, s)).0
    };
    assert_eq!(paths("1", false), ["1/vmlinux.xz", "1/kernel/a.ko"]);
    assert_eq!(paths("2", true), ["2/kernel/a.ko"]);
    assert_eq!(paths("2", false), ["2/System.map", "2/kernel/a.ko"]);
    fs::write(root.path().join("1/System.map"), "ffff T _text\n").unwrap();
    assert_eq!(paths("1", false), ["1/vmlinux.xz", "1/System.map", "1/kernel/a.ko"]);
}

#[test]
fn folders_without_a_kernel_or_modules_are_refused() {
    let root = tree(&["a/readme"]);
    let (_, errors) = added(root.path(), |s| add_kernel(root.path(), false, s));
    assert!(matches!(errors[..], [SymbolErrorKind::NoKernel]));
    let (_, errors) = added(root.path(), |s| add_modules(root.path(), s));
    assert!(matches!(errors[..], [SymbolErrorKind::NoModules]));
    let (_, errors) = added(root.path(), |s| add_modules(&root.path().join("none"), s));
    assert!(matches!(errors[..], [SymbolErrorKind::Io(_)]));
}

#[test]
fn a_link_that_leads_back_is_named_and_the_rest_is_found() {
    let root = tree(&["a/b/m.ko"]);
    std::os::unix::fs::symlink(root.path().join("a"), root.path().join("a/b/loop")).unwrap();
    let (paths, errors) = added(root.path(), |s| add_modules(root.path(), s));
    assert_eq!(paths, ["a/b/m.ko"]);
    assert!(matches!(errors[..], [SymbolErrorKind::Loop(_)]), "{errors:?}");
}

#[test]
fn what_is_there_and_cannot_be_read_is_an_error_and_not_as_if_it_were_missing() {
    // A folder in the place of each file that is read at once, and a link to itself of each that is looked for.
    let folders =
        ["modules.dep", "include/generated/utsrelease.h", "include/config/kernel.release"];
    let links =
        ["vmlinux", "System.map", "symvers.xz", "Image", "../../../boot/vmlinuz-1", "kernel"];
    let links = links
        .into_iter()
        .chain(["../../../etc/depmod.d/a.conf", "../../../usr/lib/debug/boot/vmlinux-1"]);
    for (name, is_link) in
        folders.map(|name| (name, false)).into_iter().chain(links.map(|name| (name, true)))
    {
        let root = tree(&["lib/modules/1/a.ko"]);
        let folder = root.path().join("lib/modules/1");
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::create_dir_all(folder.join("kernel")).unwrap();
        if !is_link {
            fs::create_dir(&path).unwrap();
        } else {
            let _ = fs::remove_dir(&path);
            std::os::unix::fs::symlink(path.file_name().unwrap(), &path).unwrap();
        }
        let errors = add_kernel(&folder, false, &mut Sources::new());
        let file = Path::new(name).file_name().unwrap();
        assert!(
            errors.iter().any(|error| error.is_io() && error.path.ends_with(file)),
            "{name}: {errors:?}"
        );
    }
}
