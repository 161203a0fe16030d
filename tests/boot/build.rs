//! Builds modules from sources with kbuild, and caches them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use walkdir::WalkDir;

use crate::failure::Failure;
use crate::kernel::{REPOSITORY, TestKernel};

/// Folders with sources of modules; their `Kbuild` files are concatenated.
const SOURCES: [&str; 2] = ["tests/fixtures/src", "tests/boot/src"];
/// The header that they include.
const INCLUDED: &str = "kbuild/klp-convert.h";

/// The samples: a folder each, which has the name of its livepatch.
pub(crate) const SAMPLES: &str = "kbuild/samples";

/// The directory with the modules for a kernel, and nothing else.
pub(crate) fn modules(kernel: &TestKernel) -> Result<PathBuf, Failure> {
    built(kernel, &sources()?)
}

/// The directory with the modules of all samples for a kernel, and nothing else.
pub(crate) fn samples(kernel: &TestKernel) -> Result<PathBuf, Failure> {
    built(kernel, &samples_sources()?)
}

fn built(kernel: &TestKernel, sources: &[(String, Vec<u8>)]) -> Result<PathBuf, Failure> {
    let included = fs::read(Path::new(REPOSITORY).join(INCLUDED))?;
    let mut checksum = crc32fast::Hasher::new();
    for (name, contents) in sources {
        checksum.update(name.as_bytes());
        checksum.update(contents);
    }
    checksum.update(&included);
    checksum.update(kernel.build.as_os_str().as_encoded_bytes());
    let kept = cache()?.join("boot-modules");
    let (machine, release) = (kernel.machine, kernel.release);
    let modules = kept.join(format!("{machine}-{release}-{:08x}", checksum.finalize()));
    if modules.is_dir() {
        return Ok(modules);
    }
    fs::create_dir_all(&kept)?;
    let (work, made) = (TempDir::new()?, TempDir::new_in(&kept)?);
    for (name, contents) in sources {
        let file = work.path().join(name);
        fs::create_dir_all(file.parent().unwrap())?;
        fs::write(file, contents)?;
    }
    make(kernel, work.path())?;
    for entry in WalkDir::new(work.path()) {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == "ko") {
            fs::copy(entry.path(), made.path().join(entry.file_name()))?;
        }
    }
    match fs::rename(made.path(), &modules) {
        // Another process was quicker.
        Err(_) if modules.is_dir() => {}
        renamed => renamed?,
    }
    Ok(modules)
}

/// The cache for slow results, as in the scripts of `tests/kernel`.
fn cache() -> Result<PathBuf, Failure> {
    let named = |variable: &str| std::env::var_os(variable).map(PathBuf::from);
    let home = || named("HOME").map(|home| home.join(".cache"));
    let user = || named("XDG_CACHE_HOME").or_else(home).map(|cache| cache.join("klp-convert"));
    named("KLP_CACHE").or_else(user).ok_or_else(|| "neither KLP_CACHE nor HOME is set".into())
}

/// Names and contents of all source files, in the order of their names.
fn sources() -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let (mut sources, mut kbuild) = (Vec::new(), Vec::new());
    for directory in SOURCES {
        for entry in fs::read_dir(Path::new(REPOSITORY).join(directory))? {
            let entry = entry?;
            let contents = fs::read(entry.path())?;
            match entry.file_name().to_string_lossy() {
                name if name == "Kbuild" => kbuild.extend(contents),
                name => sources.push((name.into_owned(), contents)),
            }
        }
    }
    sources.push(("Kbuild".into(), kbuild));
    sources.sort();
    Ok(sources)
}

/// The files of all samples below their folders, in the order of their names, and a `Kbuild` that has the
/// folders.
fn samples_sources() -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let samples = Path::new(REPOSITORY).join(SAMPLES);
    let (mut sources, mut folders) = (Vec::new(), BTreeSet::new());
    for entry in WalkDir::new(&samples).min_depth(2).max_depth(2) {
        let entry = entry?;
        let name = entry.path().strip_prefix(&samples)?.to_string_lossy().into_owned();
        folders.insert(name.split('/').next().unwrap().to_owned());
        sources.push((name, fs::read(entry.path())?));
    }
    let folders: String = folders.iter().map(|folder| format!("obj-m += {folder}/\n")).collect();
    let kbuild = format!("subdir-ccflags-y := -I$(KLP_KBUILD)\n{folders}");
    sources.push(("Kbuild".into(), kbuild.into_bytes()));
    sources.sort();
    Ok(sources)
}

fn make(kernel: &TestKernel, directory: &Path) -> Result<(), Failure> {
    let mut make = kernel.make(directory);
    let output = make.output().map_err(|error| format!("{make:?}: {error}; install make"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<_> = said.lines().collect();
    let end = lines[lines.len().saturating_sub(25)..].join("\n");
    Err(format!("modules for {} do not build:\n{end}", kernel.name()).into())
}
