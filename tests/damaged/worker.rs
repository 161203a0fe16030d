//! One after the other; modules to check wait until there are enough of a kernel for one process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::bases::Kind;
use crate::call::{Call, plant};
use crate::damage::{Damaged, Draw};
use crate::hunt::Hunt;
use crate::judge;
use crate::process::{self, Ended};
use crate::tally::Row;

/// Modules of one check: one second is enough for all of them.
const BATCH: usize = if cfg!(debug_assertions) { 20 } else { 100 };

/// A job with folders of its own.
#[derive(Debug)]
pub(crate) struct Worker<'a> {
    hunt: &'a Hunt,
    folder: PathBuf,
    /// Modules that wait for a check, by kernel.
    waiting: BTreeMap<usize, Vec<Draw>>,
}

impl<'a> Worker<'a> {
    pub(crate) fn new(hunt: &'a Hunt, folder: PathBuf) -> Self {
        for name in ["in/tree", "out", "said"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        Self { hunt, folder, waiting: BTreeMap::new() }
    }

    /// Damages a file and uses it, now or later.
    pub(crate) fn take(&mut self, draw: Draw) {
        let damaged = draw.damaged(&self.hunt.bases);
        if damaged.call == Call::Check && damaged.base.kind == Kind::Module {
            let home = damaged.base.home;
            let folder = self.batch(home);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(format!("{}.ko", draw.number)), &damaged.bytes).unwrap();
            let waiting = self.waiting.entry(home).or_default();
            waiting.push(draw);
            if waiting.len() == BATCH {
                self.check(home);
            }
            return;
        }
        self.single(draw, &damaged);
    }

    /// Checks what waits.
    pub(crate) fn finish(&mut self) {
        for home in self.waiting.keys().copied().collect::<Vec<_>>() {
            self.check(home);
        }
    }

    fn batch(&self, home: usize) -> PathBuf {
        self.folder.join(format!("batch-{home}"))
    }

    /// Checks the modules of a kernel at once, and one by one if anything is odd.
    fn check(&mut self, home: usize) {
        let draws = self.waiting.remove(&home).unwrap_or_default();
        let folder = self.batch(home);
        let path = |draw: &Draw| folder.join(format!("{}.ko", draw.number));
        let files: Vec<_> =
            draws.iter().map(|draw| path(draw).into_os_string().into_string().unwrap()).collect();
        let map = &self.hunt.bases.homes[home].map;
        let mut words: Vec<OsString> = ["--format", "json", "check", "-s"].map(Into::into).into();
        words.push(map.into());
        words.extend(files.iter().map(Into::into));
        let input = given(&words);
        let smallest = files.iter().map(|file| size(Path::new(file))).min().unwrap_or(0);
        let ended = process::run(&words, &self.folder.join("said"));
        let judged = judge::process(&ended, input, files.len())
            .and_then(|()| judge::document(&ended, &files));
        // All together within the bounds of the smallest one: so is each.
        let is_cheap = judge::process(&ended, size(map) + smallest, 1).is_ok();
        match &judged {
            Ok(accepted) if is_cheap => {
                let successes = accepted.iter().filter(|accepted| **accepted).count();
                let errors = accepted.len() - successes;
                self.count(Kind::Module, Call::Check, &Row { successes, errors, ..cost(&ended) });
            }
            _ => {
                let alone = |draw: &Draw| self.single(*draw, &draw.damaged(&self.hunt.bases));
                let fine = draws.iter().map(alone).filter(|fine| *fine).count();
                if let (Err(what), true) = (judged, fine == draws.len()) {
                    self.hunt.keep(draws[0], &folder, &words, &format!("only together: {what}"));
                    self.count(Kind::Module, Call::Check, &Row { findings: 1, ..cost(&ended) });
                }
            }
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    /// Uses one file; gives whether all is as it should be.
    fn single(&self, draw: Draw, damaged: &Damaged<'_>) -> bool {
        let home = &self.hunt.bases.homes[damaged.base.home];
        let (given_to, out) = (self.folder.join("in"), self.folder.join("out"));
        let tree = given_to.join("tree");
        let is_tree = damaged.base.kind == Kind::Tree;
        if is_tree {
            plant(&tree, home);
        }
        let file = if is_tree { &tree } else { &given_to }.join(&damaged.base.name);
        fs::write(&file, &damaged.bytes).unwrap();
        let before = (count(&given_to), count(&tree));
        let words = damaged.call.words(damaged.base, home, &file, &out.join("out"));
        let input = given(&words) + damaged.more;
        let ended = process::run(&words, &self.folder.join("said"));
        let names = judge::names(damaged, home);
        let mut judged = judge::process(&ended, input, 1)
            .and_then(|()| judge::one(damaged.call, &names, &ended, &out));
        if damaged.call == Call::Check && judged.is_ok() {
            let files = [file.to_str().unwrap().to_owned()];
            judged = judge::document(&ended, &files).map(drop);
        }
        if (count(&given_to), count(&tree)) != before {
            judged = judged.and(Err("there are more files beside the input".to_owned()));
        }
        let mut row = cost(&ended);
        match &judged {
            Ok(()) if ended.code == Some(0) => row.successes = 1,
            Ok(()) => row.errors = 1,
            Err(what) => {
                row.findings = 1;
                let (kind, call) = (damaged.base.kind, damaged.call);
                self.hunt.keep(draw, &given_to, &words, &format!("{kind}, {call}: {what}"));
            }
        }
        self.count(damaged.base.kind, damaged.call, &row);
        empty(&given_to);
        empty(&out);
        fs::create_dir_all(&tree).unwrap();
        judged.is_ok()
    }

    fn count(&self, kind: Kind, call: Call, row: &Row) {
        self.hunt.tally.lock().unwrap().add(kind, call, row);
    }
}

fn cost(ended: &Ended) -> Row {
    Row { memory: ended.memory, cpu: ended.cpu, ..Row::default() }
}

/// The size of the files that a command names.
fn given(words: &[OsString]) -> u64 {
    words.iter().map(Path::new).filter(|path| path.is_absolute()).map(size).sum()
}

fn size(path: &Path) -> u64 {
    match fs::read_dir(path) {
        Ok(entries) => entries.map(|entry| size(&entry.unwrap().path())).sum(),
        Err(_) => fs::metadata(path).map_or(0, |file| file.len()),
    }
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

fn empty(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
    }
}
