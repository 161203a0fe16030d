//! Digests of files, each computed once and kept while size and time stay what they were.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::cli::digest::{Digest, digest};
use crate::cli::output;

/// A file that changed as recently as this may change again without another time.
const SETTLED: Duration = Duration::from_secs(2);

/// A file's size, and the time of its last change in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    size: u64,
    changed: u128,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
        let changed = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos();
        Some(Self { size: metadata.len(), changed })
    }
}

/// Digests by path, those of earlier runs included.
#[derive(Debug)]
pub(super) struct Digests {
    file: PathBuf,
    /// Of earlier runs.
    before: HashMap<PathBuf, (Stamp, Digest)>,
    /// What was asked for in this run.
    now: RwLock<HashMap<PathBuf, Option<(Stamp, Digest)>>>,
}

impl Digests {
    /// Those that a file keeps; none if there is no such file.
    pub(super) fn open(file: PathBuf) -> Self {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let before = text.lines().filter_map(of_line).collect();
        Self { file, before, now: RwLock::default() }
    }

    /// The digest of a file as it was when first asked for; `None` if it cannot be read.
    pub(super) fn of(&self, path: &Path) -> Option<Digest> {
        let now = self.now.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = now.get(path) {
            return known.as_ref().map(|(_, digest)| digest.clone());
        }
        drop(now);
        self.renew(path)
    }

    /// The digest of a file as it is now.
    pub(super) fn renew(&self, path: &Path) -> Option<Digest> {
        let stamp = Stamp::of(path);
        let before = self.before.get(path).filter(|(before, _)| Some(*before) == stamp);
        let digest = match before {
            Some((_, digest)) => Some(digest.clone()),
            None => stamp.and_then(|_| std::fs::read(path).ok()).map(|bytes| digest(&bytes)),
        };
        let known = stamp.zip(digest.clone());
        self.now.write().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), known);
        digest
    }

    /// Keeps them for later runs. Those that cannot be kept are computed again.
    pub(super) fn keep(&self) {
        let recent = SystemTime::now().checked_sub(SETTLED);
        let recent = recent.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let recent = recent.unwrap_or_default().as_nanos();
        let now = self.now.read().unwrap_or_else(PoisonError::into_inner);
        let mut changed = false;
        let mut all = self.before.clone();
        for (path, known) in now.iter() {
            let known = known.clone().filter(|(stamp, _)| stamp.changed < recent);
            let before = match known {
                Some(known) if all.get(path) == Some(&known) => continue,
                Some(known) => all.insert(path.clone(), known),
                None => all.remove(path),
            };
            changed |= before.is_some() || all.contains_key(path);
        }
        if !changed {
            return;
        }
        let mut text = String::new();
        for (path, (Stamp { size, changed }, digest)) in &all {
            if let Some(path) = path.to_str().filter(|path| !path.contains('\n')) {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{digest} {size} {changed} {path}");
            }
        }
        let _ = output::write_new(&self.file, text.as_bytes());
    }
}

fn of_line(line: &str) -> Option<(PathBuf, (Stamp, Digest))> {
    let mut fields = line.splitn(4, ' ');
    let digest = fields.next()?.to_owned();
    let size = fields.next()?.parse().ok()?;
    let changed = fields.next()?.parse().ok()?;
    let path = PathBuf::from(fields.next()?);
    Some((path, (Stamp { size, changed }, digest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_size_or_time_is_seen_and_nothing_else_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let (file, kept) = (folder.path().join("a file"), folder.path().join("digests"));
        let old = SystemTime::now() - Duration::from_secs(100);
        let write = |text: &str, time| {
            std::fs::write(&file, text).unwrap();
            std::fs::File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
        };
        let of = || {
            let digests = Digests::open(kept.clone());
            let digest = digests.of(&file);
            digests.keep();
            digest
        };
        write("one", old);
        let one = digest(b"one");
        assert_eq!(of(), Some(one.clone()));
        write("two", old);
        assert_eq!(of(), Some(one), "read, though neither size nor time is another");
        write("three", old);
        assert_eq!(of(), Some(digest(b"three")));
        write("seven", old + Duration::from_secs(1));
        assert_eq!(of(), Some(digest(b"seven")));
        std::fs::remove_file(&file).unwrap();
        assert_eq!(of(), None);
    }

    #[test]
    fn what_has_just_changed_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (file, kept) = (folder.path().join("f"), folder.path().join("digests"));
        std::fs::write(&file, "one").unwrap();
        let digests = Digests::open(kept.clone());
        assert!(digests.of(&file).is_some());
        digests.keep();
        assert!(!kept.exists());
    }
}
