//! Arguments of `klp-convert objdiff`.

use std::path::PathBuf;

use clap::Args;

use crate::symbols::MODULE_MAX;

#[derive(Debug, Args)]
pub(in crate::cli) struct ObjDiff {
    /// An object before the change, or a folder of them: .o, vmlinux.o, .ko, also compressed
    #[arg(value_name = "OLD.o")]
    pub(in crate::cli) old: PathBuf,
    /// The object after the change, or the folder
    #[arg(value_name = "NEW.o")]
    pub(in crate::cli) new: PathBuf,
    /// Say of this function or variable what is known about it, and nothing else
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) explain: Option<String>,
    /// Say also whether this livepatch replaces each changed function, and nothing else
    #[arg(long, value_name = "MODULE.ko", conflicts_with = "explain")]
    pub(in crate::cli) livepatch: Option<PathBuf>,
    /// The most that a compressed object may unpack to
    #[arg(long, value_name = "MIB", default_value_t = MODULE_MAX >> 20)]
    pub(in crate::cli) max_unpacked: u64,
}
