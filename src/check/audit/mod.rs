//! What is allowed but probably a mistake: one file for each check that no other tool makes.
//!
//! Invariant: with complete sources no module that a distribution ships gets a warning; what is not
//! certain is not reported.

mod exports;
mod imports;
mod landing;
mod pointers;
mod unknown_exports;

pub(super) use unknown_exports::audit as unknown_exports;

use klp_arch::Machine;

use crate::elf::Module;
use crate::findings::{Finding, Warning};
use crate::symbols::Answer;

/// All warnings about a module.
pub(super) fn audit(
    module: &Module<'_>,
    machine: &'static Machine,
    answer: Option<&Answer>,
) -> Vec<Finding> {
    let mut warnings = imports::audit(module, answer);
    warnings.extend(exports::audit(module, answer));
    warnings.extend(landing::audit(module, machine));
    warnings.extend(pointers::audit(module, machine, answer));
    warnings.extend(
        module.irregularities().iter().cloned().map(|error| Warning::Irregular(error).into()),
    );
    warnings
}

/// How many names are listed.
const MOST: usize = 3;

/// The first few names and the number of the others; `None` if there are no names.
fn first_few(names: &[&str]) -> Option<String> {
    let mut listed: Vec<_> = names.iter().take(MOST).map(|name| format!("'{name}'")).collect();
    if let Some(more) = names.len().checked_sub(MOST).filter(|more| *more != 0) {
        listed.push(format!("{more} more"));
    }
    (!listed.is_empty()).then(|| listed.join(", "))
}
