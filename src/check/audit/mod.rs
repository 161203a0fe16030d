//! What is allowed, but probably not meant: one file for each thing that nobody else looks at.
//!
//! Invariant: no module that a distribution ships is warned of where the sources tell everything; what
//! cannot be told for certain is not told.

mod exports;
mod imports;
mod landing;
mod untold;

pub(super) use untold::audit as untold;

use klp_arch::Machine;

use crate::elf::Module;
use crate::findings::{Finding, Warning};
use crate::symbols::Answer;

/// Everything that is worth a warning.
pub(super) fn audit(
    module: &Module<'_>,
    backend: &'static Machine,
    answer: Option<&Answer>,
) -> Vec<Finding> {
    let mut warnings = imports::audit(module, answer);
    warnings.extend(exports::audit(module, answer));
    warnings.extend(landing::audit(module, backend));
    warnings.extend(
        module.irregularities().iter().cloned().map(|error| Warning::Irregular(error).into()),
    );
    warnings
}

/// How many names are told.
const MOST: usize = 3;

/// The first of some names, and how many more there are; `None`: there are none.
fn told(names: &[&str]) -> Option<String> {
    let mut told: Vec<_> = names.iter().take(MOST).map(|name| format!("'{name}'")).collect();
    if let Some(more) = names.len().checked_sub(MOST).filter(|more| *more != 0) {
        told.push(format!("{more} more"));
    }
    (!told.is_empty()).then(|| told.join(", "))
}
