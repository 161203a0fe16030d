//! Faults of sections and relocation tables, and modules that another tool left unfinished.

use std::fmt;

use klp_arch::SpecialSection;

use crate::elf::SectionIndex;

/// Why a section cannot take a klp relocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misplaced {
    /// The section is consumed before module-gated relocations are written.
    Consumed(&'static SpecialSection),
    /// The section's memory is freed after the livepatch's init function.
    Init,
    /// The section is the percpu template, which is copied earlier.
    Percpu,
    /// The section is not loaded, so the kernel silently skips the relocations.
    NotLoaded,
}

/// Why the kernel does not apply a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unapplied {
    /// It has no addends, and the kernel refuses the module.
    NoAddends,
    /// The kernel does not know this type.
    Unknown(&'static str),
    /// It is no table of relocations, but for its name.
    Type(u32),
    /// `sh_info` names no section that is loaded.
    Target(u32),
}

/// A table for a loaded section that the kernel does not apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// Its index.
    pub section: SectionIndex,
    /// Its name, lossily decoded.
    pub name: String,
    /// Why the kernel does not apply it.
    pub reason: Unapplied,
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "section {} '{}': ", self.section, self.name)?;
        match &self.reason {
            Unapplied::NoAddends => {
                f.write_str("relocations without addends (SHT_REL), which the kernel refuses")
            }
            Unapplied::Unknown(kind) => {
                write!(f, "relocations of type {kind}, which the kernel never applies")
            }
            Unapplied::Type(kind) => {
                write!(
                    f,
                    "named as relocations, but of type {kind:#x}, which the kernel never applies"
                )
            }
            Unapplied::Target(index) => {
                write!(f, "sh_info {index} names no loaded section, so the kernel never applies it")
            }
        }
    }
}

/// A module whose klp relocations are still records of the tool that made it. The kernel ignores
/// those: it binds weak symbols to 0 and never writes the relocations.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unfinished {
    /// `objtool klp post-link` has not been run, or not on all of it.
    #[error(
        "an unfinished klp-build livepatch: {count} of its symbols await post-link, '{first}' first"
    )]
    KlpBuild {
        /// Number of `.klp.sym.*` and `.klp.tombstone.*` that are undefined.
        count: usize,
        /// The name of the first.
        first: String,
    },
    /// `create-klp-module` has not been run.
    #[error(
        "an unfinished kpatch livepatch: section {index} '{section}' holds what is still to be made"
    )]
    Kpatch {
        /// Index of the first section of records.
        index: SectionIndex,
        /// Its name.
        section: String,
    },
}
