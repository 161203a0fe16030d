//! Addresses of modules' per-CPU variables.
//!
//! Each CPU has a copy of them; what relocations see (`mod->percpu`) is not a copy's address but a
//! per-CPU pointer, an offset from `__per_cpu_start`. Modules' variables follow vmlinux's own. A
//! machine without a reserve for modules takes what is free there first, and then memory farther
//! away. Sources: `kernel/module/main.c:percpu_modalloc`; `mm/percpu.c` (`pcpu_setup_first_chunk`,
//! `__addr_to_pcpu_ptr`).

pub(super) mod room;

use std::ops::Range;

use super::TargetKernel;

/// Bytes of per-CPU memory for the variables of all modules (`PERCPU_MODULE_RESERVE`).
const PERCPU_MODULE_RESERVE: u64 = 8 << 10;

impl TargetKernel {
    /// The addresses that relocations see of modules' per-CPU variables.
    #[must_use]
    pub fn module_per_cpu(&self) -> Range<u64> {
        let start = self.per_cpu.end;
        start..start.saturating_add(PERCPU_MODULE_RESERVE)
    }
}
