//! Special sections that another tool has recorded for kernels before Linux 5.8: they are copied for those, and stay for
//! all others.

use klp_arch::Machine;

use super::refused;
use crate::elf::Module;
use crate::findings::Finding;
use crate::intermediate::{ArchSection, Intermediate, RecordError, RecordFault};
use crate::options::Options;
use crate::rules::arch_sections;

/// What is to be copied.
pub(super) fn plan(
    module: &Module<'_>,
    machine: &Machine,
    recorded: Option<&Intermediate>,
    options: &Options,
) -> Result<Vec<ArchSection>, Vec<Finding>> {
    let Some(recorded) = recorded.filter(|recorded| recorded.has_arch && !options.no_klp_arch)
    else {
        return Ok(Vec::new());
    };
    let copies = match arch_sections::are_for(module, options.target) {
        Some(false) => Ok(Vec::new()),
        Some(true) => recorded.arch_sections(module, machine),
        None => Err(vec![RecordError::of_arch_sections(RecordFault::KernelUnknown)]),
    };
    copies.map_err(|errors| refused(errors, options))
}
