//! Measures processes and calls, and prints tables.
//!
//! Compared runs are interleaved, so they see the same conditions, and medians are shown.
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
    let start = Instant::now();
    let mut command = Command::new(program);
    command.args(words).stdout(Stdio::null()).stderr(Stdio::null());
    let ended = command.spawn().unwrap().wait4().unwrap();
    let time = start.elapsed();
    assert!(ended.status.success(), "{program} {words:?}: {:?}", ended.status);
    let used = ended.rusage;
    Run { time, cpu: used.utime + used.stime, memory: used.maxrss }
}

pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Runs several things interleaved and returns their medians; no new round starts after `patience`.
pub(crate) fn compare<const N: usize>(
    rounds: usize,
    patience: Duration,
    mut run: [&mut dyn FnMut() -> Duration; N],
) -> [Duration; N] {
    let start = Instant::now();
    let mut times = [const { Vec::new() }; N];
    for round in 0..rounds {
        if round > 0 && start.elapsed() > patience {
            break;
        }
        for (run, times) in run.iter_mut().zip(&mut times) {
            times.push(run());
        }
    }
    times.map(median)
}

pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    std::hint::black_box(work());
    start.elapsed()
}

pub(crate) fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

pub(crate) fn mb(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

pub(crate) fn ratio(time: Duration, base: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() / base.as_secs_f64())
}

pub(crate) fn table(titles: &[&str], rows: Vec<Vec<String>>) {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::ASCII_MARKDOWN).set_header(titles).add_rows(rows);
    table.column_iter_mut().skip(1).for_each(|c| c.set_cell_alignment(CellAlignment::Right));
    println!("\n{table}");
}
