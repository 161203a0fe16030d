//! Objections of the kernel's loader, real ones and missing ones, where a simulated load stops.

use std::fmt;

use klp_arch::Fault;

use super::rule::Rule;
use crate::elf::SectionIndex;
use crate::name::{ObjectName, Position};
use crate::patch::Replaced;
use crate::resolve::{KlpSympos, pasteable};

/// What the loader was doing, to follow "while".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::Display)]
pub enum Stage {
    /// Checking the file (`elf_validity_cache_copy`).
    #[strum(serialize = "checking the file")]
    Validate,
    /// Reserving room for slots and stubs (`module_frob_arch_sections`).
    #[strum(serialize = "reserving room for slots and stubs")]
    Reserve,
    /// Allocating memory (`layout_and_allocate`).
    #[strum(serialize = "allocating memory")]
    Layout,
    /// Giving symbols their values (`simplify_symbols`).
    #[strum(serialize = "resolving symbols")]
    Bind,
    /// Applying relocations (`apply_relocations`).
    #[strum(serialize = "applying relocations")]
    Apply,
    /// What follows relocation (`module_finalize`).
    #[strum(serialize = "finishing the module")]
    Finish,
    /// Enabling a patch (`klp_init_patch`).
    #[strum(serialize = "enabling the patch")]
    Enable,
    /// Writing relocations of an object that arrives (`klp_init_object_loaded`), or clearing them
    /// (`klp_cleanup_module_patches_limited`).
    #[strum(serialize = "writing relocations of an object")]
    Gate,
    /// Checking the signature (`module_sig_check`).
    #[strum(serialize = "checking the signature")]
    Signature,
    /// Making the module visible to the kernel (`complete_formation`).
    #[strum(serialize = "making the module visible")]
    Form,
    /// Creating its sysfs files (`mod_sysfs_setup`).
    #[strum(serialize = "creating its sysfs files")]
    Sysfs,
}

/// A fault that a simulated load ran into.
#[derive(Debug, Clone, PartialEq)]
pub struct Objection {
    /// What the loader was doing.
    pub stage: Stage,
    /// What happens, if the kernel's message does not say.
    pub explanation: Option<String>,
    /// The machine's fault, if it is about a relocation.
    pub fault: Option<Fault>,
    /// The broken rule, if [`rules`](crate::rules) has one for it.
    pub rule: Option<Rule>,
    /// What else is known about it.
    pub about: Option<About>,
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.explanation, &self.fault) {
            (Some(why), _) => f.write_str(why),
            (None, Some(fault)) => write!(f, "{fault}"),
            (None, None) => write!(f, "the kernel refuses it while {}", self.stage),
        }
    }
}

/// What else is known about an objection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum About {
    /// Evidence from other modules about the kernel, one line each.
    Proof(Vec<String>),
    /// The function that is replaced.
    Replaced(Replaced),
    /// The relocation table.
    Table(SectionIndex),
    /// The missing namespace import.
    Import(MissingImport),
    /// The export of another CRC.
    Version(OtherVersion),
    /// The module itself exports it.
    OwnExport,
}

/// An export whose CRC is not the one that a module was built with (`check_version`). Its lines are what
/// it means and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OtherVersion {
    /// The export.
    pub symbol: String,
    /// Who exports it.
    pub owner: ObjectName,
    /// Whether the module is a livepatch, which may have klp symbols.
    pub livepatch: bool,
}

impl OtherVersion {
    /// A line each.
    pub(super) fn lines(&self) -> Vec<String> {
        let Self { symbol, owner, livepatch } = self;
        let mut lines = vec![
            "a CRC stands for the types of an export: the module was built against another kernel's \
             Module.symvers, or with another configuration"
                .to_owned(),
            "rebuild it against the headers of this kernel (KDIR), Module.symvers among them".into(),
        ];
        if *livepatch && symbol != MODULE_LAYOUT && pasteable(symbol) {
            let (name, position) = (symbol.as_str(), Position::Unique);
            lines.push(
                "or, if it has the same types here, use it by a klp symbol, which has no CRC:"
                    .into(),
            );
            lines.push(format!("  {}", KlpSympos { owner, name, position }));
        }
        lines
    }
}

/// The export whose CRC stands for `struct module` (`check_modstruct_version`).
pub(crate) const MODULE_LAYOUT: &str = "module_layout";

/// Prefix of namespaces of `EXPORT_SYMBOL_FOR_MODULES`.
pub(crate) const MODULES: &[u8] = b"module:";

/// A namespace that a module uses but does not import. Displayed as advice.
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
            return f
                .write_str("it is only for the modules named there: use it through a klp symbol");
        }
        let quote = if *quoted { "\"" } else { "" };
        write!(f, "add to the module's source: MODULE_IMPORT_NS({quote}{namespace}{quote});")
    }
}
