//! The gate: what each benchmark costs in instructions and memory, against `benches/baseline`.
//!
//! Counts of valgrind repeat where times do not: a shared machine changes none of them. What costs more than its
//! limit fails, with the functions of ours whose counts moved; so does a cost that grows faster than its input.
//! `--bless` writes the new counts. `--bencher FILE` and `--github FILE` write them as Bencher Metric Format, and as
//! github-action-benchmark reads them. `--history FILE --label COMMIT` adds those of a commit to a file, of the program
//! that `--program` names. Other words are parts of names: only those benchmarks run.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "inputs are made here, a surprise stops the run"
)]

mod gate;
#[allow(dead_code, reason = "the inputs of other benchmarks")]
mod generate;
#[allow(dead_code, reason = "the measures of other benchmarks")]
mod measure;
#[allow(dead_code, reason = "the measures of other benchmarks")]
mod relocations;

use std::process::ExitCode;

use gate::history::History;
use gate::{Gate, calls};

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().skip(1).collect();
    if let Some(place) = words.iter().position(|word| word == calls::ONE) {
        calls::run(&words[place + 1]);
        return ExitCode::SUCCESS;
    }
    let mut gate = Gate::default();
    let (mut file, mut label, mut program) = (None, None, None);
    let mut rest = words.into_iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "--bless" => gate.bless = true,
            "--bencher" => gate.trackers.bencher = rest.next().map(Into::into),
            "--github" => gate.trackers.github = rest.next().map(Into::into),
            "--history" => file = rest.next(),
            "--label" => label = rest.next(),
            "--program" => program = rest.next(),
            // Cargo adds it.
            "--bench" => {}
            _ => gate.names.push(word),
        }
    }
    match (file, label) {
        (None, None) => gate.run(),
        (Some(file), Some(label)) => {
            let program = program.map(|program| std::fs::canonicalize(program).unwrap());
            History { file: file.into(), label, program }.add();
            ExitCode::SUCCESS
        }
        _ => {
            println!("--history FILE and --label COMMIT belong together");
            ExitCode::from(2)
        }
    }
}
