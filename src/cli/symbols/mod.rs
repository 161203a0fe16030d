//! `klp-convert symbols`: one file per command.

mod build;
mod changes;
mod diff;
mod export;
mod info;
mod lookup;
mod odd;
mod proven;

use super::Outcome;
use super::args::{Symbols, SymbolsCommand};
use super::report::Reporter;

pub(super) fn run(args: &Symbols, reporter: &Reporter) -> Outcome {
    match &args.command {
        SymbolsCommand::Build(build) => build::run(build, reporter),
        SymbolsCommand::Lookup(lookup) => lookup::run(lookup, reporter),
        SymbolsCommand::Export(export) => export::run(export, reporter),
        SymbolsCommand::Info(info) => info::run(info, reporter),
        SymbolsCommand::Diff(diff) => diff::run(diff, reporter),
    }
}
