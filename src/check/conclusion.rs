//! What comes of a module.

use crate::findings::{Consequence, Finding, Occasion};

/// What comes of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::Display)]
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
    /// What a finding makes of the module.
    #[must_use]
    pub fn of(finding: &Finding) -> Self {
        match (finding.consequence, finding.occasion()) {
            _ if finding.is_rare() => Self::Loads,
            (None, _) => Self::Loads,
            // The kernel warns and goes on.
            (Some(_), Occasion::Departure(_)) => Self::LoadsWrong,
            (Some(Consequence::Refused), _) => Self::Refused,
            (Some(Consequence::Ignored | Consequence::Corrupted), _) => Self::LoadsWrong,
        }
    }
}
