//! The kernel symbol map: what a kernel's objects define and export, from whatever source.
//!
//! Each [`SymbolSource`] is asked once about all names that a livepatch needs ([`Wanted`]) and adds
//! what it knows to one [`Answer`], which [`crate::resolve`] reads. Invariant: the candidates of a
//! name in one object stand in the order in which the kernel counts them, and where the source
//! cannot prove that order the candidate says so ([`Order::Alphabetical`]). The orders come from
//! `klp_find_object_symbol` in `kernel/livepatch/core.c` and the two walks that it calls.

mod answer;
mod compressed;
mod error;
mod exports;
#[cfg(test)]
mod fixture;
pub mod image;
mod input;
mod kallsyms;
mod lines;
mod list;
mod module;
mod near;
mod source;
mod symvers;
mod table;
mod vmlinux;
mod wanted;

pub use answer::{Answer, Binding, Candidate, Export, Kernel, Kind, Order};
pub use error::{SymbolError, SymbolErrorKind};
pub use list::TextList;
pub use module::ModuleFile;
pub use near::{Near, NearName};
pub use source::{Sources, SymbolSource};
pub use symvers::Symvers;
pub use vmlinux::Vmlinux;
pub use wanted::Wanted;
