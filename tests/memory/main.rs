//! Our memory of a module against that of a kernel that ran: byte for byte, but for what the kernel
//! itself changes behind relocation.
//!
//! `KLP_MEMORY=DIR[:DIR…] cargo test --release --test memory -- --ignored --nocapture`, with
//! directories made by `tests/memory/capture`. Modules are loaded at the addresses that the kernel
//! gave them, with the symbols that it listed. Compared is what was there when the module was coming,
//! before jump labels and init; when it was live; and, of livepatches that came before their targets,
//! when these had arrived and when they had left.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may stop at the first surprise"
)]

mod compare;
mod dump;
mod running;
mod story;

use std::collections::BTreeMap;

use dump::Capture;
use story::Tally;

/// Directories named by `KLP_MEMORY`.
fn captures() -> Vec<Capture> {
    let Some(directories) = std::env::var_os("KLP_MEMORY") else {
        panic!("KLP_MEMORY is not set; see tests/memory/main.rs");
    };
    std::env::split_paths(&directories).map(|path| Capture::read(&path)).collect()
}

#[test]
#[ignore = "needs memory of kernels that ran: tests/memory/capture"]
fn memory_is_that_of_the_kernel_outside_of_what_it_patches_later() {
    let mut failures = Vec::new();
    for capture in captures() {
        let (mut tally, mut found) = (Tally::default(), Vec::new());
        for name in capture.modules.keys() {
            story::compare(&capture, name, &mut tally, &mut found);
        }
        println!("{}: {tally}", capture.machine);
        assert!(tally.compared > 0, "{}: nothing was compared", capture.machine);
        failures.extend(found.into_iter().map(|line| format!("{}: {line}", capture.machine)));
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
#[ignore = "needs memory of kernels that ran: tests/memory/capture"]
fn every_relocation_that_is_written_wrongly_shows() {
    for capture in captures() {
        let (mut written, mut hidden) = (0, BTreeMap::new());
        for name in capture.modules.keys() {
            written += story::spoil(&capture, name, &mut hidden);
        }
        assert!(written > 0, "{}: no relocation was written", capture.machine);
        println!(
            "{}: {written} relocations spoilt one by one, not seen: {hidden:?}",
            capture.machine
        );
        let unseen: usize = hidden.values().sum();
        assert!(unseen * 2 < written, "{}: {hidden:?}", capture.machine);
    }
}
