//! What a livepatch replaces: the tables that it hands to the livepatch core.
//!
//! `klp_enable_patch` is given a `struct klp_patch` that points to its `struct klp_object`, each of
//! which points to its `struct klp_func`. Where they are static, relocations say all that the kernel
//! will read; where code makes them, nothing is known ([`Tables::AtRunTime`]), and that is said.
//! `registered` finds the patch, `structures` reads what it points to, `external` reads the tables of
//! objtool, of which its modules make the others. Source: `include/linux/livepatch.h`.

mod changed;
mod external;
mod gates;
mod patched_objects;
mod pointers;
mod registered;
mod replaced;
mod structures;
mod users;

pub(crate) use gates::{Gates, Undecided};
pub use patched_objects::PatchedObjects;
pub use replaced::{Replaced, Unpatchable};
pub(crate) use replaced::{names, unpatchable};

use bstr::ByteSlice;
use klp_arch::Machine;

use crate::elf::{Location, Module, SectionIndex, SymbolSection};
use crate::name::ObjectName;
use pointers::Pointers;

/// The function that takes a patch.
const ENABLE: &[u8] = b"klp_enable_patch";

/// Most functions that are read: objects may share one table, so that a small file could have many
/// millions.
const FUNCTIONS_MAX: usize = 1 << 16;

/// What a module hands to the livepatch core.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Tables<'data> {
    /// Nothing.
    #[default]
    None,
    /// A patch that code makes, or that cannot be read.
    AtRunTime,
    /// These objects, in their order.
    Static(Vec<TableObject<'data>>),
}

/// A `struct klp_object`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableObject<'data> {
    /// `name`; `None` for vmlinux. At most 512 bytes of it.
    pub name: Option<&'data [u8]>,
    /// The sections of what the kernel writes to: patch, objects and functions. None where a copy is
    /// made of them.
    pub written: Vec<SectionIndex>,
    /// Whether `funcs` is there. An object without functions has an empty table.
    pub has_funcs: bool,
    /// What it replaces, in its order.
    pub functions: Vec<TableFunction<'data>>,
    /// The functions of `callbacks`.
    pub callbacks: Vec<Location>,
}

impl TableObject<'_> {
    /// The object that this means. A name that no module can have means none, and neither does
    /// `"vmlinux"`: the kernel takes any name for a module's, and compares it as it is.
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
    /// `new_func`, where it is a function of this module.
    pub new_func: Option<Location>,
    /// Whether `new_func` is not NULL.
    pub has_new_func: bool,
    /// `old_sympos`.
    pub old_sympos: u64,
    /// Where `old_sympos` stands.
    pub sympos_at: Location,
}

impl<'data> Tables<'data> {
    /// Reads the tables of a module.
    #[must_use]
    pub fn of(module: &Module<'data>, backend: &Machine) -> Self {
        let enables = module.symbols_in(SymbolSection::Undefined).find(|s| s.name == ENABLE);
        let external = external::is_there(module);
        if enables.is_none() && !external {
            return Self::None;
        }
        let pointers = Pointers::of(module, backend);
        let objects = if external {
            external::read(&pointers)
        } else {
            enables.and_then(|enables| {
                let patch = registered::patch(&pointers, backend, enables.index)?;
                let (objects, tables) = structures::objects(&pointers, patch)?;
                let changed = changed::are_changed(&pointers, backend, &tables);
                (!changed).then_some(objects)
            })
        };
        objects.filter(|objects| !objects.is_empty()).map_or(Self::AtRunTime, Self::Static)
    }

    /// The objects; none where they are not known.
    #[must_use]
    pub fn objects(&self) -> &[TableObject<'data>] {
        match self {
            Self::Static(objects) => objects,
            Self::None | Self::AtRunTime => &[],
        }
    }
}
