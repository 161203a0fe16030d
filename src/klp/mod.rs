//! Livepatch: the names the kernel scans, and the conversion that writes them.

mod name;

pub use name::{
    KLP_RELA_PREFIX, KLP_SYM_PREFIX, KlpSection, KlpSymbol, NameError, OBJECT_NAME_MAX, ObjectName,
    Position, SYMBOL_NAME_MAX, SymbolName, VMLINUX,
};
