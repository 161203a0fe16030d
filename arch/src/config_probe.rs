//! How the configuration of a kernel shows in its symbols.

use crate::row::Features;

/// A symbol of vmlinux that is there exactly where a kernel has these features.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfigProbe {
    /// Name of the symbol.
    pub symbol: &'static str,
    /// What the kernel has then.
    pub features: Features,
}
