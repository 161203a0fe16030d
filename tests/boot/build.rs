//! Builds modules from sources with kbuild, and caches them.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::failure::Failure;
use crate::kernel::{REPOSITORY, TestKernel};

/// Folders with sources of modules; their `Kbuild` files are concatenated.
const SOURCES: [&str; 2] = ["tests/fixtures/src", "tests/boot/src"];
/// The header that they include.
const INCLUDED: &str = "kbuild/klp-convert.h";

/// The directory with the modules for a kernel, and nothing else.
pub(crate) fn modules(kernel: &TestKernel) -> Result<PathBuf, Failure> {
    let sources = sources()?;
    let included = fs::read(Path::new(REPOSITORY).join(INCLUDED))?;
    let mut checksum = crc32fast::Hasher::new();
    for (name, contents) in &sources {
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
    for (name, contents) in &sources {
        fs::write(work.path().join(name), contents)?;
    }
    make(kernel, work.path())?;
    for entry in fs::read_dir(work.path())? {
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
