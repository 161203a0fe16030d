//! What the kernel's loader objects to, or should: where a simulated load stops, and what it sees.

use std::fmt;

use klp_arch::Fault;

use super::rule::Rule;
use crate::elf::SectionIndex;
use crate::patch::Replaced;

/// What the loader was doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::Display)]
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
    /// Taking a patch over (`klp_init_patch`).
    Enable,
    /// Writing relocations of an object that arrives (`klp_init_object_loaded`), or taking them back
    /// (`klp_cleanup_module_patches_limited`).
    Gate,
    /// Checking the signature (`module_sig_check`).
    Signature,
    /// Making it known to others (`complete_formation`).
    #[strum(serialize = "formation")]
    Form,
    /// Showing it in sysfs (`mod_sysfs_setup`).
    Sysfs,
}

/// Something that a simulated load has met.
#[derive(Debug, Clone, PartialEq)]
pub struct Objection {
    /// What the loader was doing.
    pub stage: Stage,
    /// What happens, where the kernel does not say so.
    pub explanation: Option<String>,
    /// What the back end found, where it is about a place.
    pub fault: Option<Fault>,
    /// The rule that is broken, where [`rules`](crate::rules) has it, too.
    pub rule: Option<Rule>,
    /// What else is known of it.
    pub about: Option<About>,
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.explanation, &self.fault) {
            (Some(why), _) => f.write_str(why),
            (None, Some(fault)) => write!(f, "{fault}"),
            (None, None) => write!(f, "refused in step '{}'", self.stage),
        }
    }
}

/// What else is known of an objection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum About {
    /// What shows that the kernel is so, where that is not the module alone: a line each.
    Proof(Vec<String>),
    /// The function that is replaced.
    Replaced(Replaced),
    /// The relocation table.
    Table(SectionIndex),
    /// The namespace that is not imported.
    Import(MissingImport),
}

/// How a namespace of `EXPORT_SYMBOL_FOR_MODULES` starts.
pub(crate) const MODULES: &[u8] = b"module:";

/// A namespace that a module uses and does not import. Its text is what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MissingImport {
    /// The namespace.
    pub namespace: String,
    /// Whether `MODULE_IMPORT_NS` takes it as a string.
    pub quoted: bool,
}

impl fmt::Display for MissingImport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { namespace, quoted } = self;
        if namespace.as_bytes().starts_with(MODULES) {
            return f.write_str("it is for the modules named there only: use it by a klp symbol");
        }
        let quote = if *quoted { "\"" } else { "" };
        write!(f, "add to the module's source: MODULE_IMPORT_NS({quote}{namespace}{quote});")
    }
}
