//! The kernel symbol map: what a kernel's objects define and export, from any source.
//!
//! Each [`SymbolSource`] is read once, for some names or for all ([`Scope`]), and provides objects
//! with their symbols, and exports ([`SymbolData`]). Several sources are merged ([`Merged`]) and give an
//! [`Answer`] for [`crate::resolve`]. Invariant: the symbols of a name in one object are in
//! the order in which the kernel counts them, or are marked if the source cannot prove that order
//! ([`Order`]). The orders come from `klp_find_object_symbol` in `kernel/livepatch/core.c` and the
//! two walks that it calls.

mod codes;
mod data;
mod elf;
mod error;
mod file;
#[cfg(test)]
mod fixture;
pub mod image;
pub mod map;
mod merge;
mod query;
mod source;
mod sources;

pub use data::{
    BaseNames, Beside, Binding, BuildId, Dissent, Evidence, Export, Fact, KernelIdentity, Kind,
    KnownObjects, ModuleBtf, Neighbours, Object, Order, Scope, Siblings, Span, Suggestion,
    Suggestions, Symbol, SymbolData, Wanted, Witness,
};
pub use error::{Contradiction, ExportContradiction, SymbolError, SymbolErrorKind};
pub use file::{MODULE_MAX, ModuleBytes, read_module, read_module_file, read_module_within};
pub use map::{Map, MapError};
pub(crate) use merge::Exporters;
pub use merge::Merged;
pub use query::{
    Answer, Candidate, Candidates, Change, Changed, Reach, diff, is_generated, write_kallsyms,
    write_list,
};
pub use source::{Note, Sources, SymbolSource};
pub use sources::{
    BootImage, FileOf, ModuleFile, ProcKallsyms, Symvers, SystemMap, TextList, Vmlinux, add_kernel,
    add_modules, kernel_release,
};
