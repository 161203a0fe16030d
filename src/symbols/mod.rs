//! The kernel symbol map: what a kernel's objects define and export, from whatever source.
//!
//! Each [`SymbolSource`] is asked once, about some names or about all ([`Scope`]), and tells objects
//! with their symbols, and exports ([`Told`]). Several sources become one ([`Merged`]), of which an
//! [`Answer`] for [`crate::resolve`] is made. Invariant: the symbols of a name in one object stand in
//! the order in which the kernel counts them, and where the source cannot prove that order it says
//! so ([`Order`]). The orders come from `klp_find_object_symbol` in `kernel/livepatch/core.c` and the
//! two walks that it calls.

mod agree;
mod answer;
mod boot_image;
mod compressed;
mod diff;
mod dwarf;
mod elf_object;
mod error;
mod evidence;
mod explained;
mod export;
mod exports;
#[cfg(test)]
mod fixture;
mod homonyms;
pub mod image;
mod in_kernel;
mod init_memory;
mod input;
mod kallsyms;
mod letter;
mod lines;
mod list;
pub mod map;
mod merged;
mod module;
mod near;
mod note;
mod proc_kallsyms;
mod promoted;
mod reach;
mod rows;
mod siblings;
mod source;
mod source_files;
mod symvers;
mod system_map;
mod table;
mod told;
mod traceable;
mod tree;
mod vmlinux;
mod wanted;

pub use agree::Contradiction;
pub use answer::{Answer, Binding, Candidate, Export, Kind, Order};
pub use boot_image::BootImage;
pub use compressed::{ModuleBytes, read_module, read_module_file};
pub use diff::{Change, Changed, diff};
pub use error::{ExportContradiction, SymbolError, SymbolErrorKind};
pub use evidence::{Evidence, ModuleBtf};
pub use export::{write_kallsyms, write_list};
pub use list::TextList;
pub use map::{Map, MapError};
pub use merged::Merged;
pub use module::ModuleFile;
pub use near::{Near, NearName};
pub use proc_kallsyms::ProcKallsyms;
pub use reach::Reach;
pub use siblings::{Dissent, Fact, Siblings, Witness};
pub use source::{Note, Sources, SymbolSource};
pub use symvers::Symvers;
pub use system_map::SystemMap;
pub use told::{BuildId, Kernel, KnownObjects, Object, Scope, Span, Symbol, Told};
pub use tree::{add_kernel, add_modules};
pub use vmlinux::Vmlinux;
pub use wanted::Wanted;
