//! Arguments of `klp-convert inspect`.

use std::path::PathBuf;

use clap::Args;

use super::Maps;
use crate::symbols::MODULE_MAX;

#[derive(Debug, Args)]
pub(in crate::cli) struct Inspect {
    /// The module to show; .ko, .ko.xz, .ko.gz, .ko.zst
    #[arg(value_name = "MODULE.ko")]
    pub(in crate::cli) module: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) maps: Maps,
    /// The most that a compressed module may unpack to
    #[arg(long, value_name = "MIB", default_value_t = MODULE_MAX >> 20)]
    pub(in crate::cli) max_unpacked: u64,
    /// Show every name that the kernel does not have, not only the first 50 of each kind
    #[arg(long)]
    pub(in crate::cli) all: bool,
}
