//! The map of a kernel that is named by its folder: made once, and found again.
//!
//! A kernel of a distribution has thousands of compressed modules, and each module of a livepatch asks
//! twice. The name of a map says which folder it is of, and what was there then, by sizes and times.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::args::Maps;
use super::digest::{digest, sizes_and_times};
use super::output;
use super::progress::Progress;
use super::report::Reporter;
use crate::symbols::map::build;
use crate::symbols::{Map, Scope, Sources, SymbolError};

/// Digits of a digest in a name.
const DIGITS: usize = 16;

/// The sources that were named; a kernel's folder by a map of all of it, where one can be kept.
///
/// # Errors
/// The first source that cannot be found, opened or read.
pub(super) fn sources(maps: &Maps, reporter: &Reporter) -> Result<Sources, SymbolError> {
    let sources = maps.sources(reporter)?;
    match &maps.kernel {
        Some(kernel) => kept(kernel, "", sources, reporter),
        None => Ok(sources),
    }
}

/// A map of these sources, where one can be kept; `part` says which of the kernel's folder they are.
///
/// # Errors
/// The first source that cannot be read.
pub(super) fn kept(
    kernel: &Path,
    part: &str,
    sources: Sources,
    reporter: &Reporter,
) -> Result<Sources, SymbolError> {
    if cache().is_none() {
        return Ok(sources);
    }
    let kept = KernelMap::new(kernel, part, sources)?;
    let map = kept.find().map_or_else(|| kept.make(reporter), Ok)?;
    Ok(one(map))
}

/// A map of all that some sources know about a kernel, kept where there is a cache.
#[derive(Debug)]
pub(super) struct KernelMap {
    sources: Sources,
    /// The kernel's folder, as the user named it.
    kernel: PathBuf,
    /// What the names of its maps start with.
    of: String,
    file: Option<PathBuf>,
}

impl KernelMap {
    /// The map of a kernel that has this folder, or of a part of it.
    ///
    /// # Errors
    /// There is no such folder.
    pub(super) fn new(kernel: &Path, part: &str, sources: Sources) -> Result<Self, SymbolError> {
        let start =
            |text: &str| digest(text.as_bytes()).get(..DIGITS).unwrap_or_default().to_owned();
        let whole = kernel.canonicalize().map_err(|error| SymbolError::new(kernel, error))?;
        let of = start(&format!("{}{part}", whole.display()));
        let name = format!("{of}-{}.map", start(&sizes_and_times(sources.paths())));
        let file = cache().map(|cache| cache.join(name));
        Ok(Self { sources, kernel: kernel.to_owned(), of, file })
    }

    /// One that is kept.
    pub(super) fn find(&self) -> Option<Map> {
        Map::open(self.file.as_ref()?).ok()
    }

    /// Makes it, and keeps it.
    ///
    /// # Errors
    /// The first source that cannot be read.
    pub(super) fn make(self, reporter: &Reporter) -> Result<Map, SymbolError> {
        let start = Instant::now();
        let progress = Progress::new("reading", self.sources.len());
        let (merged, errors) = self.sources.gather(Scope::All, |_, _| progress.step());
        progress.finish();
        if let Some(error) = errors.into_iter().next() {
            return Err(error);
        }
        let kernel = self.kernel.display();
        let bytes = build(&merged).map_err(|error| SymbolError::new(&self.kernel, error))?;
        let Some(file) = &self.file else { return Map::from_bytes(&self.kernel, bytes) };
        let map = Map::from_bytes(file, bytes)?;
        let folder = file.parent().unwrap_or(file);
        forget(folder, &self.of);
        let bytes = map.bytes()?;
        let kept = std::fs::create_dir_all(folder).and_then(|()| output::write_new(file, &bytes));
        drop(bytes);
        let (seconds, file) = (start.elapsed().as_secs_f32(), file.display());
        reporter.remark(&match kept {
            Ok(()) => format!("{kernel}: read in {seconds:.1} s, its map is kept as {file}"),
            Err(error) => {
                format!("{kernel}: read in {seconds:.1} s, its map cannot be kept: {file}: {error}")
            }
        });
        Ok(map)
    }
}

/// A map as sources.
pub(super) fn one(map: Map) -> Sources {
    let mut sources = Sources::new();
    sources.push(map);
    sources
}

/// Takes away earlier maps of a folder. One that stays is in nobody's way.
fn forget(cache: &Path, of: &str) {
    let entries = std::fs::read_dir(cache).into_iter().flatten().flatten();
    let earlier = entries.filter(|entry| {
        let name = entry.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix(of));
        rest.is_some_and(|rest| rest.starts_with('-') && rest.ends_with(".map"))
    });
    for entry in earlier {
        let _ = std::fs::remove_file(entry.path());
    }
}

fn cache() -> Option<PathBuf> {
    Some(super::cache::folder()?.join("maps"))
}
