//! Arguments of `klp-convert convert`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use klp_arch::KernelVersion;

use super::{Maps, SOURCES};
use crate::name::ObjectName;
use crate::symbols::MODULE_MAX;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("map").args(SOURCES).multiple(true).required(true))]
pub(in crate::cli) struct Convert {
    /// The module to convert; .ko, .ko.xz, .ko.gz, .ko.zst
    #[arg(value_name = "IN.ko")]
    pub(in crate::cli) input: PathBuf,
    /// Where the converted module goes, - for stdout; compressed if it ends in .xz, .gz or .zst
    #[arg(short, long, value_name = "OUT.ko", required_unless_present_any = ["in_place", "dry_run"])]
    pub(in crate::cli) output: Option<PathBuf>,
    /// Replace the input; what is compressed stays so, and owner, mode and attributes are kept
    #[arg(long, conflicts_with = "output")]
    pub(in crate::cli) in_place: bool,
    /// Print the plan, write nothing
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    #[command(flatten)]
    pub(in crate::cli) maps: Maps,
    /// The most that a compressed module may unpack to
    #[arg(long, value_name = "MIB", default_value_t = MODULE_MAX >> 20)]
    pub(in crate::cli) max_unpacked: u64,
    /// An object that the livepatch patches (repeatable), if its tables are filled in at run time
    #[arg(long = "object", value_name = "NAME")]
    pub(in crate::cli) objects: Vec<ObjectName>,
    /// Let code of a patched object use a module that the object does not depend on
    #[arg(long)]
    pub(in crate::cli) allow_undeclared_dependency: bool,
    /// Leave symbols that modules export as ordinary relocations
    #[arg(long)]
    pub(in crate::cli) keep_module_exports: bool,
    /// Drop an appended module signature, which the conversion invalidates
    #[arg(long)]
    pub(in crate::cli) strip_signature: bool,
    /// The kernel that the livepatch is for, such as 5.14: older kernels have other limits
    #[arg(long = "target-kernel", value_name = "VERSION")]
    pub(in crate::cli) target: Option<KernelVersion>,
    /// The map of the kernel for which another tool has recorded positions, if it is another one
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) positions_from: Option<PathBuf>,
    /// Keep the sections __klp_relocs of objtool, and what its post-link keeps of other relocations
    #[arg(long)]
    pub(in crate::cli) keep_intermediates: bool,
    /// Make no .klp.arch sections of kpatch's modules for kernels before 5.8, which read them
    #[arg(long = "no-klp-arch-sections")]
    pub(in crate::cli) no_klp_arch: bool,
    /// Write even if the result breaks a rule of the kernel
    #[arg(long)]
    pub(in crate::cli) no_check: bool,
    /// Report every finding, not only the first 50 of each kind
    #[arg(long)]
    pub(in crate::cli) all: bool,
    /// Print the plan: how each name was resolved, what moves, what is removed
    #[arg(short, long)]
    pub(in crate::cli) verbose: bool,
    /// Whether it finishes what another tool has recorded, and nothing else.
    #[arg(skip)]
    pub(in crate::cli) only_recorded: bool,
}
