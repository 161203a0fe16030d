//! Which objects a livepatch patches: the gates that the kernel will ever open for it.
//!
//! `klp_init_object_loaded` writes the relocations of an object that has a `klp_object` in the
//! patch, and of no other. The module's tables say which ([`Tables`]); where code makes them, the
//! author can, with `--object`.

use std::collections::BTreeSet;

use super::{TableObject, Tables};
use crate::name::ObjectName;

/// The objects that a livepatch patches.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct PatchedObjects {
    /// Their names. Empty: not known, so gates are not held against it.
    pub objects: BTreeSet<ObjectName>,
}

impl PatchedObjects {
    /// What a module's tables say; where they cannot be read, what its author says.
    #[must_use]
    pub fn by(tables: &Tables<'_>, said: &Self) -> Self {
        match tables {
            Tables::Static(objects) => {
                Self { objects: objects.iter().filter_map(TableObject::object).collect() }
            }
            Tables::None | Tables::AtRunTime => said.clone(),
        }
    }

    /// Whether the kernel would write what waits for this object, as far as that is known.
    #[must_use]
    pub fn opens(&self, gate: &ObjectName) -> bool {
        gate.is_vmlinux() || self.objects.is_empty() || self.objects.contains(gate)
    }
}
