//! Livepatches in running kernels: converted by the library, loaded under QEMU, and looked at.
//!
//! `cargo test --release --test boot -- --ignored` builds the kernels (cached), boots them and runs
//! every case on every machine; `--machine`, `--kernel` and `--case` select, `--help` says more. One
//! boot serves all cases of a kernel ([`boot`]); a case ([`case`]) talks to the guest through a
//! [`session`], which holds the memory of each module against our load of it ([`memory`]).

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
mod options;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "../it/patch.rs"]
mod patch;
mod prediction;
mod sabotage;
mod session;
mod workshop;
mod wrong;

use std::process::ExitCode;

use clap::Parser;
use libtest_mimic::Trial;

use options::Options;

fn main() -> ExitCode {
    let options = Options::parse();
    if !options.test.ignored && !options.test.include_ignored && !options.test.list {
        let all = Trial::test("livepatches_in_running_kernels", || Ok(())).with_ignored_flag(true);
        return libtest_mimic::run(&options.test, vec![all]).exit_code();
    }
    // A boot is a trial's thread that waits: as many threads as boots at a time.
    let mut arguments = options.test.clone();
    arguments.test_threads = Some(arguments.test_threads.unwrap_or(2));
    libtest_mimic::run(&arguments, boot::trials(&options)).exit_code()
}
