//! What is found in a module: a [`Finding`], whoever has found it, with its code and what to do.
//!
//! What is found is its [`Kind`]; where, with what consequence, and in which words of the kernel are fields
//! that all kinds share. Why there is no result at all is an [`Error`].

mod codes;
mod diagnose;
mod error;
mod finding;
mod identity;
mod loader;
mod objection;
mod occasion;
mod refusal;
mod reload;
mod remedy;
mod rule;
mod section;
mod warning;

pub(crate) use diagnose::diagnostics;
pub use error::{Error, VerifyError};
pub use finding::{Finding, Kind};
pub(crate) use identity::Identity;
pub(crate) use objection::MODULES;
pub use objection::{About, MissingImport, Objection, Stage};
pub use occasion::{Encounter, Occasion};
pub use refusal::Refusal;
pub use reload::{Aftermath, Reload};
pub use rule::{Consequence, Rule};
pub use section::{Misplaced, PassedOver, Unapplied, Unfinished};
pub use warning::{StillNamed, UntoldOfExports, Warning};
