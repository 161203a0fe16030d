//! Folders that hold a kernel: a build tree, an installed tree, or modules anywhere below a folder.
//!
//! Makes one source of each file. A build tree lists its modules in `modules.order`
//! (`scripts/Makefile.modpost`); an installed one, `/lib/modules/RELEASE`, has them below it, with
//! symbolic links to the build tree that are not followed. Invariant: sources come in the order of
//! their paths.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::{BootImage, ModuleFile, Sources, SymbolError, SymbolErrorKind, Symvers, Vmlinux};

/// What a module's file is called behind its name.
const MODULE_ENDS: [&str; 4] = [".ko", ".ko.xz", ".ko.gz", ".ko.zst"];
/// Links in an installed tree that lead to the build tree.
const LINKS: [&str; 2] = ["build", "source"];

/// Adds the kernel of a build tree or of an installed tree.
///
/// Gives what went wrong: [`SymbolErrorKind::NoKernel`] where the folder is neither,
/// [`SymbolErrorKind::NoModules`], and what cannot be read.
pub fn add_kernel(folder: &Path, sources: &mut Sources) -> Vec<SymbolError> {
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
    if !folder.join("kernel").is_dir() {
        return vec![SymbolError::new(folder, SymbolErrorKind::NoKernel)];
    }
    at("vmlinux").into_iter().for_each(|path| sources.push(Vmlinux::new(path)));
    at("vmlinuz").into_iter().for_each(|path| sources.push(BootImage::new(path)));
    at("Module.symvers").into_iter().for_each(|path| sources.push(Symvers::new(path)));
    add_modules(folder, sources)
}

/// Adds a module, or all modules below a folder.
///
/// Gives what went wrong: [`SymbolErrorKind::NoModules`] and what cannot be read, links that lead
/// back among it.
pub fn add_modules(path: &Path, sources: &mut Sources) -> Vec<SymbolError> {
    let mut errors = Vec::new();
    let walk = WalkDir::new(path).follow_links(true).sort_by_file_name();
    let walk = walk.into_iter().filter_entry(|entry| {
        let link = entry.depth() == 1 && entry.path_is_symlink();
        !(link && LINKS.iter().any(|name| entry.file_name() == *name))
    });
    let mut found = false;
    for entry in walk {
        match entry {
            Ok(entry) if !entry.file_type().is_file() => {}
            // A file that is named is meant, whatever it is called.
            Ok(entry) if entry.depth() == 0 || is_module(entry.file_name()) => {
                found = true;
                sources.push(ModuleFile::new(entry.into_path()));
            }
            Ok(_) => {}
            Err(error) => {
                let at = error.path().unwrap_or(path).to_path_buf();
                let kind = match error.loop_ancestor() {
                    Some(ancestor) => SymbolErrorKind::Loop(ancestor.into()),
                    None => SymbolErrorKind::Io(error.into()),
                };
                errors.push(SymbolError::new(&at, kind));
            }
        }
    }
    if !found && errors.is_empty() {
        errors.push(SymbolError::new(path, SymbolErrorKind::NoModules));
    }
    errors
}

fn is_module(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    MODULE_ENDS.iter().any(|end| name.ends_with(end.as_bytes()))
}

/// The modules of a build tree. Since Linux 6.2 the file names their objects, `a/b.o`; before that
/// what is installed, `kernel/a/b.ko`.
fn ordered(folder: &Path, order: &Path) -> std::io::Result<BTreeSet<PathBuf>> {
    let text = std::fs::read_to_string(order)?;
    let module = |line: &str| {
        let path = Path::new(line).with_extension("ko");
        let installed = path.strip_prefix("kernel").ok().map(|rest| folder.join(rest));
        let plain = folder.join(&path);
        if plain.is_file() { plain } else { installed.filter(|p| p.is_file()).unwrap_or(plain) }
    };
    Ok(text.lines().filter(|line| !line.is_empty()).map(module).collect())
}
