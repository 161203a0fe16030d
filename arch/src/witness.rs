//! What tells one kernel of a machine from another.

use crate::row::Features;

/// A symbol of vmlinux that is there exactly where a kernel has these features.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Witness {
    /// Name of the symbol.
    pub symbol: &'static str,
    /// What its presence says.
    pub features: Features,
}
