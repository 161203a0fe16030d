//! The kernel's module loader, without the kernel: what will be in memory, at given addresses.
//!
//! [`Loader::load`] does to a module what `load_module` does: [`temporary`](object) copy, reserve
//! (the back end), [`layout`], move, [`bind`], [`apply`]. The result is a [`Loaded`] module: regions
//! of memory byte for byte, to which gates then come and go ([`gate`]). Nothing here knows a machine.
//! Source: `kernel/module/main.c:load_module`, `kernel/livepatch/core.c`.

mod apply;
mod bind;
mod error;
mod gate;
mod ignored;
mod importer;
mod kernel;
mod known;
mod layout;
mod loaded;
mod loader;
mod object;
mod patched;
mod placement;
mod resolve;
mod scan;
mod symtab;
mod unknowable;
mod validate;

pub use bind::{Bind, ExportedSymbol, Lookup};
pub use error::{LoadError, Refused, Stage};
pub use gate::Livepatching;
pub use importer::Imports;
pub use kernel::{Kernel, Layouts};
pub use known::{Known, ObjectState};
pub use layout::{Layout, MEMORY_MAX, RegionKind};
pub use loaded::{Loaded, Relocated};
pub use loader::Loader;
pub use patched::Patched;
pub use placement::{Part, Placement};
