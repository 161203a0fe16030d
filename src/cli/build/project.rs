//! `klp.toml`: which livepatches are built for which kernels.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fmt;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::kernel::Kernel;
use crate::cli::args::Maps;
use crate::diagnostic::{Code, Diagnose};

/// The file as it is written. Paths and patterns are relative to its folder.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// Folders of livepatches, each with a Kbuild file.
    patches: Vec<String>,
    #[serde(default, rename = "target")]
    targets: Vec<WrittenTarget>,
    #[serde(default)]
    plan: Elsewhere,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WrittenTarget {
    /// Build trees or headers.
    kernel: String,
    name: Option<String>,
    machine: Option<String>,
    patches: Option<Vec<String>>,
    cross_compile: Option<String>,
    llvm: Option<Llvm>,
    #[serde(default)]
    make: Vec<String>,
    #[serde(default)]
    symbols: Vec<PathBuf>,
    image: Option<PathBuf>,
    vmlinux: Option<PathBuf>,
    #[serde(default)]
    modules: Vec<PathBuf>,
}

/// How other machines build: what plans need to know.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Elsewhere {
    /// A container image that has klp-convert, compilers and kernels.
    pub(super) image: Option<String>,
    /// A Kubernetes volume claim with the project.
    pub(super) claim: Option<String>,
    /// The label of GitHub's runners.
    pub(super) runs_on: Option<String>,
}

/// kbuild's `LLVM=`: on, off, or a version's suffix.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Llvm {
    Default(bool),
    Suffix(String),
}

/// What is built for what.
#[derive(Debug)]
pub(super) struct Project {
    /// The folder of `klp.toml`.
    pub(super) root: PathBuf,
    pub(super) patches: Vec<Patch>,
    pub(super) targets: Vec<Target>,
    pub(super) elsewhere: Elsewhere,
}

/// A folder of a livepatch's sources.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Patch {
    /// Its name: the last component of its path, or all of it where others end alike.
    pub(super) name: String,
    /// Its path from the root.
    pub(super) path: PathBuf,
}

/// A kernel, and how modules are built for it.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) name: String,
    /// Whether the name is the author's.
    is_named: bool,
    pub(super) kernel: Kernel,
    /// What its modules must be for, if the author says so.
    pub(super) machine: Option<String>,
    /// Variables for make.
    pub(super) make: Vec<String>,
    /// Where its symbols are.
    pub(super) maps: Maps,
    /// Indices of the patches that it gets.
    pub(super) patches: Vec<usize>,
}

/// A livepatch for a kernel, by indices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) target: usize,
    pub(super) patch: usize,
}

/// What is wrong with `klp.toml`, or with what it names.
#[derive(Debug)]
pub(in crate::cli) struct ProjectError {
    text: String,
    help: Vec<String>,
}

impl ProjectError {
    pub(super) fn new(text: impl Into<String>, help: impl Into<String>) -> Self {
        Self { text: text.into(), help: vec![help.into()] }
    }
}

impl fmt::Display for ProjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Diagnose for ProjectError {
    fn code(&self) -> Code {
        Code::Project
    }

    fn help(&self) -> Vec<String> {
        self.help.clone()
    }
}

impl Project {
    /// Reads a project's text, and finds what it names.
    ///
    /// # Errors
    /// It is malformed, or something that it names is not there.
    pub(super) fn of(root: &Path, text: &str) -> Result<Self, ProjectError> {
        let written: Written = toml::from_str(text).map_err(|error| {
            let line = error.span().and_then(|span| text.get(..span.start));
            let line = line.map_or(0, |before| before.matches('\n').count() + 1);
            let what = error.message().replace('\n', " ");
            ProjectError::new(
                format!("line {line}: {what}"),
                "docs/guide.md, \"Many kernels\", has an example",
            )
        })?;
        let everywhere = patch_folders(root, &written.patches)?;
        let mut patches = everywhere.clone();
        let mut targets = Vec::new();
        for target in &written.targets {
            let wanted = match &target.patches {
                Some(patterns) => patch_folders(root, patterns)?,
                None => everywhere.clone(),
            };
            patches.extend(wanted.iter().cloned());
            targets
                .extend(target.targets(root)?.into_iter().map(|target| (target, wanted.clone())));
        }
        if targets.is_empty() {
            return Err(ProjectError::new(
                "no target",
                "add [[target]] with kernel = \"BUILD-TREE\"",
            ));
        }
        let patches = named(patches);
        let indices = |wanted: &BTreeSet<PathBuf>| {
            let all = patches.iter().enumerate();
            all.filter(|(_, patch)| wanted.contains(&patch.path)).map(|(index, _)| index).collect()
        };
        let targets = targets.into_iter();
        let mut targets: Vec<_> = targets
            .map(|(target, wanted)| Target { patches: indices(&wanted), ..target })
            .collect();
        tell_apart(&mut targets)?;
        Ok(Self { root: root.to_owned(), patches, targets, elsewhere: written.plan })
    }

    /// A cell's livepatch and target.
    pub(super) fn of_place(&self, place: Place) -> Option<(&Patch, &Target)> {
        Some((self.patches.get(place.patch)?, self.targets.get(place.target)?))
    }

    /// Every livepatch for every kernel that gets it, a kernel after the other.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        self.targets
            .iter()
            .enumerate()
            .flat_map(|(target, of)| of.patches.iter().map(move |&patch| Place { target, patch }))
    }
}

