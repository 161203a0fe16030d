//! Real objects of four machines.

use std::fs;
use std::path::{Path, PathBuf};

use klp_convert::elf::Module;
use klp_convert::objdiff::{ChangeRefusal, diff};

/// An object.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// The modules that are in the repository.
pub(crate) fn fixtures() -> Vec<Sample> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let all = below(&folder, &["ko"]);
    assert!(all.len() > 60, "{}", all.len());
    all
}

/// The objects of the folders that `KLP_OBJDIFF` names, separated by colons.
pub(crate) fn of_folders() -> Vec<Sample> {
    let folders = std::env::var("KLP_OBJDIFF").expect("KLP_OBJDIFF");
    let all = folders.split(':').flat_map(|folder| below(Path::new(folder), &["o", "ko"]));
    let all: Vec<_> = all.filter(|sample| is_compared(&sample.bytes)).collect();
    assert!(!all.is_empty(), "no objects in {folders}");
    all
}

/// Whether it is a relocatable file of one of the machines, and not from Rust; not a whole kernel, which takes minutes.
fn is_compared(bytes: &[u8]) -> bool {
    let is_relocatable =
        bytes.len() < 4 << 20 && Module::parse(bytes).is_ok_and(|module| module.file_type() == 1);
    is_relocatable && diff(bytes, bytes).is_ok_and(|diff| diff.refusals != [ChangeRefusal::Rust])
}

/// The files below a folder with these endings, in the order of their paths.
fn below(folder: &Path, endings: &[&str]) -> Vec<Sample> {
    let (mut folders, mut paths) = (vec![folder.to_owned()], Vec::<PathBuf>::new());
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if entry.path().extension().is_some_and(|end| endings.iter().any(|e| end == *e))
            {
                paths.push(entry.path());
            }
        }
    }
    paths.sort();
    let sample = |path: PathBuf| Sample {
        name: path.strip_prefix(folder).unwrap().display().to_string(),
        bytes: fs::read(path).unwrap(),
    };
    paths.into_iter().map(sample).collect()
}
