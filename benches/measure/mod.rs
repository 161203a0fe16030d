//! Measures processes and calls, and prints tables.
//!
//! Compared runs are interleaved, so they see the same conditions. Shown are medians, of times and of the quotients of
//! each round, and as noise half the distance between quartiles: the smaller ones that many runs have beside each other.
//!
//! Linux counts a process's memory before `exec` in its peak, so a large parent would hide its
//! children's: inputs are made by a child, and the parent stays small until the programs whose
//! memory is shown have run.

use std::ffi::OsStr;
use std::fmt::Debug;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use comfy_table::{CellAlignment, Table};
use wait4::Wait4;

/// How much larger an input grows.
pub(crate) const DOUBLINGS: [u64; 4] = [1, 2, 4, 8];
/// Makes a benchmark only write its inputs.
pub(crate) const MAKE_INPUTS: &str = "--make-inputs";

/// The cost of a child process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) time: Duration,
    /// CPU time, user and system.
    pub(crate) cpu: Duration,
    /// Peak in bytes.
    pub(crate) memory: u64,
}

/// Runs a program to its end.
pub(crate) fn run<T: AsRef<OsStr> + Debug>(program: &str, words: &[T]) -> Run {
    run_to(&[0], program, words)
}

/// Runs a program that ends with one of these codes.
pub(crate) fn run_to<T: AsRef<OsStr> + Debug>(codes: &[i32], program: &str, words: &[T]) -> Run {
    let start = Instant::now();
    let mut command = Command::new(program);
    command.args(words).stdout(Stdio::null()).stderr(Stdio::null());
    let ended = command.spawn().unwrap().wait4().unwrap();
    let time = start.elapsed();
    let known = ended.status.code().is_some_and(|code| codes.contains(&code));
    assert!(known, "{program} {words:?}: {:?}", ended.status);
    let used = ended.rusage;
    Run { time, cpu: used.utime + used.stime, memory: used.maxrss }
}

/// Times of one thing, round by round.
#[derive(Debug, Clone, Default)]
pub(crate) struct Times(pub(crate) Vec<Duration>);

impl Times {
    pub(crate) fn median(&self) -> Duration {
        Duration::from_secs_f64(quartiles(self.seconds()).1)
    }

    fn seconds(&self) -> Vec<f64> {
        self.0.iter().map(Duration::as_secs_f64).collect()
    }
}

/// What the runs of one program took.
#[derive(Debug, Clone, Default)]
pub(crate) struct Runs {
    pub(crate) cpu: Times,
    /// The peak that any of them had, in bytes.
    pub(crate) memory: u64,
}

impl Runs {
    pub(crate) fn add(&mut self, run: Run) -> Duration {
        self.cpu.0.push(run.cpu);
        self.memory = self.memory.max(run.memory);
        run.time
    }
}

/// A quarter, half and three quarters of the values are at most so large.
fn quartiles(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_unstable_by(f64::total_cmp);
    let at = |quarters: usize| values[(values.len() - 1) * quarters / 4];
    (at(1), at(2), at(3))
}

/// How much half of the values differ from the one in the middle, in per cent.
fn noise(values: Vec<f64>) -> String {
    let (low, middle, high) = quartiles(values);
    format!("±{:.0} %", (high - low) / 2.0 / middle * 100.0)
}

/// Runs several things interleaved; no new round starts after `patience`.
pub(crate) fn compare<const N: usize>(
    rounds: usize,
    patience: Duration,
    mut run: [&mut dyn FnMut() -> Duration; N],
) -> [Times; N] {
    let start = Instant::now();
    let mut times = [const { Times(Vec::new()) }; N];
    for round in 0..rounds {
        if round > 0 && start.elapsed() > patience {
            break;
        }
        for (run, times) in run.iter_mut().zip(&mut times) {
            times.0.push(run());
        }
    }
    times
}

pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    std::hint::black_box(work());
    start.elapsed()
}

pub(crate) fn time(times: &Times) -> String {
    let (median, noise) = (times.median(), noise(times.seconds()));
    if median < Duration::from_millis(1) {
        format!("{:.2} us {noise}", median.as_secs_f64() * 1e6)
    } else {
        format!("{:.1} ms {noise}", median.as_secs_f64() * 1e3)
    }
}

pub(crate) fn mb(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// The quotients of the rounds of both.
pub(crate) fn ratio(times: &Times, base: &Times) -> String {
    let quotients: Vec<_> =
        times.seconds().iter().zip(base.seconds()).map(|(time, base)| time / base).collect();
    format!("{:.2} {}", quartiles(quotients.clone()).1, noise(quotients))
}

pub(crate) fn table(titles: &[&str], rows: Vec<Vec<String>>) {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::ASCII_MARKDOWN).set_header(titles).add_rows(rows);
    table.column_iter_mut().skip(1).for_each(|c| c.set_cell_alignment(CellAlignment::Right));
    println!("\n{table}");
}

/// What everything below depends on: the machine, and the versions of these programs.
pub(crate) fn introduce(programs: &[&str]) {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let processor = read("/proc/cpuinfo");
    let processor =
        processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let (processor, release) =
        (processor.map_or("?", |(_, name)| name), read("/proc/sys/kernel/osrelease"));
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let (release, load) = (release.trim(), read("/proc/loadavg"));
    let load = load.split(' ').next().unwrap_or_default();
    println!("{processors} processors, {processor}; Linux {release}; load at the start {load}");
    for program in programs {
        let version = Command::new(program).arg("--version").output();
        let version = version.map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
        let version =
            version.as_deref().map_or("not installed", |said| said.lines().next().unwrap_or("?"));
        println!("{program}: {version}");
    }
}

/// Whether a program is there to be compared with.
pub(crate) fn is_installed(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}
