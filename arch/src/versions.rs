//! Which versions of distribution kernels have a feature, as data.

use crate::row::Features;

/// Features that distribution kernels have in a range of versions (major, minor).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeatureRange {
    /// What they have.
    pub features: Features,
    /// The first version that has it.
    pub from: (u32, u32),
    /// The first version that no longer has it; `None`: all have it.
    pub until: Option<(u32, u32)>,
}

impl FeatureRange {
    /// All versions.
    #[must_use]
    pub const fn always(features: Features) -> Self {
        Self { features, from: (0, 0), until: None }
    }

    /// This version and later ones.
    #[must_use]
    pub const fn from(self, from: (u32, u32)) -> Self {
        Self { from, ..self }
    }

    /// Versions before this one only.
    #[must_use]
    pub const fn until(self, until: (u32, u32)) -> Self {
        Self { until: Some(until), ..self }
    }

    /// Whether a version has it.
    #[must_use]
    pub fn holds(&self, version: (u32, u32)) -> bool {
        version >= self.from && self.until.is_none_or(|until| version < until)
    }
}
