//! Arbitrary files as an installed kernel, a build tree and a folder of modules: the same sources each time,
//! all of them in the folder, and errors that say something.
//!
//! A line that starts with `=` names a file, whose contents follow up to the next one; with `@` a link and what
//! it leads to. Nothing lies or leads outside of the folder.

use std::path::{Component, Path, PathBuf};

use klp_convert::symbols::{Scope, Sources, SymbolError, add_kernel, add_modules, kernel_release};

/// The most files.
const FILES: usize = 24;
/// Where the kernel is installed, and built.
const KERNELS: [&str; 4] = ["lib/modules/1", "usr/lib/modules/1", "usr/src/headers", ""];

/// Checks the property.
///
/// # Panics
/// When it does not hold.
pub fn run(data: &[u8]) {
    let folder = crate::folder::new();
    let root = folder.path();
    let mut file: Option<(PathBuf, Vec<u8>)> = None;
    let mut files = 0;
    for line in data.split_inclusive(|&byte| byte == b'\n') {
        match line.split_first() {
            Some((b'=', name)) if files < FILES => {
                if let Some((path, contents)) = file.take() {
                    crate::folder::write(&path, &contents);
                }
                file = inside(root, name).map(|path| (path, Vec::new()));
                files += 1;
            }
            Some((b'@', names)) if files < FILES => {
                let mut names = names.split(|&byte| byte == b' ');
                let [link, to] = [(); 2].map(|()| names.next().and_then(|name| inside(root, name)));
                if let (Some(link), Some(to)) = (link, to) {
                    let _ = link.parent().map(std::fs::create_dir_all);
                    let _ = std::os::unix::fs::symlink(to, link);
                }
                files += 1;
            }
            _ => {
                if let Some((_, contents)) = &mut file {
                    contents.extend(line);
                }
            }
        }
    }
    if let Some((path, contents)) = file.take() {
        crate::folder::write(&path, &contents);
    }
    for kernel in KERNELS {
        let kernel = root.join(kernel);
        let _ = kernel_release(&kernel);
        for elsewhere in [false, true] {
            same(root, |sources| add_kernel(&kernel, elsewhere, sources));
        }
    }
    same(root, |sources| add_modules(root, sources));
}

/// A path below the root, of ordinary components.
fn inside(root: &Path, name: &[u8]) -> Option<PathBuf> {
    let name = std::str::from_utf8(name).ok()?.trim_end_matches('\n');
    let path = Path::new(name);
    let plain = path.components().all(|component| matches!(component, Component::Normal(_)));
    (plain && !name.is_empty() && !name.contains('\0') && name.len() < 128).then(|| root.join(path))
}

fn same(root: &Path, add: impl Fn(&mut Sources) -> Vec<SymbolError>) {
    let once = || {
        let mut sources = Sources::new();
        let errors: Vec<_> = add(&mut sources).iter().map(ToString::to_string).collect();
        (sources, errors)
    };
    let ((one, errors), (other, again)) = (once(), once());
    assert_eq!(errors, again, "other errors");
    assert!(one.paths().eq(other.paths()), "other sources");
    assert!(errors.iter().all(|error| !error.is_empty()), "an error without words");
    assert!(one.notes().iter().all(|note| !note.to_string().is_empty()));
    for path in one.paths() {
        assert!(path.starts_with(root), "{} is outside", path.display());
    }
    let (merged, errors) = one.gather(Scope::All, |_, _| ());
    assert!(merged.objects().count() + errors.len() <= one.len() + merged.objects().count());
    assert!(errors.iter().all(|error| !error.to_string().is_empty()), "an error without words");
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_property_holds_for_every_seed() {
        crate::replay("tree", super::run);
    }
}
