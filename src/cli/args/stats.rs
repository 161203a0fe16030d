//! Arguments of `klp-convert stats`.

use std::path::PathBuf;

use clap::Args;
use klp_arch::KernelVersion;

use crate::symbols::MODULE_MAX;

#[derive(Debug, Args)]
pub(in crate::cli) struct Stats {
    /// The modules to measure; .ko, .ko.xz, .ko.gz, .ko.zst
    #[arg(required_unless_present = "page", value_name = "MODULE.ko")]
    pub(in crate::cli) modules: Vec<PathBuf>,
    /// Show what differs from this module
    #[arg(long, value_name = "OLD.ko")]
    pub(in crate::cli) compare: Option<PathBuf>,
    /// Fail if a figure is larger than this file allows
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) budget: Option<PathBuf>,
    /// Add the figures to this file, a JSON line for each module
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) history: Option<PathBuf>,
    /// What the modules are called in the history: a version or a commit
    #[arg(long, requires = "history")]
    pub(in crate::cli) label: Option<String>,
    /// Write a page with charts of the history, and of the budget
    #[arg(long, value_name = "OUT.html", requires = "history")]
    pub(in crate::cli) page: Option<PathBuf>,
    /// The kernel that loads the modules, such as 5.14: not that which they were built for
    #[arg(long = "target-kernel", value_name = "VERSION")]
    pub(in crate::cli) target: Option<KernelVersion>,
    /// The most that a compressed module may unpack to
    #[arg(long, value_name = "MIB", default_value_t = MODULE_MAX >> 20)]
    pub(in crate::cli) max_unpacked: u64,
}
