//! Folders that contain a kernel: a build tree, an installed tree, or modules anywhere below a folder.
//!
//! Each file becomes one source. A build tree lists its modules in `modules.order`
//! (`scripts/Makefile.modpost`); an installed one, `/lib/modules/RELEASE`, has them below it, with
//! symbolic links to the build tree that are not followed, and may have several of one name, of which
//! modprobe loads one ([`depmod`]). Invariant: modules are in the order of their paths, after the
//! kernel.

mod boot;
mod debug;
mod depmod;
mod headers;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use depmod::{Choice, Depmod};
pub use headers::kernel_release;
use walk::{Modules, called, resolve, walk};

use crate::path_text::path_text;
use crate::symbols::{
    BootImage, ModuleFile, Sources, SymbolError, SymbolErrorKind, Symvers, SystemMap, Vmlinux,
};

/// Fedora's suffix of a module's debug information, which depmod does not consider a module.
const DEBUG_END: &str = ".ko.debug";
/// Names of boot images in an installed tree; the last is Fedora's unified one.
const IMAGES: [&str; 7] =
    ["vmlinuz", "vmlinux.xz", "vmlinux.zst", "vmlinux.gz", "Image", "bzImage", "vmlinuz-virt.efi"];
/// A symbol table has a row in its first bytes, this many.
const ROW_MAX: u64 = 1024;
/// The list of livepatches that a patched modpost writes.
const LIVEPATCHES: &str = "modules.livepatch";
/// The folder of links to compatible modules of other releases, on RHEL and SUSE.
const WEAK: &str = "weak-updates";
/// Adds the kernel of a build tree or of an installed tree. If an installed one has no vmlinux and
/// none is given `elsewhere`, the boot image of its release is searched for in the `boot` of its root.
///
/// Returns the errors: [`SymbolErrorKind::NoKernel`] if the folder is neither,
/// [`SymbolErrorKind::NoVmlinux`], [`SymbolErrorKind::NoModules`], and what cannot be read.
pub fn add_kernel(folder: &Path, elsewhere: bool, sources: &mut Sources) -> Vec<SymbolError> {
    let at = |name: &str| Some(folder.join(name)).filter(|path| path.is_file());
    if let (Some(vmlinux), Some(order)) = (at("vmlinux"), at("modules.order")) {
        sources.push(Vmlinux::new(vmlinux));
        at("Module.symvers").into_iter().for_each(|path| sources.push(Symvers::new(path)));
        return match ordered(folder, &order) {
            Ok(modules) => {
                modules.into_iter().for_each(|path| sources.push(ModuleFile::new(path)));
                Vec::new()
            }
            Err(error) => vec![SymbolError::new(&order, error)],
        };
    }
    if let Err(error) = std::fs::metadata(folder) {
        return vec![SymbolError::new(folder, error)];
    }
    if let Some(release) = kernel_release(folder) {
        return add_of_headers(folder, &release, elsewhere, sources);
    }
    let root = root_of(folder);
    let at = |name: &str| existing(&root, &folder.join(name)).filter(|path| path.is_file());
    if !existing(&root, &folder.join("kernel")).is_some_and(|kernel| kernel.is_dir()) {
        return vec![SymbolError::new(folder, SymbolErrorKind::NoKernel)];
    }
    let vmlinux = at("vmlinux");
    let mut images = IMAGES.into_iter().filter_map(|name| Some((name, at(name)?)));
    let (name, image) = images.next().unzip();
    for ((_, other), name) in images.zip(name.into_iter().cycle()) {
        sources.note(&other, format!("skipped: {name} is used"));
    }
    let image = image.or_else(|| boot::image(folder, &root).filter(|_| vmlinux.is_none()));
    let mut errors = Vec::new();
    if vmlinux.is_none() && image.is_none() && !elsewhere {
        errors.push(SymbolError::new(folder, SymbolErrorKind::NoVmlinux));
    }
    let has_vmlinux = vmlinux.is_some() || elsewhere;
    vmlinux.into_iter().for_each(|path| sources.push(Vmlinux::new(path)));
    // If another file has the kernel, a placeholder is not missed.
    let has_kernel = has_vmlinux || image.is_some();
    image.into_iter().for_each(|path| sources.push(BootImage::new(path)));
    match at("System.map") {
        Some(path) if has_kernel && is_stand_in(&path) => {
            sources.note(&path, "skipped: a placeholder without symbols".into());
        }
        map => map.into_iter().for_each(|path| sources.push(SystemMap::new(path))),
    }
    for exports in ["Module.symvers", "symvers.gz", "symvers.xz", "symvers.zst"] {
        at(exports).into_iter().for_each(|path| sources.push(Symvers::new(path)));
    }
    let (names, missed) = add_installed(folder, &root, sources);
    errors.extend(missed);
    errors.extend(debug::add(folder, &names, elsewhere, sources));
    errors
}

