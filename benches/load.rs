//! The simulated load: relocations per second, and the whole load compared with the minimal work.
//!
//! *Apply* is the loop over the tables alone. Its baseline is a copy of the touched bytes and one
//! read of the tables, from the same run. Times are medians of interleaved runs.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "inputs are made here, a surprise stops the run"
)]

#[allow(dead_code, reason = "the inputs of other benchmarks")]
mod generate;
#[allow(dead_code, reason = "the measures of other benchmarks")]
mod measure;
mod relocations;

use std::hint::black_box;
use std::time::Duration;

use klp_arch::{Machine, machines};
use klp_convert::elf::Module;
use klp_convert::load::{Loader, Placement, Record, TargetKernel};
use measure::{compare, ms, ratio, table, timed};
use relocations::placed::{Everything, MODULE, Placed};
use relocations::relocations;

/// Relocations of the promised figures.
const RELOCATIONS: u64 = 10_000_000;
/// Reads every word and keeps nothing but their sum.
fn read(bytes: &[u8]) -> u64 {
    bytes.as_chunks().0.iter().fold(0, |sum, word| sum ^ u64::from_ne_bytes(*word))
}

fn one(machine: &'static Machine, count: u64, rounds: usize) -> Vec<String> {
    let data = relocations(machine, count);
    let module = Module::parse(&data).unwrap();
    let kernel = TargetKernel::newest(machine);
    let placement =
        Placement { start: MODULE, page_size: kernel.page_size, ..Placement::default() };
    let loader =
        Loader { machine, kernel: &kernel, placement: &placement, record: Record::Nothing };
    let tables: Vec<&[u8]> = module.relocation_sections().map(|s| module.body(s.index)).collect();
    let loaded = loader.load(&module, &Everything).unwrap();
    let touched: usize = loaded.regions().map(|(.., bytes)| bytes.len()).sum();
    drop(loaded);
    let from = vec![1_u8; touched];
    let mut placed = Placed::new(machine, &module);
    let [apply, whole, copied, read] = compare(
        rounds,
        Duration::from_secs(20),
        [
            &mut || placed.apply(machine),
            &mut || timed(|| loader.load(&module, &Everything).unwrap()),
            &mut || timed(|| black_box(&from).clone()),
            &mut || timed(|| tables.iter().map(|table| read(table)).sum::<u64>()),
        ],
    );
    let least = copied + read;
    let per_second = count as f64 / apply.as_secs_f64() / 1e6;
    vec![
        machine.name.into(),
        ms(apply),
        format!("{per_second:.0} million/s"),
        ms(whole),
        ms(copied),
        ms(read),
        ratio(whole, least),
    ]
}

fn main() {
    // Without `--bench` this only tests that everything runs.
    let bench = std::env::args().any(|word| word == "--bench");
    let (count, rounds) = if bench { (RELOCATIONS, 5) } else { (10_000, 1) };
    let rows = machines().iter().map(|machine| one(machine, count, rounds)).collect();
    let titles = ["machine", "apply", "rate", "whole load", "copy", "read", "ratio"];
    println!("\n{count} relocations");
    table(&titles, rows);
}
