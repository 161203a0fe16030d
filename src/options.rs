//! Options of conversions and checks.

use std::sync::Arc;

use klp_arch::KernelVersion;

use crate::patch::PatchedObjects;
use crate::symbols::Sources;

/// Options of conversions and checks.
#[derive(Debug, Default, Clone)]
pub struct Options {
    /// The objects that the livepatch patches.
    pub patched: PatchedObjects,
    /// Leave symbols that modules export as ordinary relocations.
    pub keep_module_exports: bool,
    /// Drop an appended module signature, which a conversion invalidates.
    pub strip_signature: bool,
    /// The kernel that the module is for; `None`: the one that its vermagic names, or else the newest
    /// known ([`KernelVersion::NEWEST`]).
    pub target: Option<KernelVersion>,
    /// Accept sources of another release than the module's vermagic.
    pub allow_stale_map: bool,
    /// Let relocations use a module that the object they wait for does not depend on.
    pub allow_undeclared_dependency: bool,
    /// Report every finding, not only the first ones of each kind.
    pub all: bool,
    /// Finish what another tool has recorded, and leave other modules as they are.
    pub only_recorded: bool,
    /// The sources of the kernel that another tool has recorded positions for, if it is not the one that the module is
    /// for.
    pub recorded_for: Option<Arc<Sources>>,
    /// Keep objtool's records, and disable the relocations that they replace instead of removing them.
    pub keep_intermediates: bool,
    /// Make no `.klp.arch.*` sections of kpatch's special sections, not even for kernels before Linux 5.8, which read them.
    pub no_klp_arch: bool,
    /// Do not check the result against the kernel's rules.
    pub no_check: bool,
}
