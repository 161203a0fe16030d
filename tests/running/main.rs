//! The symbol map compared with kernels that ran: its names, order and addresses are
//! those in `/proc/kallsyms` of the same kernel; positions are counted in that list.
//!
//! `KLP_RUNNING=DIR[:DIR…] cargo test --release --test running -- --ignored --nocapture`, with
//! directories made by `tests/kernel/kallsyms`; `KLP_HISTORICAL=DIR[:DIR…]` with those of
//! `tests/kernel/historical-list` for the comparison with the historical list of names. The maps
//! are built, queried and exported by the program itself.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may stop at the first surprise"
)]

mod dump;
mod functions;
mod historical;
mod list;
mod modules;
mod program;
mod vmlinux;

use dump::Dump;
use program::Map;
use rayon::prelude::*;

/// Directories named by an environment variable; a missing one is the caller's error.
fn directories(variable: &str) -> Vec<std::path::PathBuf> {
    let Some(directories) = std::env::var_os(variable) else {
        panic!("{variable} is not set; see tests/running/main.rs");
    };
    std::env::split_paths(&directories).collect()
}

/// What a check of a kernel has found, or why it fails.
type Outcome = Result<String, String>;

/// Runs the checks of each kernel, and prints what they find; fails with all that fail.
fn for_every_kernel(checks: impl Fn(&Dump) -> Vec<(String, Outcome)> + Sync) {
    let kernels: Vec<_> = directories("KLP_RUNNING").iter().map(|d| Dump::read(d)).collect();
    let found = kernels.par_iter().flat_map_iter(|kernel| {
        let name = kernel.name();
        checks(kernel).into_iter().filter_map(move |(what, outcome)| match outcome {
            Ok(found) => {
                println!("{name} {what}: {found}");
                None
            }
            Err(why) => Some(format!("{name} {what}: {why}")),
        })
    });
    let failures: Vec<_> = found.collect();
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
#[ignore = "needs the lists of running kernels; .ci/run makes and names them"]
fn the_boot_image_lists_what_the_running_kernel_lists() {
    for_every_kernel(|kernel| {
        vec![("boot image".to_owned(), vmlinux::the_image_lists_the_same(kernel))]
    });
}

/// A claim about a map.
type Claim = (&'static str, fn(&Dump, &Map) -> Outcome);

/// What each map of a running kernel must be.
const CLAIMS: [Claim; 4] = [
    ("lists what the kernel lists", vmlinux::lists_the_same),
    ("counts positions of homonyms as the kernel", vmlinux::counts_the_same),
    ("counts positions in live modules as the kernel", modules::counts_the_same),
    ("knows the functions that ftrace cannot hook", functions::hooks_the_same),
];

#[test]
#[ignore = "needs the lists of running kernels; .ci/run makes and names them"]
fn maps_are_what_running_kernels_list_count_and_hook() {
    for_every_kernel(|kernel| {
        let mut found = Vec::new();
        for source in kernel.sources() {
            match Map::build(&source, &kernel.directory.join("modules")) {
                Ok(map) => found.extend(
                    CLAIMS.map(|(what, claim)| (format!("{source} {what}"), claim(kernel, &map))),
                ),
                Err(why) => found.push((source.to_string(), Err(why))),
            }
        }
        found
    });
}
