//! When, and where in memory, a simulated load has met something.

use std::fmt;

use crate::name::ObjectName;

/// When something happens to a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Occasion {
    /// While it is loaded.
    Load,
    /// While it is enabled, because the object is there already.
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

/// The first load in simulation that has met something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encounter {
    /// When.
    pub occasion: Occasion,
    /// The address of the module's instructions then; `None` where there are none yet.
    pub text: Option<u64>,
    /// Whether it is met where the kernel usually puts modules, not at an extreme placement only.
    pub usual: bool,
}

impl Encounter {
    /// Where modules usually lie, before anything of the module does.
    #[must_use]
    pub fn usual(occasion: Occasion) -> Self {
        Self { occasion, text: None, usual: true }
    }
}
