//! A livepatch's sources in a folder of their own, where kbuild builds them for one kernel.
//!
//! kbuild writes beside the sources, so that kernels would disturb each other in the author's folder. The
//! folder here has the project's files in the same places, so that `../common/fix.h` is found: those of the
//! livepatch are copied, the others are links.

use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::project::{Patch, Project};
use crate::cli::kbuild::INCLUDED;

/// Where the files are that every livepatch may include, in a tree.
const INCLUDE: &str = ".klp";

/// A folder for one livepatch and kernel. It is removed with this value.
#[derive(Debug)]
pub(super) struct Tree {
    root: TempDir,
    /// The livepatch's path from the root.
    patch: PathBuf,
}

impl Tree {
    /// Puts the files of a livepatch, and those that it may include, into a new folder.
    ///
    /// # Errors
    /// Any I/O error.
    pub(super) fn new(
        project: &Project,
        patch: &Patch,
        surroundings: &Surroundings,
    ) -> io::Result<Self> {
        let root = tempfile::Builder::new().prefix("klp-convert-").tempdir()?;
        let include = root.path().join(INCLUDE);
        std::fs::create_dir(&include)?;
        for (name, bytes) in INCLUDED {
            std::fs::write(include.join(name), bytes)?;
        }
        for file in files(&project.root.join(&patch.path)) {
            let to = root.path().join(&patch.path).join(&file);
            std::fs::create_dir_all(to.parent().unwrap_or(&to))?;
            std::fs::copy(project.root.join(&patch.path).join(&file), to)?;
        }
        for file in &surroundings.files {
            let to = root.path().join(file);
            std::fs::create_dir_all(to.parent().unwrap_or(&to))?;
            symlink(project.root.join(file), to)?;
        }
        Ok(Self { root, patch: patch.path.clone() })
    }

    pub(super) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(super) fn include(&self) -> PathBuf {
        self.root().join(INCLUDE)
    }

    /// Where what kbuild prints goes.
    pub(super) fn log(&self) -> PathBuf {
        self.include().join("log")
    }

    /// The livepatch's folder.
    pub(super) fn folder(&self) -> PathBuf {
        self.root().join(&self.patch)
    }
}

/// The project's files that are not a livepatch's own.
#[derive(Debug)]
pub(super) struct Surroundings {
    /// From the root, in order.
    pub(super) files: Vec<PathBuf>,
}

impl Surroundings {
    /// Finds them; `ours` are the folders of results and of what is kept.
    pub(super) fn of(project: &Project, ours: [&Path; 2]) -> Self {
        let inside = |path: &Path| path.canonicalize().ok();
        let mut others: Vec<_> =
            project.patches.iter().filter_map(|p| inside(&project.root.join(&p.path))).collect();
        others.extend(ours.into_iter().filter_map(inside));
        others.extend(project.targets.iter().map(|target| target.kernel.folder.clone()));
        let files = walk(&project.root, |folder| {
            inside(folder).is_some_and(|folder| others.contains(&folder)) || is_kernel(folder)
        });
        Self { files }
    }

    /// Those that make reads.
    pub(super) fn makefiles(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.iter().filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with("Makefile") || name.starts_with("Kbuild") || name.ends_with(".mk")
        })
    }
}

/// The files of a livepatch's folder, from there, in order.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    walk(folder, |_| false)
}

/// Whether a folder is a kernel's source or build tree.
fn is_kernel(folder: &Path) -> bool {
    folder.join("include/config/kernel.release").exists()
        || folder.join("scripts/Makefile.build").exists()
}

/// The files below a folder, without hidden ones and without what kbuild and klp.mk make.
fn walk(root: &Path, excluded: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(root).follow_links(true).sort_by_file_name().min_depth(1);
    let entries = entries.into_iter().filter_entry(|entry| {
        let name = entry.file_name().to_str().unwrap_or_default();
        let is_folder = entry.file_type().is_dir();
        let made = if is_folder { name == "klp" } else { is_made(name) };
        let excluded = is_folder && excluded(entry.path());
        !(name.starts_with('.') || made || excluded)
    });
    let files = entries.flatten().filter(|entry| entry.file_type().is_file());
    files.filter_map(|entry| entry.path().strip_prefix(root).ok().map(Path::to_owned)).collect()
}

/// Whether kbuild makes a file of this name.
fn is_made(name: &str) -> bool {
    let lists = ["Module.symvers", "modules.order"];
    let ends = [".o", ".a", ".ko", ".ko.xz", ".ko.zst", ".ko.gz", ".mod", ".mod.c"];
    lists.contains(&name) || ends.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kbuild_makes_is_not_a_source() {
        let folder = tempfile::tempdir().unwrap();
        let made =
            ["lp.o", "lp.ko", "lp.mod", "lp.mod.c", ".lp.o.cmd", "Module.symvers", "klp/7.2/lp.ko"];
        let sources = ["Kbuild", "blob.o_shipped", "deep/lp.c", "lp.c", "lp.h"];
        for name in made.iter().chain(&sources) {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        assert_eq!(files(folder.path()), sources.map(PathBuf::from));
    }
}