/// Adds the kernel that headers belong to, and the exports that they have.
fn add_of_headers(
    folder: &Path,
    release: &str,
    elsewhere: bool,
    sources: &mut Sources,
) -> Vec<SymbolError> {
    let exports = folder.join("Module.symvers");
    if exports.is_file() {
        sources.push(Symvers::new(exports));
    }
    match headers::installed(folder, release) {
        Some(installed) => {
            let text = format!("headers; the symbols are those of {}", installed.display());
            sources.note(folder, text);
            add_kernel(&installed, elsewhere, sources)
        }
        None if elsewhere => Vec::new(),
        None => {
            let kind = SymbolErrorKind::NotInstalled { release: release.to_owned() };
            vec![SymbolError::new(folder, kind)]
        }
    }
}

/// The root that the links of an installed tree are relative to.
fn root_of(folder: &Path) -> PathBuf {
    depmod::root_of(folder).map_or_else(|| PathBuf::from("/"), |(root, _)| root)
}

/// A file or folder of a root, also through a link. The path stays as given where the operating system
/// resolves it itself.
fn existing(root: &Path, path: &Path) -> Option<PathBuf> {
    let folder = path.parent()?.canonicalize().ok()?;
    let found = resolve(root, &folder.join(path.file_name()?)).ok()?;
    Some(called(path, found))
}

/// Adds the modules of an installed tree; of several with one name, the one that modprobe loads. Returns
/// their names and the errors.
fn add_installed(
    folder: &Path,
    root: &Path,
    sources: &mut Sources,
) -> (BTreeSet<String>, Vec<SymbolError>) {
    let depmod = Depmod::read(folder);
    let (mut modules, missed) = walk(folder, root, &|name| {
        depmod.skips(name) || name.as_encoded_bytes().ends_with(DEBUG_END.as_bytes())
    });
    let mut errors = Vec::new();
    for error in missed {
        let below = error.path.strip_prefix(folder).unwrap_or(&error.path);
        if matches!(error.kind, SymbolErrorKind::Dangling(_)) && depmod.does_not_list(below) {
            sources.note(
                &error.path,
                format!("skipped: {}; modules.dep does not list it", error.kind),
            );
        } else {
            errors.push(error);
        }
    }
    if modules.is_empty() && errors.is_empty() {
        errors.push(SymbolError::new(folder, SymbolErrorKind::NoModules));
    }
    let mut named: BTreeMap<String, Vec<&Path>> = BTreeMap::new();
    for path in modules.keys() {
        let below = path.strip_prefix(folder).unwrap_or(path);
        named.entry(depmod::module_name(below)).or_default().push(below);
    }
    let mut left_out = BTreeSet::new();
    for same in named.values().filter(|same| same.len() > 1) {
        let choice = depmod.choose(same).or_else(|| are_equal(folder, &modules, same));
        let Some((choice, chosen)) = choice.and_then(|c| Some((same.get(c.index)?, c.reason)))
        else {
            let [first, others @ ..] = same.as_slice() else { continue };
            let others = others.iter().map(|path| path_text(path)).collect();
            let kind = SymbolErrorKind::NoOrder { others };
            errors.push(SymbolError::new(&folder.join(first), kind));
            left_out.extend(same.iter().map(|path| folder.join(path)));
            continue;
        };
        for other in same.iter().filter(|other| *other != choice) {
            let path = folder.join(other);
            let text = format!("skipped: modprobe loads {}, {chosen}", choice.display());
            sources.note(&path, text);
            left_out.insert(path);
        }
    }
    let names = named.into_keys().collect();
    modules.retain(|path, _| !left_out.contains(path));
    modules.iter().for_each(|(path, file)| push(path, file, sources));
    (names, errors)
}

