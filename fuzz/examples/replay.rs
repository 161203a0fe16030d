//! Runs one target on files and on the files of folders: `replay TARGET PATH...`.
//!
//! What `fuzz/coverage` measures, and what repeats a finding under a debugger.

use std::error::Error;
use std::path::Path;

use klp_convert_fuzz::{TARGETS, Target};

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args_os().skip(1);
    let name = words.next().ok_or("replay TARGET PATH...")?;
    let target = TARGETS.iter().find(|(known, _)| name == *known);
    let (_, target) = target.ok_or_else(|| format!("{}: no such target", name.display()))?;
    words.try_for_each(|path| replay(*target, Path::new(&path)))
}

/// In the order of names.
fn replay(target: Target, path: &Path) -> Result<(), Box<dyn Error>> {
    if path.is_dir() {
        let entries: Result<Vec<_>, _> = std::fs::read_dir(path)?.collect();
        let mut paths: Vec<_> = entries?.iter().map(std::fs::DirEntry::path).collect();
        paths.sort_unstable();
        return paths.iter().try_for_each(|path| replay(target, path));
    }
    target(&std::fs::read(path)?);
    Ok(())
}
