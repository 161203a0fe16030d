//! The kernel's module loader, simulated: what will be in memory at given addresses.
//!
//! [`Loader::load`] does to a module what `load_module` does: temporary copy, reserve (by machine),
//! layout, move, settle (by machine), bind, apply, the copies of the symbol table, finish. The
//! result is a [`Loaded`] module: regions of memory byte for byte, to which gates then come and go
//! ([`Loaded::gate_arrives`]). Nothing here knows a machine. Source:
//! `kernel/module/main.c:load_module`, `kernel/livepatch/core.c`.
//!
//! Load a module, then an object that it patches:
//!
//! ```
//! use klp_convert::convert::convert;
//! use klp_convert::load::{RegionKind, prepare};
//! use klp_convert::options::Options;
//! use klp_convert::symbols::{ModuleFile, Sources, Symvers, Vmlinux};
//!
//! let folder = std::path::Path::new("tests/fixtures/arm64");
//! let mut sources = Sources::new();
//! sources.push(Vmlinux::new(folder.join("vmlinux.cut")));
//! sources.push(ModuleFile::new(folder.join("klp_target_a.ko")));
//! sources.push(Symvers::new(folder.join("Module.symvers")));
//! let input = std::fs::read(folder.join("lp_module_symbols.ko"))?;
//! let converted = convert(&input, &sources, &Options::default())?;
//!
//! let prepared = prepare(&converted.bytes, &sources, &Options::default())?;
//! let mut placement = prepared.usual_placement();
//! placement.bases.insert(RegionKind::Text, 0xffff_8000_7c00_0000);
//! let mut loaded = prepared.load(&placement)?;
//!
//! let (kind, address, bytes) = loaded.regions().next().ok_or("no region")?;
//! assert_eq!((kind, address), (RegionKind::Text, 0xffff_8000_7c00_0000));
//! let before = bytes.to_vec();
//! let gate = "klp_target_a".parse()?;
//! assert!(loaded.gates().contains(&gate));
//! loaded.free_init();
//! loaded.gate_arrives(&gate, &prepared.known())?;
//! assert_ne!(loaded.regions().next().ok_or("no region")?.2, before);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod apply;
mod bind;
mod call_sites;
mod code;
mod configured;
mod entry_points;
mod exports;
mod gate;
mod ignored_symbol;
mod importer;
mod indeterminate;
mod kernel;
mod late_edit;
mod layout;
mod load_info;
mod loaded;
mod loader;
mod misread;
mod never_applied;
mod patching;
mod per_cpu;
mod permissions;
mod placement;
mod pointers;
mod prepared;
mod proven;
mod read_only_init;
mod read_only_table;
mod refused;
mod region;
mod resolve;
mod room;
mod scan;
mod signature;
mod simulated_kernel;
mod symbolic;
mod symtab;
mod sysfs;
mod this_module;
mod uneven;
mod unnoticed;
mod validate;

pub use bind::{Bind, ExportedSymbol, Lookup};
pub(crate) use exports::names as exported;
pub use importer::Imports;
pub(crate) use importer::is_gpl;
pub use kernel::{Livepatching, MemoryModel, TargetKernel};
pub use late_edit::LateEdit;
pub use layout::{Layout, MEMORY_MAX};
pub use loaded::{Loaded, Record, Relocated, Way};
pub use loader::Loader;
pub(crate) use misread::misread;
pub use placement::{Part, Placement};
pub(crate) use prepared::wanted;
pub use prepared::{Prepared, prepare};
pub use refused::Refused;
pub use region::RegionKind;
pub use room::Room;
pub use simulated_kernel::{ObjectState, SimulatedKernel};
