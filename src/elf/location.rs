//! Locations in a module.

use super::SectionIndex;

/// A byte in a section of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The section.
    pub section: SectionIndex,
    /// Offset in it, in bytes.
    pub offset: u64,
}

impl Location {
    /// The location this many bytes further on.
    #[must_use]
    pub fn plus(self, bytes: u64) -> Self {
        Self { offset: self.offset.saturating_add(bytes), ..self }
    }
}
