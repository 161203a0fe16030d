//! Why a module would not load.

use klp_arch::{Fault, KernelError};

use crate::klp::Site;

/// What the loader was doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "kebab-case")]
pub enum Stage {
    /// Checking the file (`elf_validity_cache_copy`).
    Validate,
    /// Setting room aside (`module_frob_arch_sections`).
    Reserve,
    /// Setting memory aside (`layout_and_allocate`).
    Layout,
    /// Giving symbols their values (`simplify_symbols`).
    Bind,
    /// Applying relocations (`apply_relocations`).
    Apply,
    /// What follows relocation (`module_finalize`).
    Finish,
    /// Writing relocations of an object that arrives (`klp_init_object_loaded`).
    Gate,
}

/// One objection of the kernel.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{}{kernel}", .site.as_ref().map_or_else(String::new, |site| format!("{site}: ")))]
pub struct LoadError {
    /// What the loader was doing.
    pub stage: Stage,
    /// What the kernel logs and returns.
    pub kernel: KernelError,
    /// The relocation, where it is about one.
    pub site: Option<Box<Site>>,
    /// What the back end found, where it is about a place.
    pub fault: Option<Fault>,
}

impl LoadError {
    pub(super) fn new(stage: Stage, kernel: KernelError) -> Self {
        Self { stage, kernel, site: None, fault: None }
    }
}

/// Everything that the kernel objects to before it gives up.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Refused(pub Vec<LoadError>);

impl From<LoadError> for Refused {
    fn from(error: LoadError) -> Self {
        Self(vec![error])
    }
}

impl From<Vec<LoadError>> for Refused {
    fn from(errors: Vec<LoadError>) -> Self {
        Self(errors)
    }
}