impl WrittenTarget {
    /// The kernels that it names.
    fn targets(&self, root: &Path) -> Result<Vec<Target>, ProjectError> {
        let folders = folders(root, &self.kernel)?;
        if folders.is_empty() {
            return Err(ProjectError::new(
                format!("kernel = {:?}: no such folder", self.kernel),
                "give the kernel's build tree, or its headers",
            ));
        }
        if folders.len() > 1 && self.name.is_some() {
            let name = self.name.as_deref().unwrap_or_default();
            return Err(ProjectError::new(
                format!(
                    "kernel = {:?} is {} folders, which cannot all be {name:?}",
                    self.kernel,
                    folders.len()
                ),
                "leave the name out: kernels are named by their releases",
            ));
        }
        folders.iter().map(|folder| self.target(root, folder)).collect()
    }

    fn target(&self, root: &Path, folder: &Path) -> Result<Target, ProjectError> {
        let kernel = Kernel::of(folder)?;
        let mut make = vec![format!("ARCH={}", kernel.arch)];
        let prefix = self.cross_compile.clone().or_else(|| kernel.compiler_prefix());
        make.extend(prefix.map(|prefix| format!("CROSS_COMPILE={prefix}")));
        match &self.llvm {
            Some(Llvm::Suffix(suffix)) => make.push(format!("LLVM={suffix}")),
            Some(Llvm::Default(true)) => make.push("LLVM=1".into()),
            None if kernel.is_of_clang() => make.push("LLVM=1".into()),
            Some(Llvm::Default(false)) | None => {}
        }
        make.extend(self.make.iter().cloned());
        let inside = |path: &PathBuf| root.join(path);
        let mut maps = Maps {
            symbols: self.symbols.iter().map(inside).collect(),
            image: self.image.as_ref().map(inside),
            vmlinux: self.vmlinux.as_ref().map(inside),
            modules: self.modules.iter().map(inside).collect(),
            ..Maps::default()
        };
        // A map is of all of a kernel; other files complete the folder's.
        if maps.symbols.is_empty() {
            maps.kernel = Some(folder.to_owned());
        }
        Ok(Target {
            name: self.name.clone().unwrap_or_else(|| kernel.release.clone()),
            is_named: self.name.is_some(),
            machine: self.machine.clone(),
            kernel,
            make,
            maps,
            patches: Vec::new(),
        })
    }
}

/// The folders that a pattern stands for, in order.
fn folders(root: &Path, pattern: &str) -> Result<Vec<PathBuf>, ProjectError> {
    let whole = Path::new(&glob::Pattern::escape(&root.to_string_lossy())).join(pattern);
    let found = glob::glob(&whole.to_string_lossy()).map_err(|error| {
        ProjectError::new(
            format!("pattern {pattern:?}: {}", error.msg),
            "write [*] for a star that is meant",
        )
    })?;
    Ok(found.flatten().filter(|path| path.is_dir()).collect())
}

/// The folders of livepatches that some patterns stand for, from the root.
fn patch_folders(root: &Path, patterns: &[String]) -> Result<BTreeSet<PathBuf>, ProjectError> {
    let mut all = BTreeSet::new();
    for pattern in patterns {
        let found = folders(root, pattern)?;
        let has = |folder: &PathBuf| {
            ["Kbuild", "Makefile"].iter().any(|name| folder.join(name).is_file())
        };
        let found: Vec<_> = found.into_iter().filter(has).collect();
        if found.is_empty() {
            return Err(ProjectError::new(
                format!("patches: {pattern:?}: no folder with a Kbuild file"),
                "a livepatch is a folder with a Kbuild file: klp-convert new NAME",
            ));
        }
        for folder in found {
            let climbs = folder.components().any(|part| part == Component::ParentDir);
            let folder = folder.canonicalize().ok().filter(|_| climbs).unwrap_or(folder);
            let Ok(path) = folder.strip_prefix(root) else {
                return Err(ProjectError::new(
                    format!("patches: {}: outside of the project", folder.display()),
                    "put klp.toml into a folder that has all livepatches",
                ));
            };
            all.insert(path.to_owned());
        }
    }
    Ok(all)
}

/// Names the folders: by their last components where these differ.
fn named(folders: BTreeSet<PathBuf>) -> Vec<Patch> {
    let last =
        |path: &Path| path.file_name().unwrap_or(OsStr::new(".")).to_string_lossy().into_owned();
    let names: BTreeSet<_> = folders.iter().map(|path| last(path)).collect();
    let distinct = names.len() == folders.len();
    let name = |path: &Path| if distinct { last(path) } else { path.display().to_string() };
    folders.into_iter().map(|path| Patch { name: name(&path), path }).collect()
}

/// Gives kernels of one release the machine's name, too.
fn tell_apart(targets: &mut [Target]) -> Result<(), ProjectError> {
    let count = |targets: &[Target]| {
        targets.iter().fold(BTreeMap::<_, usize>::new(), |mut counts, target| {
            *counts.entry(target.name.clone()).or_default() += 1;
            counts
        })
    };
    let counts = count(targets);
    for target in targets.iter_mut() {
        if !target.is_named && counts.get(&target.name).is_some_and(|count| *count > 1) {
            target.name = format!("{}-{}", target.name, target.kernel.arch);
        }
    }
    let twice = count(targets).into_iter().find(|(_, count)| *count > 1);
    match twice {
        Some((name, count)) => {
            let same = targets.iter().filter(|target| target.name == name);
            let folders: Vec<_> =
                same.map(|target| target.kernel.folder.display().to_string()).collect();
            Err(ProjectError::new(
                format!("{count} targets are called {name:?}: {}", folders.join(", ")),
                "give each a name = \"...\" of its own",
            ))
        }
        None => match targets.iter().find(|target| !is_file_name(&target.name)) {
            Some(target) => Err(ProjectError::new(
                format!("{:?} cannot be a target's name", target.name),
                "it is the name of a folder: no slash, not empty, not a dot first",
            )),
            None => Ok(()),
        },
    }
}

fn is_file_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0', '@'])
}
