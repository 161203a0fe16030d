//! Whether a livepatch can reach a symbol, and how.
//!
//! What the kernel's own look-up would make of a name (`klp_find_object_symbol`), for people who look
//! a name up. The policy of a conversion is in [`crate::resolve`].

use std::fmt;

use serde::Serialize;

use super::{Answer, Candidate, Kind, Order};

/// How a livepatch reaches a symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// Its name is enough: nothing else is called so.
    ByName,
    /// It is exported: an ordinary relocation binds to it.
    Exported,
    /// By its position; the name occurs several times.
    ByPosition,
    /// By its position, but only while its module is being loaded.
    WhileLoading,
    /// By its position, which no address proves.
    Unproven,
    /// It is freed after initialisation, before a livepatch runs.
    Freed,
    /// It marks a file or a section and has no address.
    Marker,
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ByName => "by name",
            Self::Exported => "as an export",
            Self::ByPosition => "by position",
            Self::WhileLoading => "by position, only while its module is being loaded",
            Self::Unproven => "by position, which is not proven",
            Self::Freed => "no: freed after initialisation",
            Self::Marker => "no: marks a file or section",
        })
    }
}

impl Answer {
    /// How a livepatch reaches a candidate.
    #[must_use]
    pub fn reach(&self, candidate: &Candidate) -> Reach {
        let name = &candidate.name;
        let exported = self.export(name).is_some_and(|export| export.owner == candidate.object);
        if candidate.kind == Some(Kind::Marker) {
            Reach::Marker
        } else if candidate.init {
            Reach::Freed
        } else if exported && candidate.homonyms == 1 {
            Reach::Exported
        } else if self.candidates(name).len() == 1 {
            Reach::ByName
        } else if candidate.homonyms > 1 && candidate.order != Order::Proven {
            Reach::Unproven
        } else if candidate.homonyms > 1 && candidate.drifts() {
            Reach::WhileLoading
        } else {
            Reach::ByPosition
        }
    }
}
