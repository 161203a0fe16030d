//! What is allowed, but probably not meant: one file for each thing that nobody else looks at.
//!
//! Invariant: no module that a distribution ships is warned of; what cannot be told for certain is
//! not told.

mod exports;
mod imports;
mod landing;

use klp_arch::Backend;

use crate::elf::Module;
use crate::klp::Warning;
use crate::symbols::Answer;

/// Everything that is worth a warning.
pub(super) fn audit(
    module: &Module<'_>,
    backend: &'static dyn Backend,
    answer: Option<&Answer>,
) -> Vec<Warning> {
    let mut warnings = imports::audit(module, answer);
    warnings.extend(exports::audit(module, answer));
    warnings.extend(landing::audit(module, backend));
    warnings.extend(module.irregularities().iter().cloned().map(Warning::Irregular));
    warnings
}
