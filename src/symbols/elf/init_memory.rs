//! Which addresses of vmlinux are freed after initialisation.
//!
//! The linker script marks the range that `free_initmem` frees with two symbols
//! (`include/asm-generic/sections.h`). The per-CPU variables may be inside, again between
//! two (`PERCPU_SECTION` in `include/asm-generic/vmlinux.lds.h`): that memory is only the
//! template of each CPU's copy, and the addresses are used as offsets. Used by every
//! source of vmlinux. Invariant: without both bounds nothing is freed.

/// The bounds found so far.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct InitMemory {
    begin: Option<u64>,
    end: Option<u64>,
    per_cpu_start: Option<u64>,
    per_cpu_end: Option<u64>,
}

impl InitMemory {
    /// Records a symbol of vmlinux.
    pub(crate) fn see(&mut self, name: &[u8], address: u64) {
        let bound = match name {
            b"__init_begin" => &mut self.begin,
            b"__init_end" => &mut self.end,
            b"__per_cpu_start" => &mut self.per_cpu_start,
            b"__per_cpu_end" => &mut self.per_cpu_end,
            _ => return,
        };
        *bound = Some(address);
    }

    /// Whether the memory at the address is freed.
    pub(crate) fn frees(&self, address: u64) -> bool {
        let within = |start: Option<u64>, end: Option<u64>| {
            start.zip(end).is_some_and(|(start, end)| (start..end).contains(&address))
        };
        within(self.begin, self.end) && !within(self.per_cpu_start, self.per_cpu_end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_between_the_bounds_is_freed_except_per_cpu_variables() {
        let mut memory = InitMemory::default();
        memory.see(b"__init_begin", 0x100);
        assert!(!memory.frees(0x100), "one bound proves nothing");
        memory.see(b"__init_end", 0x200);
        memory.see(b"other", 0x300);
        assert_eq!(
            [0xff, 0x100, 0x1ff, 0x200].map(|at| memory.frees(at)),
            [false, true, true, false]
        );
        memory.see(b"__per_cpu_start", 0x110);
        memory.see(b"__per_cpu_end", 0x120);
        assert_eq!(
            [0x10f, 0x110, 0x11f, 0x120].map(|at| memory.frees(at)),
            [true, false, false, true]
        );
    }
}
