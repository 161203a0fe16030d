//! The modules below a folder, through symbolic links.
//!
//! A link in a tree below another root, such as an unpacked image, is resolved in that root.
//! Invariant: no file outside of the root is read instead. A link that contains the path of the root
//! is also understood.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{Error, ErrorKind};
use std::path::{Component, Path, PathBuf};

use walkdir::WalkDir;

use crate::symbols::{SymbolError, SymbolErrorKind};

/// Suffixes of module files.
const MODULE_ENDS: [&str; 5] = [".ko", ".ko.xz", ".ko.gz", ".ko.zst", super::DEBUG_END];
/// Links in an installed tree to the build tree.
const LINKS: [&str; 2] = ["build", "source"];
/// Links on the way to a file, as the kernel follows them (`MAXSYMLINKS`).
const LINKS_MAX: usize = 40;
/// `ELOOP` on all hosts except MIPS and PA-RISC.
const ELOOP: i32 = 40;

/// The modules found: the file to read, by the path below the folder.
pub(crate) type Modules = BTreeMap<PathBuf, PathBuf>;

/// The modules below a folder, in the order of their paths, and what cannot be read.
pub(crate) fn walk(
    folder: &Path,
    root: &Path,
    passes_over: &dyn Fn(&OsStr) -> bool,
) -> (Modules, Vec<SymbolError>) {
    let mut walk = Walk { root, passes_over, modules: Modules::new(), errors: Vec::new() };
    let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    walk.below(folder, &real, &mut Vec::new());
    (walk.modules, walk.errors)
}

struct Walk<'a> {
    root: &'a Path,
    passes_over: &'a dyn Fn(&OsStr) -> bool,
    modules: Modules,
    errors: Vec<SymbolError>,
}

impl Walk<'_> {
    /// Adds the contents of the folder `real`, which is `named` in the tree. `above`: the folders that
    /// links have led out of.
    fn below(&mut self, named: &Path, real: &Path, above: &mut Vec<PathBuf>) {
        let top = above.is_empty();
        let entries = WalkDir::new(real).sort_by_file_name().into_iter().filter_entry(|entry| {
            let name = entry.file_name();
            let link = top && entry.depth() == 1 && entry.path_is_symlink();
            let builds = link && LINKS.iter().any(|other| name == *other);
            entry.depth() == 0 || !(builds || (self.passes_over)(name))
        });
        let entries: Vec<_> = entries.collect();
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    let at = error.path().unwrap_or(real);
                    let at = named.join(at.strip_prefix(real).unwrap_or(at));
                    let error = error.into_io_error().unwrap_or_else(|| ErrorKind::Other.into());
                    self.errors.push(SymbolError::new(&at, os(&error)));
                    continue;
                }
            };
            let below = entry.path().strip_prefix(real).unwrap_or(entry.path());
            let path = if entry.depth() == 0 { named.to_owned() } else { named.join(below) };
            // A file given explicitly is read, whatever its name.
            let meant = top && entry.depth() == 0;
            if entry.path_is_symlink() {
                self.link(&path, entry.path(), meant, above);
            } else if entry.file_type().is_file() && (meant || is_module(entry.file_name())) {
                let found = if top { path.clone() } else { called(&path, entry.into_path()) };
                self.modules.insert(path, found);
            }
        }
    }

    /// Adds what the link `real` leads to.
    fn link(&mut self, named: &Path, real: &Path, meant: bool, above: &mut Vec<PathBuf>) {
        let is_module = meant || named.file_name().is_some_and(is_module);
        match resolve(self.root, real) {
            Ok(target) if target.is_dir() => {
                let parent = real.parent().and_then(|parent| parent.canonicalize().ok());
                let folder = target.canonicalize().unwrap_or_else(|_| target.clone());
                let mut before = above.iter().chain(&parent);
                if !meant && before.any(|from| from.starts_with(&folder)) {
                    self.errors.push(SymbolError::new(named, SymbolErrorKind::Loop(folder)));
                    return;
                }
                above.push(parent.unwrap_or_default());
                self.below(named, &target, above);
                above.pop();
            }
            Ok(target) if is_module => {
                self.modules.insert(named.to_owned(), called(named, target));
            }
            // Neither a folder nor a module: nothing is lost.
            Ok(_) => {}
            Err(_) if !is_module => {}
            Err(error) => {
                let gone = error.kind() == ErrorKind::NotFound;
                let target = std::fs::read_link(real).ok().filter(|_| gone);
                let kind = target.map_or_else(|| os(&error), SymbolErrorKind::Dangling);
                self.errors.push(SymbolError::new(named, kind));
            }
        }
    }
}

/// The path of a file in the tree, if the operating system resolves it to the same file.
pub(crate) fn called(named: &Path, found: PathBuf) -> PathBuf {
    let same = named.canonicalize().ok() == found.canonicalize().ok();
    if same { named.to_owned() } else { found }
}

/// The error of the operating system, without context.
fn os(error: &Error) -> SymbolErrorKind {
    let code = error.raw_os_error();
    SymbolErrorKind::Io(code.map_or_else(|| error.kind().into(), Error::from_raw_os_error))
}

/// Resolves a path below `root`, as a process with this root would.
pub(crate) fn resolve(root: &Path, path: &Path) -> std::io::Result<PathBuf> {
    let below = path.strip_prefix(root).map_err(|_| ErrorKind::NotFound)?;
    let mut at = root.to_owned();
    let mut left = backwards(below);
    let mut links = 0;
    while let Some(name) = left.pop() {
        if name == ".." {
            if at != root {
                at.pop();
            }
            continue;
        }
        let next = at.join(name);
        let Ok(target) = std::fs::read_link(&next) else {
            at = next;
            continue;
        };
        links += 1;
        if links > LINKS_MAX {
            return Err(Error::from_raw_os_error(ELOOP));
        }
        if target.is_absolute() {
            root.clone_into(&mut at);
        }
        left.extend(backwards(target.strip_prefix(root).unwrap_or(&target)));
    }
    std::fs::metadata(&at).map(|_| at)
}

/// The names of a path, the last one first.
fn backwards(path: &Path) -> Vec<OsString> {
    let names = path.components().rev().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    names.collect()
}

/// Whether a file has the name of a module.
pub(crate) fn is_module(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    MODULE_ENDS.iter().any(|end| name.ends_with(end.as_bytes()))
}
