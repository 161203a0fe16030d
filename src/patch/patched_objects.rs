//! The objects that a livepatch patches: the only gates that can arrive for it.
//!
//! `klp_init_object_loaded` writes the relocations only of objects with a `klp_object` in the
//! patch. The module's tables name them ([`Tables`]); if code makes the tables, the author can,
//! with `--object`.

use std::collections::BTreeSet;

use super::{TableObject, Tables};
use crate::name::ObjectName;

/// The objects that a livepatch patches.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct PatchedObjects {
    /// Their names. Empty: not known, so gates are not checked.
    pub objects: BTreeSet<ObjectName>,
}

impl PatchedObjects {
    /// From a module's tables or, if they cannot be read, from its author.
    #[must_use]
    pub fn by(tables: &Tables<'_>, said: &Self) -> Self {
        match tables {
            Tables::Static(objects) => {
                let mut objects: BTreeSet<_> =
                    objects.iter().filter_map(TableObject::object).collect();
                if objects.is_empty() {
                    objects.insert(ObjectName::vmlinux());
                }
                Self { objects }
            }
            Tables::None | Tables::AtRunTime | Tables::Faulty(_) | Tables::Incomplete(_) => {
                said.clone()
            }
        }
    }

    /// Whether the kernel would write relocations that wait for this object, or that is not known.
    #[must_use]
    pub fn opens(&self, gate: &ObjectName) -> bool {
        gate.is_vmlinux() || self.objects.is_empty() || self.objects.contains(gate)
    }
}
