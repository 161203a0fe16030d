//! Damaged modules and damaged sources of symbols, given to the program as a user gives them: it succeeds, or says
//! what is wrong and of which file, within its bounds; after an error there is no output.
//!
//! `cargo test` runs a few, always the same ones. `cargo damage --mutations 1000000 --truncations 100000` is the long
//! run: inputs are the fixtures, maps and lists that are made of them, the kernels that are seeds of the fuzz
//! targets ([`bases`]), and modules of Debian's kernels if `KLP_KERNELS` names folders of `.ci/distribution-kernels`.
//! Each is damaged by chance ([`damage`]) and given to a command ([`call`]), whose end is judged ([`judge`]). A seed
//! and a number make the same file again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test may stop at the first surprise"
)]

mod bases;
mod bytes;
mod call;
mod damage;
mod home;
mod hunt;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "../it/image.rs"]
mod image;
mod judge;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "../it/machine.rs"]
mod machine;
#[path = "../it/mutation/mod.rs"]
mod mutation;
mod options;
mod packing;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "../it/patch.rs"]
mod patch;
mod process;
mod sabotage;
mod tally;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "../it/tool.rs"]
mod tool;
mod worker;

use std::process::ExitCode;

use clap::Parser;
use libtest_mimic::Trial;

use hunt::Hunt;
use options::Options;

/// What `cargo test` runs.
const FEW: (usize, usize) = (120, 40);

fn main() -> ExitCode {
    let options = Options::parse();
    if let Some((mutations, truncations)) = options.wanted() {
        let kernels = std::env::var_os("KLP_KERNELS").unwrap_or_default();
        let kernels: Vec<_> =
            std::env::split_paths(&kernels).filter(|path| path.is_dir()).collect();
        return Hunt::new(options.seed, options.jobs, &kernels).run(mutations, truncations);
    }
    let seed = options.seed;
    let few = move || {
        let findings = Hunt::new(seed, 1, &[]).findings(FEW.0, FEW.1);
        if findings.is_empty() { Ok(()) } else { Err(findings.join("\n").into()) }
    };
    let trials = vec![
        Trial::test("a_damaged_file_gives_a_result_or_an_error_that_names_it_within_bounds", few),
        Trial::test("a_run_that_breaks_a_promise_is_a_finding", sabotage::every_promise),
    ];
    libtest_mimic::run(&options.test, trials).exit_code()
}
