//! The simulated load: relocations per second, and the whole load compared with the minimal work.
//!
//! *Apply* is the loop over the tables alone; *touching the places* is one that knows no types and checks nothing.
//! Baselines from the same run are a copy of the touched bytes and one read of the tables, and with
//! `KLP_KERNEL_SOURCE`, a tree of Linux 7.2, the kernel's own functions, compiled for this machine; what both leave in
//! memory is compared. Times are medians of interleaved runs.
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
mod kernel;
#[allow(dead_code, reason = "the measures of other benchmarks")]
mod measure;
mod relocations;

use std::cell::RefCell;
use std::hint::black_box;
use std::time::Duration;

use kernel::loader::Kernel;
use klp_arch::{Machine, machines};
use klp_convert::elf::Module;
use klp_convert::load::{Loader, Placement, Record, TargetKernel};
use measure::{Times, compare, introduce, ratio, table, time, timed};
use relocations::placed::{Everything, MODULE, Placed};
use relocations::relocations;
use scroll::Endian::{self, Little};

const NATIVE: Endian = if cfg!(target_endian = "little") { Little } else { Endian::Big };
/// Relocations of the promised figures.
const RELOCATIONS: u64 = 10_000_000;
/// Reads every word and keeps nothing but their sum.
fn read(bytes: &[u8]) -> u64 {
    bytes.as_chunks().0.iter().fold(0, |sum, word| sum ^ u64::from_ne_bytes(*word))
}

fn one(machine: &'static Machine, count: u64, rounds: usize) -> Vec<String> {
    let data = relocations(machine, count);
    let module = Module::parse(&data).unwrap();
    let target = TargetKernel::newest(machine);
    let placement =
        Placement { start: MODULE, page_size: target.page_size, ..Placement::default() };
    let loader =
        Loader { machine, kernel: &target, placement: &placement, record: Record::Nothing };
    let tables: Vec<&[u8]> = module.relocation_sections().map(|s| module.body(s.index)).collect();
    let loaded = loader.load(&module, &Everything).unwrap();
    let touched: usize = loaded.regions().map(|(.., bytes)| bytes.len()).sum();
    drop(loaded);
    let from = vec![1_u8; touched];
    let placed = RefCell::new(Placed::new(machine, &module));
    let touched_by = RefCell::new(Placed::new(machine, &module));
    let kernel = Kernel::new(machine.name, &module).map(RefCell::new);
    let of_kernel = |work: fn(&mut Kernel) -> Duration| {
        kernel.as_ref().map_or(Duration::ZERO, |kernel| work(&mut kernel.borrow_mut()))
    };
    let [apply, kernels_apply, touch, whole, kernels_whole, least] = compare(
        rounds,
        Duration::from_secs(60),
        [
            &mut || placed.borrow_mut().apply(machine),
            &mut || of_kernel(Kernel::apply),
            &mut || touched_by.borrow_mut().touch(),
            &mut || timed(|| loader.load(&module, &Everything).unwrap()),
            &mut || of_kernel(Kernel::load),
            &mut || {
                timed(|| {
                    (black_box(&from).clone(), tables.iter().map(|table| read(table)).sum::<u64>())
                })
            },
        ],
    );
    // The byte order of this machine is that of the kernel's functions.
    if let Some(kernel) = kernel.filter(|_| machine.endian == NATIVE) {
        assert!(kernel.into_inner().memory() == placed.borrow().memory(), "{}", machine.name);
    }
    let beside = |ours: &Times, others: &Times| match others.median() {
        Duration::ZERO => String::new(),
        _ => format!("{} ({})", time(others), ratio(ours, others)),
    };
    let per_second = count as f64 / apply.median().as_secs_f64() / 1e6;
    vec![
        machine.name.into(),
        time(&apply),
        format!("{per_second:.0} million/s"),
        beside(&apply, &kernels_apply),
        beside(&apply, &touch),
        time(&whole),
        beside(&whole, &kernels_whole),
        beside(&whole, &least),
    ]
}

fn main() {
    // Without `--bench` this only tests that everything runs.
    let bench = std::env::args().any(|word| word == "--bench");
    let (count, rounds) = if bench { (RELOCATIONS, 5) } else { (10_000, 1) };
    introduce(&["cc"]);
    let rows = machines().iter().map(|machine| one(machine, count, rounds)).collect();
    let titles = [
        "machine",
        "apply",
        "rate",
        "kernel's C (ratio)",
        "touching the places (ratio)",
        "whole load",
        "kernel's C (ratio)",
        "copy and read (ratio)",
    ];
    println!("\n{count} relocations");
    table(&titles, rows);
}
