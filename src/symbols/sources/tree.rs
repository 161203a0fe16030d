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
mod optional;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, read_to_string};
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use depmod::{Choice, Depmod};
pub use headers::kernel_release;
use optional::{is_file, is_folder, optional};
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
    add(folder, elsewhere, sources).unwrap_or_else(|error| vec![error])
}

/// [`add_kernel`], until the first file that is there and cannot be read.
fn add(
    folder: &Path,
    elsewhere: bool,
    sources: &mut Sources,
) -> Result<Vec<SymbolError>, SymbolError> {
    let at = |name: &str| {
        let path = folder.join(name);
        Ok::<_, SymbolError>(is_file(&path)?.then_some(path))
    };
    if let (Some(vmlinux), Some(order)) = (at("vmlinux")?, at("modules.order")?) {
        sources.push(Vmlinux::new(vmlinux));
        at("Module.symvers")?.into_iter().for_each(|path| sources.push(Symvers::new(path)));
        let modules = ordered(folder, &order)?;
        modules.into_iter().for_each(|path| sources.push(ModuleFile::new(path)));
        return Ok(Vec::new());
    }
    std::fs::metadata(folder).map_err(|error| SymbolError::new(folder, error))?;
    if let Some(release) = kernel_release(folder)? {
        return add_of_headers(folder, &release, elsewhere, sources);
    }
    let root = root_of(folder)?;
    let at = |name: &str| match existing(&root, &folder.join(name))? {
        Some(path) => Ok::<_, SymbolError>(is_file(&path)?.then_some(path)),
        None => Ok(None),
    };
    let kernel = existing(&root, &folder.join("kernel"))?;
    if !kernel.map_or(Ok(false), |kernel| is_folder(&kernel))? {
        return Err(SymbolError::new(folder, SymbolErrorKind::NoKernel));
    }
    let vmlinux = at("vmlinux")?;
    let mut images = Vec::new();
    for name in IMAGES {
        images.extend(at(name)?.map(|path| (name, path)));
    }
    let mut images = images.into_iter();
    let (name, mut image) = images.next().unzip();
    for ((_, other), name) in images.zip(name.into_iter().cycle()) {
        sources.note(&other, format!("skipped: {name} is used"));
    }
    if image.is_none() && vmlinux.is_none() {
        image = boot::image(folder, &root)?;
    }
    let mut errors = Vec::new();
    if vmlinux.is_none() && image.is_none() && !elsewhere {
        errors.push(SymbolError::new(folder, SymbolErrorKind::NoVmlinux));
    }
    let has_vmlinux = vmlinux.is_some() || elsewhere;
    vmlinux.into_iter().for_each(|path| sources.push(Vmlinux::new(path)));
    // If another file has the kernel, a placeholder is not missed.
    let has_kernel = has_vmlinux || image.is_some();
    image.into_iter().for_each(|path| sources.push(BootImage::new(path)));
    match at("System.map")? {
        Some(path) if has_kernel && is_stand_in(&path)? => {
            sources.note(&path, "skipped: a placeholder without symbols".into());
        }
        map => map.into_iter().for_each(|path| sources.push(SystemMap::new(path))),
    }
    for exports in ["Module.symvers", "symvers.gz", "symvers.xz", "symvers.zst"] {
        at(exports)?.into_iter().for_each(|path| sources.push(Symvers::new(path)));
    }
    let (names, missed) = add_installed(folder, &root, sources)?;
    errors.extend(missed);
    errors.extend(debug::add(folder, &names, elsewhere, sources)?);
    Ok(errors)
}

