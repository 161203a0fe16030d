//! Kernel source trees: their files, and which release they are of.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::c_source::splice;

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

/// The release that a tree's Makefile says, without what a configuration adds.
#[must_use]
pub fn release_of(tree: &Path) -> Option<String> {
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
