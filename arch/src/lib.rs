//! Relocations as the Linux module loader applies them: x86_64, ppc64le, s390x, arm64.
//!
//! What `apply_relocate_add` does in each of the kernel's `arch/*/kernel/module*.c`, as data where
//! possible: a [`Row`] for every relocation type that the loader knows, a [`Field`] for
//! where the bits go, and one applier in [`apply`]. A machine is a [`Machine`]: its table and other data,
//! and code only for what data cannot express. The kernel decides what is accepted; where the
//! processor supplement of the ABI disagrees, the row has a note.
//!
//! This crate knows neither files nor livepatch. It takes bytes and addresses and returns
//! bytes or a [`Fault`]; it uses a symbol's name only where the loader treats that name specially. All
//! four machines work on any host, because byte order is part of a machine's data.
//!
//! To add a machine, write one file with a `Machine` and its code, and name it in the list below.
//!
//! ```
//! use klp_arch::{Conditions, Operands, by_name};
//!
//! let x86 = by_name("x86_64").ok_or("no such machine")?;
//! let row = x86.row(2).ok_or("no row")?;
//! let operands = Operands { s: 0x1000, a: -4, p: 0x2000, ..Operands::default() };
//! let mut site = [0; 4];
//! x86.apply(row, &Conditions::default(), &operands, &mut site)?;
//! assert_eq!((row.name, i32::from_le_bytes(site)), ("R_X86_64_PC32", -0x1004));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod apply;
mod arm64;
mod boot;
mod branch;
mod call_sites;
mod config_probe;
mod fast_path;
mod fault;
mod field;
mod instructions;
mod landing;
mod link;
mod linkage;
mod loader;
mod loader_symbol;
mod machine;
mod memory;
mod notation;
pub mod object;
pub mod object_table;
mod placeholder;
mod ppc64le;
mod quick;
mod refusal;
mod relocate;
mod row;
mod row_index;
mod s390x;
pub mod sort;
pub mod special;
mod truncation;
mod uses;
mod version;
mod x86_64;

pub use apply::{Conditions, Operands, Patch};
pub use arm64::ARM64;
pub use boot::{BootImage, Magic, Payload};
pub use branch::Branch;
pub use call_sites::{CallSites, SiteForm};
pub use config_probe::ConfigProbe;
pub use fast_path::Direct;
pub use fault::{Anchor, Fault};
pub use field::{Field, Form, Part};
pub use instructions::InstructionSet;
pub use landing::LandingPad;
pub use link::{JumpSites, LinkEdit, LinkModel};
pub use linkage::{Anchors, Configuration, Linkage, NoLinkage, Relocation};
pub use loader::ModuleLoader;
pub use loader_symbol::{LoaderSymbol, NameRule};
pub use machine::Machine;
pub use memory::{Extent, Memory, Region};
pub use notation::Calculation;
pub use object::{Object, Rela};
pub use placeholder::Placeholder;
pub use ppc64le::PPC64LE;
pub use refusal::{Errno, KernelError, RelocationContext};
pub use relocate::{AppliedRelocation, FailedRelocation, Observer, Operation, RelocationTable};
pub use row::{Calc, Check, Features, Row, When};
pub use row_index::RowIndex;
pub use s390x::S390X;
pub use special::{Pointer, SpecialSection};
pub use uses::{Address, AddressUse, FunctionCode, RelocationTarget, UseKind};
pub use version::{KernelVersion, NotAVersion, VersionRange};
pub use x86_64::X86_64;

/// Every machine, in alphabetical order.
static MACHINES: [&Machine; 4] = [&ARM64, &PPC64LE, &S390X, &X86_64];

/// Every machine.
#[must_use]
pub fn machines() -> &'static [&'static Machine] {
    &MACHINES
}

/// The machine of a value of `e_machine`.
#[must_use]
pub fn for_machine(e_machine: u16) -> Option<&'static Machine> {
    machines().iter().copied().find(|machine| machine.e_machines.contains(&e_machine))
}

/// The machine of a name, as [`Machine::name`] spells it.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Machine> {
    machines().iter().copied().find(|machine| machine.name == name)
}