/// Adds the kernel that headers belong to, and the exports that they have.
fn add_of_headers(
    folder: &Path,
    release: &str,
    elsewhere: bool,
    sources: &mut Sources,
) -> Result<Vec<SymbolError>, SymbolError> {
    let exports = folder.join("Module.symvers");
    if is_file(&exports)? {
        sources.push(Symvers::new(exports));
    }
    match headers::installed(folder, release)? {
        Some(installed) => {
            let text = format!("headers; the symbols are those of {}", installed.display());
            sources.note(folder, text);
            add(&installed, elsewhere, sources)
        }
        None if elsewhere => Ok(Vec::new()),
        None => {
            let kind = SymbolErrorKind::NotInstalled { release: release.to_owned() };
            Err(SymbolError::new(folder, kind))
        }
    }
}

/// The root that the links of an installed tree are relative to.
fn root_of(folder: &Path) -> Result<PathBuf, SymbolError> {
    Ok(depmod::root_of(folder)?.map_or_else(|| PathBuf::from("/"), |(root, _)| root))
}

/// A file or folder of a root, also through a link. The path stays as given where the operating system
/// resolves it itself.
fn existing(root: &Path, path: &Path) -> Result<Option<PathBuf>, SymbolError> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Ok(None) };
    let Some(folder) = optional(folder, folder.canonicalize())? else { return Ok(None) };
    let found = optional(path, resolve(root, &folder.join(name)))?;
    Ok(found.map(|found| called(path, found)))
}

/// Adds the modules of an installed tree; of several with one name, the one that modprobe loads. Returns
/// their names and the errors.
fn add_installed(
    folder: &Path,
    root: &Path,
    sources: &mut Sources,
) -> Result<(BTreeSet<String>, Vec<SymbolError>), SymbolError> {
    let depmod = Depmod::read(folder)?;
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
        let mut choice = depmod.choose(same);
        if choice.is_none() {
            choice = are_equal(folder, &modules, same)?;
        }
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
    Ok((names, errors))
}

/// Identical files are one module, whichever is loaded.
fn are_equal(
    folder: &Path,
    modules: &Modules,
    same: &[&Path],
) -> Result<Option<Choice>, SymbolError> {
    let files = same.iter().filter_map(|path| modules.get(&folder.join(path)));
    let mut first = None;
    for file in files {
        match crate::symbols::read_module(file) {
            Ok(bytes) if *first.get_or_insert_with(|| bytes.clone()) == bytes => {}
            Err(error) if error.is_io() => return Err(error),
            Ok(_) | Err(_) => return Ok(None),
        }
    }
    Ok(first.map(|_| Choice { index: 0, reason: "which is identical".into() }))
}

/// Whether a file is the placeholder that some packages install instead of `System.map`: a line or two
/// without a row of the table, which has an address, a letter and a name without blanks.
fn is_stand_in(path: &Path) -> Result<bool, SymbolError> {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(ROW_MAX).read_to_end(&mut start));
    read.map_err(|error| SymbolError::new(path, error))?;
    let is_row = |line: &[u8]| {
        let fields: Vec<_> = line.split(|byte| *byte == b' ').collect();
        matches!(fields[..], [address, [_], name]
            if !name.is_empty() && !address.is_empty() && address.iter().all(u8::is_ascii_hexdigit))
    };
    Ok(!start.split(|byte| *byte == b'\n').any(is_row))
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
fn ordered(folder: &Path, order: &Path) -> Result<BTreeSet<PathBuf>, SymbolError> {
    let text = read_to_string(order).map_err(|error| SymbolError::new(order, error))?;
    let mut modules = BTreeSet::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let path = Path::new(line).with_extension("ko");
        if path.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(SymbolError::new(order, SymbolErrorKind::Outside(path)));
        }
        let mut module = folder.join(&path);
        if let Ok(rest) = path.strip_prefix("kernel")
            && !is_file(&module)?
            && is_file(&folder.join(rest))?
        {
            module = folder.join(rest);
        }
        modules.insert(module);
    }
    let livepatches = folder.join(LIVEPATCHES);
    if let Some(livepatches) = optional(&livepatches, read_to_string(&livepatches))? {
        livepatches.lines().for_each(|line| _ = modules.remove(&folder.join(line)));
    }
    Ok(modules)
}

#[cfg(test)]
mod tests;
