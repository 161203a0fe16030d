//! Who exports a name.
//!
//! A kernel has forty thousand exported names, and nearly all have one owner: a map for each name would take 34 MB.
//! Invariant: each owner is there once, in the order of their names.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, hash_map};

use crate::name::ObjectName;
use crate::symbols::Export;

/// The exports of one name, by their owners.
#[derive(Debug, Clone)]
pub(crate) enum Exporters {
    One(Export),
    Several(BTreeMap<ObjectName, Export>),
}

impl Exporters {
    /// The export of an object.
    pub(crate) fn get(&self, owner: &ObjectName) -> Option<&Export> {
        match self {
            Self::One(export) => Some(export).filter(|export| export.owner == *owner),
            Self::Several(exports) => exports.get(owner),
        }
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Export> {
        let (one, several) = match self {
            Self::One(export) => (Some(export), None),
            Self::Several(exports) => (None, Some(exports)),
        };
        one.into_iter().chain(several.into_iter().flat_map(BTreeMap::values))
    }

    /// Adds an export to those of all names; two descriptions of the same one, which must agree, are joined.
    pub(crate) fn put(all: &mut HashMap<String, Self>, name: String, export: Export) {
        match all.entry(name) {
            hash_map::Entry::Vacant(entry) => {
                entry.insert(Self::One(export));
            }
            hash_map::Entry::Occupied(mut entry) => entry.get_mut().add(export),
        }
    }

    fn add(&mut self, export: Export) {
        match self {
            Self::One(known) if known.owner == export.owner => known.join(export),
            Self::One(known) => {
                let both = [known.clone(), export].map(|export| (export.owner.clone(), export));
                *self = Self::Several(both.into());
            }
            Self::Several(exports) => match exports.entry(export.owner.clone()) {
                Entry::Vacant(entry) => {
                    entry.insert(export);
                }
                Entry::Occupied(mut entry) => entry.get_mut().join(export),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_owner_of_a_name_is_kept_once_with_all_that_is_known() {
        let export = |owner: &str| Export::by(owner.parse().unwrap());
        let mut all = HashMap::new();
        let mut put = |export| Exporters::put(&mut all, "f".into(), export);
        put(export("vmlinux"));
        put(Export { gpl: Some(true), ..export("vmlinux") });
        put(export("b"));
        put(export("a"));
        put(Export { crc: Some(7), ..export("b") });
        let expected = [
            export("a"),
            Export { crc: Some(7), ..export("b") },
            Export { gpl: Some(true), ..export("vmlinux") },
        ];
        let exporters = &all["f"];
        assert_eq!(exporters.iter().cloned().collect::<Vec<_>>(), expected);
        assert_eq!(exporters.get(&expected[2].owner), Some(&expected[2]));
        assert_eq!(exporters.get(&"c".parse().unwrap()), None);
    }
}
