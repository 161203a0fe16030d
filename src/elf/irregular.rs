//! Wrong header fields that the kernel's loader ignores.
//!
//! A rewriter must not guess what they mean, so [`Module::parse`](super::Module::parse) refuses them;
//! the simulated loader must read the file all the same
//! ([`Module::parse_as_kernel`](super::Module::parse_as_kernel)). The code that checks a field
//! decides which kind it is. Source: `elf_validity_*` and `apply_relocations` in
//! `kernel/module/main.c`.

use super::ElfError;

/// How many irregularities are remembered: a file may have one for each symbol.
const MOST: usize = 16;

/// How to treat faults that the kernel would not notice.
#[derive(Debug)]
pub(super) struct Tolerance {
    tolerant: bool,
    faults: Vec<ElfError>,
}

impl Tolerance {
    /// Refuses every fault.
    pub(super) fn none() -> Self {
        Self { tolerant: false, faults: Vec::new() }
    }

    /// Remembers faults that the kernel ignores, and goes on.
    pub(super) fn of_kernel() -> Self {
        Self { tolerant: true, faults: Vec::new() }
    }

    /// Whether the file is read as the kernel reads it.
    pub(super) fn is_of_kernel(&self) -> bool {
        self.tolerant
    }

    /// Handles a fault that the kernel does not notice.
    pub(super) fn unnoticed(&mut self, fault: ElfError) -> Result<(), ElfError> {
        if !self.tolerant {
            return Err(fault);
        }
        if self.faults.len() < MOST {
            self.faults.push(fault);
        }
        Ok(())
    }

    /// The faults found.
    pub(super) fn faults(self) -> Vec<ElfError> {
        self.faults
    }
}
