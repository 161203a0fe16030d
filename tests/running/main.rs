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

/// Directories named by an environment variable; a missing one is the caller's error.
fn directories(variable: &str) -> Vec<std::path::PathBuf> {
    let Some(directories) = std::env::var_os(variable) else {
        panic!("{variable} is not set; see tests/running/main.rs");
    };
    std::env::split_paths(&directories).collect()
}

/// Runs `check` for each kernel, and for each of the `ways` to read it; prints what it found, and
/// collects all failures.
fn for_every_kernel<'a, W: std::fmt::Display>(
    kernels: &'a [Dump],
    ways: impl Fn(&'a Dump) -> Vec<W>,
    check: impl Fn(&'a Dump, &W) -> Result<String, String>,
) {
    let mut failures = Vec::new();
    for kernel in kernels {
        for way in ways(kernel) {
            let name = format!("{} {way}", kernel.name());
            match check(kernel, &way) {
                Ok(found) => println!("{name}: {found}"),
                Err(what) => failures.push(format!("{name}: {what}")),
            }
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// Builds every map of every kernel for `check`.
fn for_every_map(check: impl Fn(&Dump, &Map) -> Result<String, String>) {
    for_every_kernel(&kernels(), Dump::sources, |kernel, source| {
        let map = Map::build(source, &kernel.directory.join("modules"))?;
        check(kernel, &map)
    });
}

fn kernels() -> Vec<Dump> {
    directories("KLP_RUNNING").iter().map(|directory| Dump::read(directory)).collect()
}

#[test]
#[ignore = "needs the lists of running kernels; .ci/run makes and names them"]
fn the_boot_image_lists_what_the_running_kernel_lists() {
    for_every_kernel(
        &kernels(),
        |_| vec!["boot image"],
        |kernel, _| vmlinux::the_image_lists_the_same(kernel),
    );
}

#[test]
#[ignore = "needs the lists of running kernels; .ci/run makes and names them"]
fn the_map_lists_what_the_running_kernel_lists() {
    for_every_map(vmlinux::lists_the_same);
}

#[test]
#[ignore = "needs the lists of running kernels; .ci/run makes and names them"]
fn positions_of_homonyms_are_counted_as_in_the_running_kernel() {
    for_every_map(vmlinux::counts_the_same);
}

#[test]
#[ignore = "needs the lists of running kernels; .ci/run makes and names them"]
fn positions_in_live_modules_are_counted_as_in_the_running_kernel() {
    for_every_map(modules::counts_the_same);
}

#[test]
#[ignore = "needs the lists of running kernels; .ci/run makes and names them"]
fn untraceable_functions_are_those_that_ftrace_of_the_running_kernel_cannot_hook() {
    for_every_map(functions::hooks_the_same);
}
