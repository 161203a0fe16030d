//! What a relocation waits for, where its author does not say.
//!
//! The kernel writes the klp relocations of an object when that object is there, and only for objects
//! that the patch has a `klp_object` of. So a module's symbol waits for the object whose code uses
//! it, whoever owns the symbol; the owner counts only where it is patched, too. Source:
//! `kernel/livepatch/core.c:klp_init_object_loaded`, `klp_apply_section_relocs`.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use klp_arch::Machine;

use super::Tables;
use super::patched_objects::PatchedObjects;
use super::users::Users;
use crate::elf::{Location, Module};
use crate::name::ObjectName;

/// Why nobody but the author can say what a relocation waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Undecided {
    /// Code that replaces functions of vmlinux uses a symbol of a module, for which nothing waits.
    InVmlinux,
    /// Code of these objects uses it, and the symbol's owner need not be there before all of them.
    Several(Vec<ObjectName>),
}

/// Decides for the relocations of one module.
#[derive(Debug)]
pub(crate) struct Gates<'m, 'data> {
    module: &'m Module<'data>,
    backend: &'static Machine,
    tables: &'m Tables<'data>,
    patched: &'m PatchedObjects,
    /// Made where several objects are patched and the first relocation asks.
    users: OnceCell<Users>,
}

impl<'m, 'data> Gates<'m, 'data> {
    pub(crate) fn new(
        module: &'m Module<'data>,
        backend: &'static Machine,
        tables: &'m Tables<'data>,
        patched: &'m PatchedObjects,
    ) -> Self {
        Self { module, backend, tables, patched, users: OnceCell::new() }
    }

    /// The object that a relocation here against a symbol of `owner` waits for. `depends`: whether an
    /// object is loaded after another one only.
    pub(crate) fn decide(
        &self,
        owner: &ObjectName,
        place: Location,
        depends: &dyn Fn(&ObjectName, &ObjectName) -> Option<bool>,
    ) -> Result<ObjectName, Undecided> {
        let patched = &self.patched.objects;
        if owner.is_vmlinux() || patched.is_empty() {
            return Ok(owner.clone());
        }
        let users = self.users(place);
        let mut others = users.iter().filter(|user| *user != owner);
        let (first, second) = (others.next(), others.next());
        match first {
            None => Ok(owner.clone()),
            Some(only) if second.is_none() && users.len() == 1 && !only.is_vmlinux() => {
                Ok(only.clone())
            }
            // What is patched of vmlinux may run at any time: the author has seen to that.
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

    /// The objects whose code comes to a place; all of them where that is not known.
    fn users(&self, place: Location) -> BTreeSet<ObjectName> {
        let objects = self.tables.objects();
        let patched = &self.patched.objects;
        if patched.len() < 2 || objects.is_empty() {
            return patched.clone();
        }
        let users = self.users.get_or_init(|| Users::of(self.module, self.backend, self.tables));
        let numbers = users.at(place);
        let found: BTreeSet<_> =
            numbers.filter_map(|number| objects.get(number)?.object()).collect();
        if found.is_empty() { patched.clone() } else { found }
    }
}
