//! The part of the linked kernel that is freed after initialisation, told by the linker's symbols.
//!
//! `free_initmem` gives back what lies between `__init_begin` and `__init_end`. The template of the
//! per-CPU variables may lie between them, too, but what uses their addresses uses them as offsets
//! into each CPU's copy, which stays.

/// The ranges, as far as their bounds were seen.
#[derive(Debug, Default)]
pub(super) struct Freed {
    init: (Option<u64>, Option<u64>),
    per_cpu: (Option<u64>, Option<u64>),
}

impl Freed {
    /// Takes note of a symbol that bounds a range.
    pub(super) fn see(&mut self, name: &[u8], address: u64) {
        let bound = match name {
            b"__init_begin" => &mut self.init.0,
            b"__init_end" => &mut self.init.1,
            b"__per_cpu_start" => &mut self.per_cpu.0,
            b"__per_cpu_end" => &mut self.per_cpu.1,
            _ => return,
        };
        *bound = Some(address);
    }

    /// Whether what is at this address is freed.
    pub(super) fn has(&self, address: u64) -> bool {
        let within = |(start, end): (Option<u64>, Option<u64>)| {
            start.zip(end).is_some_and(|(start, end)| (start..end).contains(&address))
        };
        within(self.init) && !within(self.per_cpu)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_between_the_bounds_is_freed_and_per_cpu_variables_stay() {
        let mut freed = Freed::default();
        freed.see(b"__init_begin", 0x100);
        assert!(!freed.has(0x100), "one bound bounds nothing");
        freed.see(b"__init_end", 0x200);
        freed.see(b"__per_cpu_start", 0x180);
        freed.see(b"__per_cpu_end", 0x190);
        let has = [0xff, 0x100, 0x17f, 0x180, 0x18f, 0x190, 0x1ff, 0x200].map(|at| freed.has(at));
        assert_eq!(has, [false, true, true, false, false, true, true, false]);
    }
}
