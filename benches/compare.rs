//! The gate: what each benchmark costs in instructions and memory, against `benches/baseline`.
//!
//! Counts of valgrind repeat where times do not: a shared machine changes none of them. What costs more than its
//! limit fails, with the functions of ours whose counts moved; so does a cost that grows faster than its input.
//! `--bless` writes the new counts. Other words are parts of names: only those benchmarks run.
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

use gate::{Gate, calls};

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().skip(1).collect();
    if let Some(place) = words.iter().position(|word| word == calls::ONE) {
        calls::run(&words[place + 1]);
        return ExitCode::SUCCESS;
    }
    // Cargo adds it.
    let given = |option: &str| words.iter().any(|word| word == option);
    let names = words.iter().filter(|word| !word.starts_with("--")).cloned().collect();
    Gate { names, bless: given("--bless") }.run()
}
