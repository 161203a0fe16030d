//! The gate of a relocation whose author gives none.
//!
//! The kernel writes the klp relocations of an object when that object is loaded, and only if the
//! patch has a `klp_object` for it. So a relocation waits for the object whose code uses the
//! symbol, not for the symbol's owner, unless that is patched, too. Source:
//! `kernel/livepatch/core.c:klp_init_object_loaded`, `klp_apply_section_relocs`.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use klp_arch::Machine;

use super::Tables;
use super::patched_objects::PatchedObjects;
use super::users::Users;
use crate::elf::{Location, Module};
use crate::name::ObjectName;

/// Why only the author can give a relocation's gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Undecided {
    /// Code that replaces functions of vmlinux uses a symbol of a module, but does not wait for it.
    InVmlinux,
    /// Code of these objects uses it, and the symbol's owner need not be loaded before all of them.
    Several(Vec<ObjectName>),
}

/// Finds the gates of one module's relocations.
#[derive(Debug)]
pub(crate) struct Gates<'m, 'data> {
    module: &'m Module<'data>,
    machine: &'static Machine,
    tables: &'m Tables<'data>,
    patched: &'m PatchedObjects,
    /// Built at the first relocation that needs it, if several objects are patched.
    users: OnceCell<Users>,
}

impl<'m, 'data> Gates<'m, 'data> {
    pub(crate) fn new(
        module: &'m Module<'data>,
        machine: &'static Machine,
        tables: &'m Tables<'data>,
        patched: &'m PatchedObjects,
    ) -> Self {
        Self { module, machine, tables, patched, users: OnceCell::new() }
    }

    /// The gate of a relocation here against a symbol of `owner`. `depends`: whether an object
    /// depends on another.
    pub(crate) fn decide(
        &self,
        owner: &ObjectName,
        location: Location,
        depends: &dyn Fn(&ObjectName, &ObjectName) -> Option<bool>,
    ) -> Result<ObjectName, Undecided> {
        let patched = &self.patched.objects;
        if owner.is_vmlinux() || patched.is_empty() {
            return Ok(owner.clone());
        }
        let users = self.users(location);
        let mut others = users.iter().filter(|user| *user != owner);
        let (first, second) = (others.next(), others.next());
        match first {
            None => Ok(owner.clone()),
            Some(only) if second.is_none() && users.len() == 1 && !only.is_vmlinux() => {
                Ok(only.clone())
            }
            // Patched vmlinux code may run at any time: that is up to the author.
            Some(only) if second.is_none() && only.is_vmlinux() && patched.contains(owner) => {
                Ok(owner.clone())
            }
            Some(only) if users.len() == 1 && only.is_vmlinux() => Err(Undecided::InVmlinux),
            Some(_) => {
                let after =
                    |user: &&ObjectName| *user == owner || depends(user, owner) == Some(true);
                if patched.contains(owner) && users.iter().all(|user| after(&user)) {
                    Ok(owner.clone())
                } else {
                    Err(Undecided::Several(users.into_iter().collect()))
                }
            }
        }
    }

    /// The objects whose code uses a location; all of them if that is not known.
    fn users(&self, location: Location) -> BTreeSet<ObjectName> {
        let objects = self.tables.objects();
        let patched = &self.patched.objects;
        if patched.len() < 2 || objects.is_empty() {
            return patched.clone();
        }
        let users = self.users.get_or_init(|| Users::of(self.module, self.machine, self.tables));
        let numbers = users.at(location);
        let found: BTreeSet<_> =
            numbers.filter_map(|number| objects.get(number)?.object()).collect();
        if found.is_empty() { patched.clone() } else { found }
    }
}
