//! Names of functions and variables, of which one thing may have several.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use object::elf::{STB_LOCAL, STT_FUNC, STT_OBJECT};

use super::atom::{Atom, AtomIndex};
use super::object::Object;
use super::pairs::Pairs;
use super::stem::stem;
use crate::elf::{Symbol, SymbolSection, is_mapping_symbol};
use crate::name::shown;

/// What a name means.
#[derive(Debug, Clone, Copy)]
pub(super) struct Meaning {
    pub(super) atom: AtomIndex,
    /// Offset in it, in bytes.
    pub(super) offset: i64,
}

/// A name, and whether only this object knows it: then without the compiler's numbers.
type Key<'data> = (bool, Cow<'data, [u8]>);

/// The functions and variables of an object by name, and the names of each.
#[derive(Debug)]
pub(super) struct Names<'data> {
    /// `None`: several have the name.
    by_name: BTreeMap<Key<'data>, Option<(Meaning, &'data [u8])>>,
    by_atom: BTreeMap<AtomIndex, BTreeSet<&'data [u8]>>,
}

/// A name that only one object has, or that means something else.
#[derive(Debug)]
pub(super) enum NameChange {
    /// In the old object only: another name of something that is in both.
    Gone(String, AtomIndex),
    /// The same, in the new object.
    New(String, AtomIndex),
    /// It is a name of something else in the new object.
    Moved(String, AtomIndex, AtomIndex),
}

impl<'data> Names<'data> {
    pub(super) fn of(object: &Object<'data>) -> Self {
        let mut names = Self { by_name: BTreeMap::new(), by_atom: BTreeMap::new() };
        for symbol in object.module.symbols() {
            let SymbolSection::Defined(section) = symbol.section else { continue };
            let Some((atom, offset)) = object.meaning(section.slot(), symbol.st_value) else {
                continue;
            };
            if !is_name(&symbol) || !object.atom(atom).is_some_and(|atom| atom.kind.has_identity())
            {
                continue;
            }
            let size = object.atom(atom).map_or(0, Atom::size);
            if offset == 0 && symbol.st_size == size {
                names.by_atom.entry(atom).or_default().insert(symbol.name);
            }
            let local = symbol.bind == STB_LOCAL;
            let key = if local { stem(symbol.name) } else { Cow::Borrowed(symbol.name) };
            let meaning = Meaning { atom, offset };
            names
                .by_name
                .entry((local, key))
                .and_modify(|known| *known = None)
                .or_insert(Some((meaning, symbol.name)));
        }
        names
    }

    /// The names of an atom but the one that it goes by.
    pub(super) fn aliases(&self, object: &Object<'_>, index: AtomIndex) -> Vec<String> {
        let own = object.atom(index).map_or(&[][..], |atom| object.name(atom));
        let all = self.by_atom.get(&index).into_iter().flatten();
        all.filter(|name| **name != own).map(|name| shown(name).into_owned()).collect()
    }

    /// Names of what is in both objects that the other one does not have, or for something else.
    pub(super) fn changes(&self, new: &Self, pairs: &Pairs) -> Vec<NameChange> {
        let mut changes = Vec::new();
        for ((local, key), meaning) in &self.by_name {
            let Some((own, name)) = meaning else { continue };
            let name = || shown(name).into_owned();
            // It may have become local, or global.
            let there = [*local, !*local]
                .into_iter()
                .find_map(|local| new.by_name.get(&(local, key.clone())));
            match there {
                Some(None) => {}
                Some(Some((other, _))) => {
                    let paired = pairs.new_of(own.atom) == Some(other.atom);
                    if !paired && own.offset == 0 && other.offset == 0 {
                        changes.push(NameChange::Moved(name(), own.atom, other.atom));
                    }
                }
                None if own.offset == 0 && pairs.new_of(own.atom).is_some() => {
                    changes.push(NameChange::Gone(name(), own.atom));
                }
                None => {}
            }
        }
        for ((local, key), meaning) in &new.by_name {
            let Some((other, name)) = meaning else { continue };
            let known = [*local, !*local]
                .iter()
                .any(|local| self.by_name.contains_key(&(*local, key.clone())));
            if !known && other.offset == 0 && pairs.old_of(other.atom).is_some() {
                changes.push(NameChange::New(shown(name).into_owned(), other.atom));
            }
        }
        changes
    }
}

fn is_name(symbol: &Symbol<'_>) -> bool {
    (symbol.kind == STT_FUNC || symbol.kind == STT_OBJECT)
        && !symbol.name.is_empty()
        && !is_mapping_symbol(symbol.name)
}
