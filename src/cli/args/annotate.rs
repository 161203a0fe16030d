//! Arguments of `klp-convert annotate`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::{Maps, SOURCES};

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("map").args(SOURCES).multiple(true).required(true))]
#[command(group = ArgGroup::new("input").args(["module", "errors"]).multiple(true).required(true))]
pub(in crate::cli) struct Annotate {
    /// A module as kbuild has linked it, or an object file: which of its undefined names need a line
    #[arg(value_name = "MODULE.ko")]
    pub(in crate::cli) module: Option<PathBuf>,
    /// What the compiler said, '-' for standard input: declarations of the names that it does not know
    #[arg(long, value_name = "LOG")]
    pub(in crate::cli) errors: Option<PathBuf>,
    /// The kernel's source tree (repeatable); without it, that of the build tree in --kernel
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) kernel_source: Vec<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) maps: Maps,
}
