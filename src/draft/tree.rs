//! Kernel source trees: their files, and which release they are of.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::annotation::SourceFile;
use crate::c_source::{CFile, splice};

/// Longest C file that is read. The kernel's longest that is written by hand has half a megabyte.
const FILE_MAX: u64 = 16 << 20;

/// A file of a source tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Its path in the tree.
    pub file: String,
    /// Where it was read.
    pub path: PathBuf,
    /// The release of the tree, such as `7.2.13`, if its Makefile says it.
    pub release: Option<String>,
    /// Its text; what is not UTF-8 is replaced.
    pub text: String,
    /// The same, with the headers of its own folder in it.
    pub spliced: String,
}

/// Reads a file from the first of some trees that has it.
///
/// # Errors
/// That of the last tree.
pub fn read(trees: &[PathBuf], file: &str) -> io::Result<Origin> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for tree in trees {
        let path = tree.join(file);
        match text(&path) {
            Ok(text) => {
                let release = release_of(tree);
                let spliced = splice(file, &text, &|path| self::text(&tree.join(path)).ok());
                return Ok(Origin { file: file.into(), path, release, text, spliced });
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn text(path: &Path) -> io::Result<String> {
    let file = std::fs::File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(FILE_MAX + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > FILE_MAX) {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))
}

/// The source trees: those that are named, or that of a kernel's folder.
#[must_use]
pub fn source_trees(named: &[PathBuf], kernel: Option<&Path>) -> Vec<PathBuf> {
    if !named.is_empty() {
        return named.to_vec();
    }
    let Some(kernel) = kernel else { return Vec::new() };
    // kbuild links the source to a build tree of its own; an installed kernel links both.
    let folders = [kernel.join("source"), kernel.to_owned(), kernel.join("build")];
    folders
        .into_iter()
        .find(|folder| folder.join("kernel/Makefile").is_file())
        .into_iter()
        .collect()
}

/// The release that a tree's Makefile says, without what a configuration adds.
fn release_of(tree: &Path) -> Option<String> {
    let makefile = text(&tree.join("Makefile")).ok()?;
    let value = |name: &str| {
        let mut lines = makefile.lines().take(20);
        lines.find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == name).then(|| value.trim().to_owned())
        })
    };
    let (version, patch) = (value("VERSION")?, value("PATCHLEVEL")?);
    let sub = value("SUBLEVEL").unwrap_or_else(|| "0".into());
    Some(format!("{version}.{patch}.{sub}{}", value("EXTRAVERSION").unwrap_or_default()))
}

/// Folders of a tree that have no code of the kernel.
const PASSED_OVER: [&str; 7] =
    ["Documentation", "LICENSES", "rust", "samples", "scripts", "tools", "usr"];
/// How deep a tree is searched.
const DEPTH_MAX: usize = 16;

/// Where a name is declared.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// The header to include.
    pub(super) header: Option<String>,
    /// Source files that define it, with a declaration each.
    pub(super) declarations: Vec<(String, String)>,
}

/// Searches trees for declarations of names: in headers that all of the kernel includes, and in the source
/// files that are known to have them. What cannot be read has none.
pub(super) fn find(
    trees: &[PathBuf],
    wanted: &BTreeMap<String, Vec<String>>,
) -> BTreeMap<String, Found> {
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    for tree in trees {
        let mut left = vec![(tree.clone(), 0)];
        while let Some((folder, depth)) = left.pop() {
            let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            let mut entries: Vec<_> = entries.map(|entry| entry.path()).collect();
            // The last one is searched first, and linux/ wins over others.
            entries.sort_unstable();
            for path in entries {
                let Ok(kind) = path.symlink_metadata().map(|data| data.file_type()) else {
                    continue;
                };
                let below = path.strip_prefix(tree).ok().and_then(Path::to_str);
                let Some(below) = below else { continue };
                let is_passed_over = below.starts_with('.') || PASSED_OVER.contains(&below);
                if kind.is_dir() && depth < DEPTH_MAX && !is_passed_over {
                    left.push((path, depth + 1));
                } else if kind.is_file() && below.starts_with("include/") && below.ends_with(".h") {
                    in_header(&path, below, wanted, &mut found);
                } else if kind.is_file() && below.ends_with(".c") {
                    in_source(&path, below, wanted, &mut found);
                }
            }
        }
    }
    found
}

fn in_header(
    path: &Path,
    below: &str,
    wanted: &BTreeMap<String, Vec<String>>,
    found: &mut BTreeMap<String, Found>,
) {
    let Ok(text) = text(path) else { return };
    let has = |name: &&String| memchr::memmem::find(text.as_bytes(), name.as_bytes()).is_some();
    let names: Vec<_> = wanted.keys().filter(has).collect();
    let Some(file) = (!names.is_empty()).then(|| CFile::parse(&text).ok()).flatten() else {
        return;
    };
    let name = below.trim_start_matches("include/");
    let name = name.trim_start_matches("uapi/").replace("asm-generic/", "asm/");
    for wanted in names.into_iter().filter(|name| file.declares(name)) {
        let found = found.entry(wanted.clone()).or_default();
        let is_better = name.starts_with("linux/")
            || found.header.as_ref().is_none_or(|known| !known.starts_with("linux/"));
        if is_better && found.header.as_ref().is_none_or(|known| !known.starts_with("linux/")) {
            found.header = Some(name.clone());
        }
    }
}

fn in_source(
    path: &Path,
    below: &str,
    wanted: &BTreeMap<String, Vec<String>>,
    found: &mut BTreeMap<String, Found>,
) {
    let Ok(source) = below.parse::<SourceFile>() else { return };
    let names =
        wanted.iter().filter(|(_, files)| files.iter().any(|file| source.agrees_with(file)));
    let names: Vec<_> = names.map(|(name, _)| name).collect();
    if names.is_empty() {
        return;
    }
    let Ok(text) = text(path) else { return };
    let Ok(file) = CFile::parse(&text) else { return };
    for name in names {
        if let Some(declaration) = file.declaration(name) {
            let found = found.entry(name.clone()).or_default();
            found.declarations.push((below.to_owned(), declaration));
        }
    }
}
