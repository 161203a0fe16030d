//! Names that a machine's module loader treats specially.

/// How a machine's loader treats a symbol name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameRule {
    /// The loader defines the symbol itself: it needs no export.
    Defined,
    /// The loader knows the symbol by name and treats calls to it specially: the name must stay,
    /// and the symbol must be exported.
    KnownByName,
    /// The loader lets the symbol stay undefined (its value is zero then), without an export.
    Ignored,
}

/// A name that must remain an ordinary undefined symbol, never become a klp symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoaderSymbol {
    /// The name.
    pub name: &'static str,
    /// How the loader treats it.
    pub rule: NameRule,
    /// The kernel function that does so, as `file:function`.
    pub source: &'static str,
}

impl LoaderSymbol {
    /// Whether the module loads although nothing exports the symbol.
    #[must_use]
    pub fn needs_no_export(&self) -> bool {
        matches!(self.rule, NameRule::Defined | NameRule::Ignored)
    }
}
