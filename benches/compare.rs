//! The gate: what each benchmark costs in instructions and memory, against `benches/baseline`.
//!
//! Counts of valgrind repeat where times do not: a shared machine changes none of them. What costs more than its
//! limit fails, with the functions of ours whose counts moved; so does a cost that grows faster than its input.
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

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use gate::history::History;
use gate::trackers::Trackers;
use gate::{Gate, calls};

/// What each benchmark costs in instructions and memory, against benches/baseline.
#[derive(Debug, Parser)]
#[command(name = "cargo bench --bench compare --")]
struct Args {
    /// Parts of names: only these benchmarks run.
    names: Vec<String>,
    /// Write the new counts to the baseline.
    #[arg(long)]
    bless: bool,
    /// Write the counts as Bencher Metric Format, too.
    #[arg(long, value_name = "FILE")]
    bencher: Option<PathBuf>,
    /// Write the counts as github-action-benchmark reads them (customSmallerIsBetter), too.
    #[arg(long, value_name = "FILE")]
    github: Option<PathBuf>,
    /// Add the counts of a commit to a file instead.
    #[arg(long, value_name = "FILE", requires = "label")]
    history: Option<PathBuf>,
    /// The commit.
    #[arg(long, value_name = "COMMIT", requires = "history")]
    label: Option<String>,
    /// Its program, if it is not this one.
    #[arg(long, value_name = "FILE", requires = "history")]
    program: Option<PathBuf>,
    /// Cargo adds it.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    // Before anything else asks for memory, which counts.
    if let [_, one, name] = &*std::env::args().collect::<Vec<_>>()
        && one == calls::ONE
    {
        calls::run(name);
        return ExitCode::SUCCESS;
    }
    let Args { names, bless, bencher, github, history, label, program, .. } = Args::parse();
    let (Some(file), Some(label)) = (history, label) else {
        return Gate { names, bless, trackers: Trackers { bencher, github } }.run();
    };
    let program = program.map(|program| program.canonicalize().map_err(|error| (program, error)));
    match program.transpose() {
        Ok(program) => {
            History { file, label, program }.add();
            ExitCode::SUCCESS
        }
        Err((program, error)) => {
            println!("{}: {error}", program.display());
            ExitCode::from(2)
        }
    }
}
