//! The outcome for a module.

use crate::findings::{Consequence, Finding, Occasion};

/// The outcome for a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::Display)]
#[strum(serialize_all = "kebab-case")]
pub enum Conclusion {
    /// The kernel loads it, and it works as intended.
    Loads,
    /// The kernel would load it, but something would be missing, truncated or corrupted.
    LoadsWrong,
    /// The kernel would refuse it, or an object that it patches.
    Refused,
}

impl Conclusion {
    /// The outcome that a finding leads to.
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
