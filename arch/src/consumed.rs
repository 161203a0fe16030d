//! Sections that the kernel reads or rewrites while it loads a module.
//!
//! What a machine's `module_finalize` and the notifiers behind it consume is final by then: a
//! relocation that waits for another object would come too late for it.

/// A section, or a family of sections, and who consumes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsumedSection {
    /// The section's name, or the start of it.
    pub name: &'static str,
    /// Whether every section whose name starts so is meant.
    pub prefix: bool,
    /// The kernel function that consumes it.
    pub by: &'static str,
}

impl ConsumedSection {
    /// The one section of this name.
    #[must_use]
    pub const fn exact(name: &'static str, by: &'static str) -> Self {
        Self { name, prefix: false, by }
    }

    /// Every section whose name starts so.
    #[must_use]
    pub const fn prefix(name: &'static str, by: &'static str) -> Self {
        Self { name, prefix: true, by }
    }

    /// Whether a section of this name is meant.
    #[must_use]
    pub fn matches(&self, section: &[u8]) -> bool {
        let name = self.name.as_bytes();
        if self.prefix { section.starts_with(name) } else { section == name }
    }
}
