//! The map of a kernel that is named by its folder: made once, and found again.
//!
//! A kernel of a distribution has thousands of compressed modules, and each module of a livepatch asks
//! twice. The name of a map says which folder it is of, and what was there then, by sizes and times.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::kept::digest;
use super::sizes_and_times;
use crate::cli::args::Maps;
use crate::cli::output;
use crate::cli::progress::Progress;
use crate::cli::report::Reporter;
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
    let (Some(kernel), Some(cache)) = (&maps.kernel, cache()) else { return Ok(sources) };
    let path = |text: &str| digest(text.as_bytes()).get(..DIGITS).unwrap_or_default().to_owned();
    let whole = kernel.canonicalize().map_err(|error| SymbolError::new(kernel, error))?;
    let of = path(&whole.display().to_string());
    let file = cache.join(format!("{of}-{}.map", path(&sizes_and_times(sources.paths()))));
    if let Ok(map) = Map::open(&file) {
        return Ok(one(map));
    }
    let start = Instant::now();
    let progress = Progress::new("reading", sources.len());
    let (merged, errors) = sources.gather(Scope::All, |_, _| progress.step());
    progress.finish();
    if let Some(error) = errors.into_iter().next() {
        return Err(error);
    }
    let bytes = build(&merged).map_err(|error| SymbolError::new(&file, error))?;
    let map = Map::from_bytes(&file, bytes)?;
    forget(&cache, &of);
    let kept = std::fs::create_dir_all(&cache).and_then(|()| output::write_new(&file, map.bytes()));
    let seconds = start.elapsed().as_secs_f32();
    let (kernel, file) = (kernel.display(), file.display());
    reporter.remark(&match kept {
        Ok(()) => format!("{kernel}: read in {seconds:.1} s, its map is kept as {file}"),
        Err(error) => {
            format!("{kernel}: read in {seconds:.1} s, its map cannot be kept: {file}: {error}")
        }
    });
    Ok(one(map))
}

fn one(map: Map) -> Sources {
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

/// `$XDG_CACHE_HOME/klp-convert`, by default below `~/.cache`; `None` where there is no home.
fn cache() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let xdg = set("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || set("HOME").map(|home| Path::new(&home).join(".cache"));
    Some(xdg.or_else(home)?.join("klp-convert/maps"))
}
