//! Arguments of `klp-convert diff`.

use std::path::PathBuf;

use clap::Args;

use crate::symbols::MODULE_MAX;

#[derive(Debug, Args)]
pub(in crate::cli) struct DiffModules {
    /// A livepatch, finished or not; .ko, .ko.xz, .ko.gz, .ko.zst
    #[arg(value_name = "OLD.ko")]
    pub(in crate::cli) old: PathBuf,
    /// Another one
    #[arg(value_name = "NEW.ko")]
    pub(in crate::cli) new: PathBuf,
    /// The most that a compressed module may unpack to
    #[arg(long, value_name = "MIB", default_value_t = MODULE_MAX >> 20)]
    pub(in crate::cli) max_unpacked: u64,
}
