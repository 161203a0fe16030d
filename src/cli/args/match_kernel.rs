//! Arguments of `klp-convert match`.

use std::path::PathBuf;

use clap::Args;

use crate::symbols::MODULE_MAX;

#[derive(Debug, Args)]
pub(in crate::cli) struct Match {
    /// The kernel: its boot image as it is shipped, or vmlinux
    #[arg(long, value_name = "VMLINUZ", required_unless_present = "module")]
    pub(in crate::cli) image: Option<PathBuf>,
    /// A module as it is shipped, into which the objects were linked
    #[arg(long, value_name = "MODULE.ko", conflicts_with = "image")]
    pub(in crate::cli) module: Option<PathBuf>,
    /// Objects, compiled as the kernel's were, or folders of them; with --tree, source files
    #[arg(value_name = "FILE.o", required = true)]
    pub(in crate::cli) objects: Vec<PathBuf>,
    /// Compile the files first, in this tree of the kernel's source (after make prepare, or built)
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) tree: Option<PathBuf>,
    /// A variable for make, such as KERNELRELEASE=6.1.0-50-amd64 (repeatable)
    #[arg(long = "make", value_name = "NAME=VALUE", requires = "tree")]
    pub(in crate::cli) make: Vec<String>,
    /// Say where the kernel has this function or static variable of the objects, and nothing else
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) resolve: Option<String>,
    /// List every function, not only those that are not the kernel's
    #[arg(long, conflicts_with = "resolve")]
    pub(in crate::cli) all: bool,
    /// The most that a compressed object may unpack to
    #[arg(long, value_name = "MIB", default_value_t = MODULE_MAX >> 20)]
    pub(in crate::cli) max_unpacked: u64,
}
