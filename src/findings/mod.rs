//! What is found in a module: a [`Finding`], with its code and what to do about it.
//!
//! What was found is its [`Kind`]; location, consequence and the kernel's message are fields that
//! all kinds share. An [`Error`] leaves no result at all.

mod codes;
mod collector;
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
mod variant;
mod warning;

pub(crate) use collector::Collector;
pub(crate) use diagnose::diagnostics;
pub use error::{Error, VerifyError};
pub use finding::{Finding, Kind};
pub use objection::{About, MissingImport, Objection, OtherVersion, Stage};
pub(crate) use objection::{MODULE_LAYOUT, MODULES};
pub use occasion::{Encounter, Occasion};
pub use refusal::Refusal;
pub use reload::{Aftermath, Reload};
pub use rule::{Consequence, Rule};
pub use section::{Misplaced, PassedOver, Unapplied, Unfinished};
pub use warning::{ExportProperty, StillNamed, Warning};
