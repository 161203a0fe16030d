//! The `klp-convert` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    klp_convert::cli::run()
}
