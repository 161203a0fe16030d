//! Names of functions and variables, of which one thing may have several.

use std::borrow::Cow;

use object::elf::{STB_LOCAL, STT_FUNC, STT_OBJECT};
use rustc_hash::FxHashMap;

use super::atom::{Atom, AtomIndex, AtomKind};
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
    /// Whether it is code.
    is_function: bool,
}

/// What a name means, and the name as it is written. `None`: several have it.
type Known<'data> = Option<(Meaning, &'data [u8])>;

type ByName<'data> = FxHashMap<Cow<'data, [u8]>, Known<'data>>;

/// The functions and variables of an object by name, and the names of each.
#[derive(Debug)]
pub(super) struct Names<'data> {
    global: ByName<'data>,
    /// Those that only this object knows, without the compiler's numbers.
    local: ByName<'data>,
    /// Sorted.
    by_atom: Vec<(AtomIndex, &'data [u8])>,
}

/// A name that only one object has, or that means something else.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
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
        let (mut global, mut local) = (ByName::default(), ByName::default());
        let mut by_atom = Vec::new();
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
                by_atom.push((atom, symbol.name));
            }
            let (names, key) = match symbol.bind {
                STB_LOCAL => (&mut local, stem(symbol.name)),
                _ => (&mut global, Cow::Borrowed(symbol.name)),
            };
            let is_function = object.atom(atom).is_some_and(|atom| atom.kind == AtomKind::Function);
            let meaning = Meaning { atom, offset, is_function };
            let name = names.entry(key).and_modify(|known| *known = None);
            name.or_insert(Some((meaning, symbol.name)));
        }
        by_atom.sort_unstable();
        by_atom.dedup();
        Self { global, local, by_atom }
    }

    /// The names of an atom but the one that it goes by.
    pub(super) fn aliases(&self, object: &Object<'_>, index: AtomIndex) -> Vec<String> {
        let own = object.atom(index).map_or(&[][..], |atom| object.name(atom));
        let first = self.by_atom.partition_point(|(atom, _)| *atom < index);
        let all = self.by_atom.iter().skip(first).take_while(|(atom, _)| *atom == index);
        all.filter(|(_, name)| *name != own).map(|(_, name)| shown(name).into_owned()).collect()
    }

    /// Names of what is in both objects that the other one does not have, or for something else.
    pub(super) fn changes(&self, new: &Self, pairs: &Pairs) -> Vec<NameChange> {
        let mut changes = Vec::new();
        for (local, key, meaning) in self.all() {
            let Some((own, name)) = meaning else { continue };
            let name = || shown(name).into_owned();
            match new.get(local, key) {
                Some(None) => {}
                Some(Some((other, _))) => {
                    let paired = pairs.new_of(own.atom) == Some(other.atom);
                    if paired || own.offset != 0 || other.offset != 0 {
                        continue;
                    }
                    let known = (pairs.new_of(own.atom), pairs.old_of(other.atom));
                    // One thing is gone, and another one new.
                    if known == (None, None) {
                        continue;
                    }
                    if own.is_function == other.is_function {
                        changes.push(NameChange::Moved(name(), own.atom, other.atom));
                        continue;
                    }
                    // A function went, and data of that name came, or the other way round.
                    if pairs.new_of(own.atom).is_some() {
                        changes.push(NameChange::Gone(name(), own.atom));
                    }
                    if pairs.old_of(other.atom).is_some() {
                        changes.push(NameChange::New(name(), other.atom));
                    }
                }
                None if own.offset == 0 && pairs.new_of(own.atom).is_some() => {
                    changes.push(NameChange::Gone(name(), own.atom));
                }
                None => {}
            }
        }
        for (local, key, meaning) in new.all() {
            let Some((other, name)) = meaning else { continue };
            let known = self.get(local, key).is_some();
            if !known && other.offset == 0 && pairs.old_of(other.atom).is_some() {
                changes.push(NameChange::New(shown(name).into_owned(), other.atom));
            }
        }
        changes.sort_unstable();
        changes
    }

    /// Whether each is local, the name to look for, and what it means.
    fn all(&self) -> impl Iterator<Item = (bool, &[u8], Known<'data>)> {
        let (global, local) = (self.global.iter(), self.local.iter());
        let global = global.map(|(key, meaning)| (false, &**key, *meaning));
        global.chain(local.map(|(key, meaning)| (true, &**key, *meaning)))
    }

    /// What a name means; that of a local one, which may have become global, or the other way round.
    fn get(&self, local: bool, key: &[u8]) -> Option<Known<'data>> {
        let (first, then) =
            if local { (&self.local, &self.global) } else { (&self.global, &self.local) };
        first.get(key).or_else(|| then.get(key)).copied()
    }
}

fn is_name(symbol: &Symbol<'_>) -> bool {
    (symbol.kind == STT_FUNC || symbol.kind == STT_OBJECT)
        && !symbol.name.is_empty()
        && !is_mapping_symbol(symbol.name)
}
