//! When, and where in memory, a simulated load ran into something.

use std::fmt;

use crate::name::ObjectName;

/// When something happens to a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Occasion {
    /// While it is loaded.
    Load,
    /// While it is enabled, because the object is already loaded.
    Enable(ObjectName),
    /// When the object is loaded, after the module's init memory is gone.
    Arrival(ObjectName),
    /// When the object is unloaded.
    Departure(ObjectName),
}

impl Occasion {
    /// The object that comes or goes; `None` while the module itself is loaded.
    #[must_use]
    pub fn object(&self) -> Option<&ObjectName> {
        match self {
            Self::Load => None,
            Self::Enable(object) | Self::Arrival(object) | Self::Departure(object) => Some(object),
        }
    }
}

impl fmt::Display for Occasion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load => f.write_str("when it is loaded"),
            Self::Enable(object) => write!(f, "when it is enabled after '{object}' was loaded"),
            Self::Arrival(object) => write!(f, "when '{object}' is loaded after it"),
            Self::Departure(object) => write!(f, "when '{object}' is unloaded"),
        }
    }
}

/// The first simulated load that ran into something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encounter {
    /// The point in the module's life.
    pub occasion: Occasion,
    /// The address of the module's text in that load; `None` if not placed yet.
    pub text: Option<u64>,
    /// Whether it happens at the usual placement, not only at extreme ones.
    pub usual: bool,
}

impl Encounter {
    /// An encounter at the usual placement, before the module is placed.
    #[must_use]
    pub fn usual(occasion: Occasion) -> Self {
        Self { occasion, text: None, usual: true }
    }
}
