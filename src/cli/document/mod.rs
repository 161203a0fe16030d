//! What `--format json` prints of the library's values, with the keys and words that programs read.
//!
//! A document of one command alone is beside that command. Nothing of the library says how it is printed as JSON, so
//! that what is renamed there does not change what programs read.

mod diagnostic;
mod inspection;
mod kernel;
mod name;
mod plan;
mod symbol;

pub(super) use diagnostic::diagnostics;
pub(super) use inspection::Inspection;
pub(super) use kernel::{kernel, siblings};
pub(super) use plan::Plan;
pub(super) use symbol::{Candidate, Export};

#[cfg(test)]
mod tests;
