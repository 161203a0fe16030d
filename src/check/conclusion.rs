//! What comes of a module.

use crate::finding::Refusal;
use crate::name::OBJECT_NAME_MAX;
use crate::patch::Unpatchable;
use crate::rules::{Consequence, PassedOver, Reason, Violation};

/// What comes of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, strum::Display)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Conclusion {
    /// The kernel loads it, and it is what it should be.
    Loads,
    /// The kernel would load it, but something is missing, cut off or damaged then.
    LoadsWrong,
    /// The kernel would refuse it, or an object that it patches.
    Refused,
}

impl Conclusion {
    /// What a refusal makes of the module.
    pub(super) fn of(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Rule(Violation { consequence: Consequence::Refused, .. }) => Self::Refused,
            Refusal::PassedOver(PassedOver { reason: Reason::NoAddends, .. }) => Self::Refused,
            // What is longer than a module's name is refused, any other name waits for ever.
            Refusal::NoSuchObject { name } if name.len() <= OBJECT_NAME_MAX => Self::LoadsWrong,
            // Of unfinished symbols that are not weak a simulated load has the kernel's refusal.
            Refusal::Rule(_)
            | Refusal::GateNotPatched { .. }
            | Refusal::TablesUnwritable { .. }
            | Refusal::Unpatchable { why: Unpatchable::InitReplacement, .. }
            | Refusal::Unfinished(_)
            | Refusal::PassedOver(_) => Self::LoadsWrong,
            _ => Self::Refused,
        }
    }
}
