//! What refers to a function.

use std::collections::{BTreeMap, BTreeSet};

use super::atom::{AtomIndex, AtomKind};
use super::object::Object;
use super::reference::Target;

/// What refers to each of some functions, by name; through tables and what has no name, too.
#[derive(Debug)]
pub(super) struct Users(BTreeMap<AtomIndex, BTreeSet<AtomIndex>>);

impl Users {
    pub(super) fn of(object: &Object<'_>, functions: impl Iterator<Item = AtomIndex>) -> Self {
        let mut users: BTreeMap<AtomIndex, BTreeSet<AtomIndex>> =
            functions.map(|function| (function, BTreeSet::new())).collect();
        if users.is_empty() {
            return Self(users);
        }
        // An entry of a table is part of its function.
        let owners: BTreeMap<AtomIndex, AtomIndex> =
            object.entries.iter().map(|(owner, entry)| (*entry, *owner)).collect();
        for (index, atom) in object.all() {
            let user = owners.get(&index).copied().unwrap_or(index);
            for reference in object.references_of(atom) {
                let Target::Atom { atom: to, .. } = reference.to else { continue };
                if let Some(users) = users.get_mut(&to).filter(|_| to != user) {
                    users.insert(user);
                }
            }
        }
        Self(users)
    }

    /// The names of what refers to a function; `None` if another object can.
    pub(super) fn names(&self, object: &Object<'_>, function: AtomIndex) -> Option<Vec<String>> {
        let atom = object.atom(function).filter(|atom| atom.kind == AtomKind::Function)?;
        let users = self.0.get(&function).filter(|_| object.is_local(atom))?;
        Some(users.iter().map(|user| object.shown(*user)).collect())
    }
}
