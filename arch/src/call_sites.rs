//! Where modules list the places that ftrace can hook.

/// The list of a machine's modules (`mod->ftrace_callsites`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallSites {
    /// The section that has it (`FTRACE_CALLSITE_SECTION` in `include/linux/ftrace.h`); of several,
    /// which depend on the kernel's configuration, a module has one.
    pub sections: &'static [&'static [u8]],
    /// How many bytes before its function a place may be: those of the instructions that the
    /// compiler puts there (`-fpatchable-function-entry=N,M`).
    pub before: u64,
}

/// `__mcount_loc`: the compiler's calls of `mcount` or `__fentry__`.
pub(crate) const MCOUNT: &[u8] = b"__mcount_loc";
/// Of kernels with `CONFIG_FTRACE_MCOUNT_USE_PATCHABLE_FUNCTION_ENTRY`.
pub(crate) const PATCHABLE: &[u8] = b"__patchable_function_entries";
