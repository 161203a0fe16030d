//! Kinds of symbols and exports, and how well their order is known.

use crate::name::ObjectName;

/// Start of the name of a symbol that marks an export: in object files before Linux 6.4, in linked
/// files always.
pub(crate) const KSYMTAB_PREFIX: &str = "__ksymtab_";
/// Its equivalent in object files of newer kernels, from which modpost generates the former.
pub(crate) const EXPORT_PREFIX: &str = "__export_symbol_";
/// Start of the name of the symbol at an export's namespace.
pub(crate) const NAMESPACE_PREFIX: &str = "__kstrtabns_";
/// Start of the name of the symbol at an export's CRC.
pub(crate) const CRC_PREFIX: &str = "__crc_";
/// The most symbols of one name in one object. Kernels have some thousands (`__key`).
pub(crate) const HOMONYMS_MAX: u32 = 1 << 16;

/// How well the order of symbols of one name is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Order {
    /// From a list sorted by name: it proves how often a name occurs, not which one is first. Such
    /// lists also include a module's undefined symbols as if it defined them.
    Alphabetical,
    /// As a running kernel shows a loaded module. While a module is being loaded, the kernel
    /// also counts the symbols of its init part.
    Loaded,
    /// In the order in which the kernel counts: positions are right.
    Proven,
}

/// ELF symbol binding (`STB_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Binding {
    /// `STB_LOCAL`.
    Local,
    /// `STB_GLOBAL`.
    Global,
    /// `STB_WEAK`.
    Weak,
    /// Any other number.
    Other,
}

/// ELF symbol type (`STT_*`), reduced to what matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `STT_FUNC`, or `STT_GNU_IFUNC`.
    Function,
    /// `STT_OBJECT`, or `STT_COMMON`.
    Object,
    /// `STT_NOTYPE`: labels of assembly and of linker scripts.
    Label,
    /// `STT_FILE` or `STT_SECTION`: counted by the kernel in modules, but has no address to use.
    Marker,
    /// Any other number.
    Other,
}

/// An exported symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// The object that exports it.
    pub owner: ObjectName,
    /// Whether to GPL modules only; `None` if the source does not record it.
    pub gpl: Option<bool>,
    /// The namespace, without quotes, empty for none; `None` if the source does not record it.
    pub namespace: Option<String>,
    /// The CRC of its type (`CONFIG_MODVERSIONS`).
    pub crc: Option<u32>,
}

impl Export {
    /// An export of which only the owner is known.
    #[must_use]
    pub fn by(owner: ObjectName) -> Self {
        Self { owner, gpl: None, namespace: None, crc: None }
    }

    /// Whether only the modules that it names may use it (`EXPORT_SYMBOL_FOR_MODULES`): the
    /// namespace starts with `module:` (`verify_module_namespace` in `kernel/module/main.c`).
    #[must_use]
    pub fn for_modules_only(&self) -> bool {
        self.namespace.as_ref().is_some_and(|ns| ns.starts_with("module:"))
    }
}
