//! Where modules list the places that ftrace can hook.

/// The list of a machine's modules (`mod->ftrace_callsites`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallSites {
    /// The section that has it (`FTRACE_CALLSITE_SECTION` in `include/linux/ftrace.h`); of several,
    /// which depend on the kernel's configuration, a module has one.
    pub sections: &'static [&'static [u8]],
    /// The functions that traced code calls in objects.
    pub tracers: &'static [&'static str],
    /// How many bytes before its function a place may be: those of the instructions that the
    /// compiler puts there (`-fpatchable-function-entry=N,M`).
    pub before: u64,
    /// What the kernel accepts there; if it finds nothing of it, it stops ftrace for good
    /// (`ftrace_init_nop`, `ftrace_bug`).
    pub forms: &'static [SiteForm],
}

/// Code that the compiler puts at a place that ftrace can hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SiteForm {
    /// How many bytes before the listed place it begins.
    pub before: u64,
    /// Its bytes: a value, and the bits that count.
    pub code: &'static [(u8, u8)],
    /// The function of vmlinux that it calls, if the kernel looks.
    pub calls: Option<&'static str>,
    /// Whether a kernel whose modules have this looks at no place when they come (`ftrace_need_init_nop`).
    pub unchecked: bool,
}

impl SiteForm {
    /// Code whose bytes all count.
    pub(crate) const fn exactly(code: &'static [(u8, u8)]) -> Self {
        Self { before: 0, code, calls: None, unchecked: false }
    }

    /// Whether code begins with it, apart from what it calls.
    #[must_use]
    pub fn matches(&self, code: &[u8]) -> bool {
        let pairs = self.code.iter().zip(code);
        code.len() >= self.code.len()
            && pairs.into_iter().all(|((value, mask), byte)| byte & mask == *value)
    }
}

/// `__mcount_loc`: the compiler's calls of `mcount` or `__fentry__`.
pub(crate) const MCOUNT: &[u8] = b"__mcount_loc";
/// Of kernels with `CONFIG_FTRACE_MCOUNT_USE_PATCHABLE_FUNCTION_ENTRY`.
pub(crate) const PATCHABLE: &[u8] = b"__patchable_function_entries";
