//! Symbols that reveal a kernel's configuration.

use crate::row::Features;

/// A symbol that vmlinux has if and only if the kernel has these features.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfigProbe {
    /// Name of the symbol.
    pub symbol: &'static str,
    /// The features that it implies.
    pub features: Features,
}
