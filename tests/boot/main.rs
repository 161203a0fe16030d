//! Livepatches in running kernels: converted by the library, loaded under QEMU, and checked.
//!
//! `cargo test --release --test boot -- --ignored` builds the kernels (cached), boots them and runs
//! every case on every machine; `--machine`, `--kernel` and `--case` select, `--help` says more. One
//! boot serves all cases of a kernel ([`boot`]); a case ([`case`]) talks to the guest through a
//! [`session`], which compares the memory of each module with our load of it ([`memory`]).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may stop at the first surprise"
)]

mod boot;
mod build;
mod campaign;
mod case;
mod cases;
mod failure;
mod guest;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "../it/image.rs"]
mod image;
mod initramfs;
mod kernel;
mod memory;
mod mistake;
mod monitor;
#[path = "../it/mutation/mod.rs"]
mod mutation;
mod options;
mod page;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "../it/patch.rs"]
mod patch;
mod prediction;
mod report;
mod sabotage;
mod session;
mod tools;
mod workshop;
mod wrong;

use std::process::ExitCode;

use clap::Parser;
use libtest_mimic::{Arguments, Trial};

use options::Options;
use report::Report;

fn main() -> ExitCode {
    let options = Options::parse();
    let test = &options.test;
    if !test.ignored && !test.include_ignored && !test.list {
        let all = Trial::test("livepatches_in_running_kernels", || Ok(())).with_ignored_flag(true);
        return libtest_mimic::run(test, vec![all]).exit_code();
    }
    if !test.list
        && let Err(failure) = tools::are_there(options.machines(), options.install)
    {
        eprintln!("boot: {}", failure.0);
        return ExitCode::FAILURE;
    }
    if let Some(count) = options.campaign {
        let test_threads = Some(test.test_threads.unwrap_or(2));
        let arguments = Arguments { test_threads, ..test.clone() };
        return libtest_mimic::run(&arguments, campaign::trials(&options, count)).exit_code();
    }
    let boots = boot::boots(&options);
    let mut trials = boot::trials(&boots);
    // With a mistake the suite proves nothing about the others.
    if options.mistake.is_none() && options.wants_case("sabotage") {
        trials.extend(sabotage::trials(&options));
    }
    // Each boot blocks a trial's thread: as many threads as concurrent boots. Guests wait a second for each transition,
    // so there are more than two processors need.
    let test_threads = Some(test.test_threads.unwrap_or(4));
    let conclusion = libtest_mimic::run(&Arguments { test_threads, ..test.clone() }, trials);
    let is_reported = options.report.is_some() || options.is_whole();
    if conclusion.has_failed() || test.list || !is_reported {
        return conclusion.exit_code();
    }
    let reported = Report::of(&boots).and_then(|report| {
        let report = match &options.report {
            Some(path) => report.write(path, options.is_whole())?,
            None => report,
        };
        if options.is_whole() { report.is_committed() } else { Ok(()) }
    });
    if let Err(failure) = reported {
        eprintln!("boot: {}", failure.0);
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
