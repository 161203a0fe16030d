//! What a livepatch replaces: the tables that it passes to the livepatch core.
//!
//! `klp_enable_patch` takes a `struct klp_patch` that points to its `struct klp_object`s, each of
//! which points to its `struct klp_func`s. If they are static, relocations describe all that the
//! kernel will read; if code makes them, nothing is known ([`Tables::AtRunTime`]), and a warning
//! says so. `registered` finds the patch, `structures` reads what it points to, `external` reads
//! objtool's tables and `kpatch` kpatch's, from which their modules make the others. Source: `include/linux/livepatch.h`.

mod changed;
mod extent;
mod external;
mod gates;
mod kpatch;
mod patched_objects;
mod pointers;
mod registered;
mod replaced;
mod structures;
mod users;
mod uses;

pub(crate) use gates::{Gates, Undecided};
pub use patched_objects::PatchedObjects;
pub use replaced::{Replaced, Unpatchable};
pub(crate) use replaced::{names, unpatchable};

use bstr::ByteSlice;
use klp_arch::Machine;

use crate::elf::{Location, Module, SectionIndex, SymbolSection};
use crate::name::ObjectName;
use extent::Extent;
use pointers::Pointers;
use structures::{MOD, OBJS, Unread};

/// The function that takes a patch.
const ENABLE: &[u8] = b"klp_enable_patch";

/// Most functions that are read: objects may share one table, so a small file could have many
/// millions.
const FUNCTIONS_MAX: usize = 1 << 16;

/// What a module passes to the livepatch core.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Tables<'data> {
    /// No patch.
    #[default]
    None,
    /// A patch made by code, or one that cannot be read.
    AtRunTime,
    /// A patch that the kernel cannot use, and takes other memory for it: why.
    Faulty(&'static str),
    /// A patch that the kernel refuses: what is missing.
    Incomplete(&'static str),
    /// These objects, in their order.
    Static(Vec<TableObject<'data>>),
}

/// A `struct klp_object`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableObject<'data> {
    /// `name`; `None` for vmlinux. At most 512 bytes of it.
    pub name: Option<&'data [u8]>,
    /// The sections that the kernel writes to: of patch, objects and functions. None if the module
    /// copies them.
    pub written: Vec<SectionIndex>,
    /// Whether `funcs` is set. An object without functions has an empty table.
    pub has_funcs: bool,
    /// The functions that it replaces, in its order.
    pub functions: Vec<TableFunction<'data>>,
    /// Its `callbacks`.
    pub callbacks: Callbacks,
}

/// The functions of a `struct klp_callbacks`, in its order (`pre_patch`, `post_patch`, `pre_unpatch`, `post_unpatch`),
/// as far as they are in this module.
pub type Callbacks = [Option<Location>; 4];

impl TableObject<'_> {
    /// The object of this name. A name that no module can have gives none, and neither does
    /// `"vmlinux"`: the kernel takes any name to be a module's, and compares it verbatim.
    #[must_use]
    pub fn object(&self) -> Option<ObjectName> {
        let Some(name) = self.name else { return Some(ObjectName::vmlinux()) };
        let name = name.to_str().ok()?;
        let object: ObjectName = name.parse().ok()?;
        (object.as_str() == name && !object.is_vmlinux()).then_some(object)
    }
}

/// A `struct klp_func`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFunction<'data> {
    /// `old_name`, at most 512 bytes of it; `None` for NULL.
    pub old_name: Option<&'data [u8]>,
    /// `new_func`, if it is a function of this module.
    pub new_func: Option<Location>,
    /// Whether `new_func` is not NULL.
    pub has_new_func: bool,
    /// `old_sympos`.
    pub old_sympos: u64,
    /// The location of `old_sympos`.
    pub sympos_at: Location,
}

impl<'data> Tables<'data> {
    /// Reads the tables of a module.
    #[must_use]
    pub fn of(module: &Module<'data>, machine: &Machine) -> Self {
        let enables = module.symbols_in(SymbolSection::Undefined).find(|s| s.name == ENABLE);
        let (external, of_kpatch) = (external::is_present(module), kpatch::is_present(module));
        if enables.is_none() && !external && !of_kpatch {
            return Self::None;
        }
        let pointers = Pointers::of(module, machine);
        if external {
            let objects = external::read(&pointers).filter(|objects| !objects.is_empty());
            return objects.map_or(Self::AtRunTime, Self::Static);
        }
        if of_kpatch {
            return kpatch::read(&pointers);
        }
        let Some(enable) = enables else { return Self::AtRunTime };
        let patch = match registered::patch(&pointers, machine, enable.index) {
            Ok(patch) => patch,
            Err(Unread::Astray) => {
                return Self::Faulty("its code passes another address than that of its klp_patch");
            }
            Err(_) => return Self::AtRunTime,
        };
        if !pointers.is_anywhere(patch) {
            return Self::Faulty("its klp_patch is a variable of each processor");
        }
        if registered::is_of_another(&pointers, patch) {
            return Self::Faulty("`mod` of its klp_patch is not THIS_MODULE");
        }
        let fills_in = |field| {
            let patch = [Extent::of_patch(&pointers, patch, field)];
            changed::are_changed(&pointers, machine, &patch)
        };
        if pointers.at(patch.plus(MOD)).is_none() && !fills_in(MOD) {
            return Self::Incomplete("`mod` of its klp_patch is NULL");
        }
        match structures::objects(&pointers, patch) {
            Ok((_, tables)) if changed::are_changed(&pointers, machine, &tables) => Self::AtRunTime,
            Ok((objects, _)) => Self::Static(objects),
            Err(Unread::Astray) => Self::Faulty("a pointer of its klp_patch leads to nothing"),
            Err(Unread::Occupied) => {
                Self::Faulty("its klp_patch has values in fields that the kernel takes to be empty")
            }
            Err(Unread::Overwritten) => {
                Self::Faulty("relocations change a name or a position of its klp_patch")
            }
            Err(Unread::Contested) => {
                Self::Faulty("two relocations write one pointer of its klp_patch")
            }
            Err(Unread::Late) => {
                Self::Faulty("relocations of a klp section write to a table of its klp_patch")
            }
            Err(Unread::FilledIn) => Self::Faulty(
                "a table of its klp_patch is in its struct module, which the kernel fills in",
            ),
            Err(Unread::Overlap) => {
                Self::Faulty("tables of its klp_patch overlap, and the kernel writes to each")
            }
            Err(Unread::NoObjects) if !fills_in(OBJS) => {
                Self::Incomplete("`objs` of its klp_patch is NULL")
            }
            Err(Unread::NoObjects | Unread::Unknown) => Self::AtRunTime,
        }
    }

    /// The objects; empty if not known.
    #[must_use]
    pub fn objects(&self) -> &[TableObject<'data>] {
        match self {
            Self::Static(objects) => objects,
            Self::None | Self::AtRunTime | Self::Faulty(_) | Self::Incomplete(_) => &[],
        }
    }
}
