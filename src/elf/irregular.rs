//! Header fields that are wrong and that the kernel's loader never looks at.
//!
//! A rewriter must not guess what they mean, so [`Module::parse`](super::Module::parse) refuses them;
//! whoever does what the loader does must read the file all the same
//! ([`Module::parse_as_kernel`](super::Module::parse_as_kernel)). Which field is which is decided where
//! it is checked. Source: `elf_validity_*` and `apply_relocations` in `kernel/module/main.c`.

use super::ElfError;

/// The most irregularities that are remembered: a file may have one for each symbol.
const MOST: usize = 16;

/// What is done with what the kernel would not notice.
#[derive(Debug)]
pub(super) struct Tolerance {
    tolerant: bool,
    met: Vec<ElfError>,
}

impl Tolerance {
    /// Refuses every fault.
    pub(super) fn none() -> Self {
        Self { tolerant: false, met: Vec::new() }
    }

    /// Remembers what the kernel does not look at, and goes on.
    pub(super) fn of_kernel() -> Self {
        Self { tolerant: true, met: Vec::new() }
    }

    /// A fault that the kernel does not notice.
    pub(super) fn unnoticed(&mut self, fault: ElfError) -> Result<(), ElfError> {
        if !self.tolerant {
            return Err(fault);
        }
        if self.met.len() < MOST {
            self.met.push(fault);
        }
        Ok(())
    }

    /// What was met.
    pub(super) fn met(self) -> Vec<ElfError> {
        self.met
    }
}
