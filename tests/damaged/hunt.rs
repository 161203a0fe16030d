//! Damages files, runs the program on them, and keeps what should not be.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::bases::Bases;
use crate::damage::Draw;
use crate::tally::Tally;
use crate::worker::Worker;

/// How often progress is shown.
const EVERY: Duration = Duration::from_secs(10);

/// A run of many.
#[derive(Debug)]
pub(crate) struct Hunt {
    pub(crate) bases: Bases,
    seed: u64,
    jobs: usize,
    /// Findings, and what they need.
    kept: PathBuf,
    /// In memory, if there is such a file system.
    work: TempDir,
    started: Instant,
    pub(crate) tally: Mutex<Tally>,
}

impl Hunt {
    pub(crate) fn new(seed: u64, jobs: usize, kernels: &[PathBuf]) -> Self {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("damaged");
        let made = kept.join("made");
        fs::create_dir_all(&made).unwrap();
        let work = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        Self {
            bases: Bases::new(kernels, &made),
            seed,
            jobs: jobs.max(1),
            kept,
            work,
            started: Instant::now(),
            tally: Mutex::default(),
        }
    }

    /// The long run: with progress and a table.
    pub(crate) fn run(&self, mutations: usize, truncations: usize) -> ExitCode {
        let findings = self.findings(mutations, truncations);
        let (runs, seconds) = (mutations + truncations, self.started.elapsed().as_secs_f64());
        println!("{}", self.tally.lock().unwrap().table());
        println!(
            "{mutations} mutations and {truncations} truncations, seed {}, in {seconds:.0} s, {:.0} a second; {} findings",
            self.seed,
            runs as f64 / seconds,
            findings.len()
        );
        if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    /// Runs so many; gives what should not be.
    pub(crate) fn findings(&self, mutations: usize, truncations: usize) -> Vec<String> {
        let next = AtomicUsize::new(0);
        let all = mutations + truncations;
        let said = Mutex::new(self.started);
        thread::scope(|scope| {
            for job in 0..self.jobs {
                let (next, said) = (&next, &said);
                scope.spawn(move || {
                    let mut worker = Worker::new(self, self.work.path().join(job.to_string()));
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= all {
                            return worker.finish();
                        }
                        let truncated = number >= mutations;
                        worker.take(Draw { seed: self.seed, number, truncated });
                        self.say_progress(said, all);
                    }
                });
            }
        });
        self.tally.lock().unwrap().findings.clone()
    }

    fn say_progress(&self, said: &Mutex<Instant>, all: usize) {
        let mut said = said.lock().unwrap();
        if said.elapsed() >= EVERY {
            *said = Instant::now();
            let tally = self.tally.lock().unwrap();
            let (runs, seconds) = (tally.runs(), self.started.elapsed().as_secs());
            let findings = tally.findings.len();
            eprintln!("damage: [{seconds:>5} s] {runs} of {all}, {findings} findings");
        }
    }

    /// Keeps the files of a folder, and says how to repeat what was done with them.
    pub(crate) fn keep(&self, draw: Draw, folder: &Path, words: &[OsString], what: &str) {
        let kept = self.kept.join(format!("{}.{}", draw.seed, draw.number));
        let _ = fs::remove_dir_all(&kept);
        copy(folder, &kept);
        let root = folder.to_str().unwrap();
        let words =
            words.iter().map(|word| word.to_str().unwrap().replace(root, kept.to_str().unwrap()));
        let command = words.collect::<Vec<_>>().join(" ");
        let program = env!("CARGO_BIN_EXE_klp-convert");
        let finding = format!("{what}\n  {program} {command}");
        eprintln!("damage: {finding}");
        fs::write(kept.join("finding.txt"), format!("{draw:?}\n{finding}\n")).unwrap();
        self.tally.lock().unwrap().findings.push(finding);
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).unwrap();
        }
    }
}
