//! A kernel module as a read-only view, and the rewriter that emits it again.
//!
//! [`Module`] is what every command starts with: 64-bit ELF of either byte order, validated once,
//! never copied. [`rewrite()`] takes a module and [`Edits`] and returns new bytes in which
//! everything that was not edited is unchanged. Nothing here knows a machine; relocation types are
//! just numbers. Invariants: without edits the result is the input's own bytes; any input gives a
//! result or an error.

mod bytes;
mod edits;
mod emit;
mod error;
mod flags;
mod header;
mod index;
mod irregular;
mod location;
mod modinfo;
mod module;
mod names;
mod numbered;
mod rela;
mod renumber;
mod rewrite;
mod section;
mod signature;
mod strings;
mod symbol;
mod tables;
mod validate;

pub use object::elf::{SHT_NOBITS, SHT_RELA};

pub use edits::{Edits, NewBody, NewSection, NewSymbol};
pub use error::ElfError;
pub use flags::SectionFlags;
pub use index::{SectionIndex, SymbolIndex};
pub use location::Location;
pub use module::Module;
pub use numbered::{SectionRef, StringTableFault, SymbolRef};
pub use rela::{Rela, Relocations};
pub use rewrite::rewrite;
pub use section::Section;
pub use signature::{SIGNATURE_INFO_LEN, SIGNATURE_MARKER, SIGNATURE_PKCS7};
pub(crate) use symbol::is_mapping_symbol;
pub use symbol::{SHN_LIVEPATCH, Symbol, SymbolSection};