/// Identical files are one module, whichever is loaded.
fn are_equal(folder: &Path, modules: &Modules, same: &[&Path]) -> Option<Choice> {
    let files = same.iter().map(|path| modules.get(&folder.join(path)));
    let mut contents = files.map(|file| crate::symbols::read_module(file?).ok());
    let first = contents.next()??;
    let equal = contents.all(|other| other.as_ref() == Some(&first));
    equal.then(|| Choice { index: 0, reason: "which is identical".into() })
}

/// Whether a file is the placeholder that some packages install instead of `System.map`: a line or two
/// without a row of the table, which has an address, a letter and a name without blanks.
fn is_stand_in(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(ROW_MAX).read_to_end(&mut start));
    let is_row = |line: &[u8]| {
        let fields: Vec<_> = line.split(|byte| *byte == b' ').collect();
        matches!(fields[..], [address, [_], name]
            if !name.is_empty() && !address.is_empty() && address.iter().all(u8::is_ascii_hexdigit))
    };
    read.is_ok() && !start.split(|byte| *byte == b'\n').any(is_row)
}

/// Adds a module, or all modules below a folder.
///
/// Returns the errors: [`SymbolErrorKind::NoModules`] and what cannot be read, including links that
/// lead back.
pub fn add_modules(path: &Path, sources: &mut Sources) -> Vec<SymbolError> {
    let (modules, mut errors) = walk(path, Path::new("/"), &|_| false);
    if modules.is_empty() && errors.is_empty() {
        errors.push(SymbolError::new(path, SymbolErrorKind::NoModules));
    }
    modules.iter().for_each(|(path, file)| push(path, file, sources));
    errors
}

/// Adds one module; in a folder of links to other releases, one of any release.
fn push(path: &Path, file: &Path, sources: &mut Sources) {
    let module = ModuleFile::new(file);
    let weak = path.iter().any(|name| name == WEAK);
    sources.push(if weak { module.of_any_release() } else { module });
}

/// The modules of a build tree. Since Linux 6.2 the file lists their objects, `a/b.o`; before that
/// the installed paths, `kernel/a/b.ko`.
///
/// Without the livepatches of a tree that is patched with `kbuild/linux-*.patch`: no livepatch patches
/// them, and when they are linked this has been read.
fn ordered(folder: &Path, order: &Path) -> std::io::Result<BTreeSet<PathBuf>> {
    let text = std::fs::read_to_string(order)?;
    let module = |line: &str| {
        let path = Path::new(line).with_extension("ko");
        let installed = path.strip_prefix("kernel").ok().map(|rest| folder.join(rest));
        let plain = folder.join(&path);
        if plain.is_file() { plain } else { installed.filter(|p| p.is_file()).unwrap_or(plain) }
    };
    let mut modules: BTreeSet<_> =
        text.lines().filter(|line| !line.is_empty()).map(module).collect();
    if let Ok(livepatches) = std::fs::read_to_string(folder.join(LIVEPATCHES)) {
        livepatches.lines().for_each(|line| _ = modules.remove(&folder.join(line)));
    }
    Ok(modules)
}

#[cfg(test)]
mod tests {
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
    fn livepatches_of_a_patched_tree_are_left_out_whether_they_are_linked_or_not() {
        let root = tree(&["vmlinux", "a/plain.ko", "b/linked.ko"]);
        fs::write(root.path().join("modules.order"), "a/plain.o\nb/linked.o\nb/not-yet.o\n")
            .unwrap();
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
}
