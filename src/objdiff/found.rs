//! What was found to differ.

use std::collections::{BTreeMap, BTreeSet};

use super::atom::{Atom, AtomIndex, AtomKind};
use super::correlate::Ambiguous;
use super::difference::Difference;
use super::names::{NameChange, Names};
use super::near::near;
use super::object::Object;
use super::pairs::Pairs;
use super::same::Same;
use super::users::Users;
use super::{Change, ObjectPart, Verdict};
use crate::elf::SymbolSection;
use crate::name::shown;

/// Atoms that are not the same.
#[derive(Debug)]
pub(super) struct Found<'data> {
    pub(super) changed: Vec<(AtomIndex, AtomIndex, Difference)>,
    pub(super) gone: Vec<AtomIndex>,
    pub(super) new: Vec<AtomIndex>,
    /// Names of what is in both.
    pub(super) renamed: Vec<NameChange>,
    /// Variables that the linker will make room for, and their sizes.
    pub(super) common: Vec<(String, Option<u64>, Option<u64>)>,
    pub(super) names: [Names<'data>; 2],
    /// How many functions are the same.
    pub(super) same: usize,
}

impl<'data> Found<'data> {
    pub(super) fn of(
        old: &Object<'data>,
        new: &Object<'data>,
        pairs: &Pairs,
        same: &mut Same<'_, 'data>,
    ) -> Self {
        let names = [Names::of(old), Names::of(new)];
        let [own, other] = &names;
        let renamed = own.changes(other, pairs);
        let mut found = Self {
            changed: Vec::new(),
            gone: Vec::new(),
            new: Vec::new(),
            renamed,
            common: common(old, new),
            names,
            same: 0,
        };
        let mut equal = Vec::new();
        for (index, atom) in old.all().filter(|(_, atom)| atom.kind.has_identity()) {
            let Some(counterpart) = pairs.new_of(index) else {
                found.gone.push(index);
                continue;
            };
            match same.difference(index, counterpart) {
                Some(difference) => found.changed.push((index, counterpart, difference)),
                None if atom.kind == AtomKind::Function => equal.push((index, counterpart)),
                None => {}
            }
        }
        let is_new = |(index, atom): &(AtomIndex, &Atom)| {
            atom.kind.has_identity() && pairs.old_of(*index).is_none()
        };
        found.new = new.all().filter(is_new).map(|(index, _)| index).collect();
        let near = near(old, &found.changed, &equal);
        found.same = equal.len().saturating_sub(near.len());
        found.changed.extend(near);
        found
    }

    pub(super) fn changes(
        &self,
        old: &Object<'_>,
        new: &Object<'_>,
        ambiguous: &[Ambiguous],
    ) -> Vec<Change> {
        let [names, new_names] = &self.names;
        let mut changes = Vec::new();
        let mut moved = BTreeSet::new();
        for change in &self.renamed {
            let (name, atom, object, verdict) = match change {
                NameChange::Gone(name, atom) => (name, atom, old, Verdict::Gone),
                NameChange::New(name, atom) => (name, atom, new, Verdict::New),
                NameChange::Moved(name, atom, _) => (name, atom, old, Verdict::Changed),
            };
            let difference = match change {
                NameChange::Moved(name, a, b) => {
                    moved.insert(name.as_str());
                    Some(Difference::Alias { old: old.shown(*a), new: new.shown(*b) })
                }
                _ => None,
            };
            let Some(part) = object.atom(*atom).and_then(part) else { continue };
            let (name, renamed, aliases) = (name.clone(), None, Vec::new());
            changes.push(Change { verdict, part, name, renamed, aliases, difference, users: None });
        }
        let users = Users::of(old, self.changed.iter().map(|(a, ..)| *a));
        for (a, b, difference) in &self.changed {
            let Some(part) = old.atom(*a).and_then(part) else { continue };
            let (name, now) = (old.shown(*a), new.shown(*b));
            let renamed = (name != now).then_some(now);
            let (verdict, aliases) = (Verdict::Changed, names.aliases(old, *a));
            changes.push(Change {
                verdict,
                part,
                name,
                renamed,
                aliases,
                difference: Some(difference.clone()),
                users: users.names(old, *a),
            });
        }
        let hidden = hidden(ambiguous);
        let gone = (old, &self.gone, Verdict::Gone, names, &hidden[0]);
        for (object, atoms, verdict, names, hidden) in
            [gone, (new, &self.new, Verdict::New, new_names, &hidden[1])]
        {
            for index in atoms.iter().filter(|index| !hidden.contains(*index)) {
                let Some(part) = object.atom(*index).and_then(part) else { continue };
                let (name, aliases) = (object.shown(*index), names.aliases(object, *index));
                if !moved.contains(name.as_str()) {
                    changes.push(Change {
                        verdict,
                        part,
                        name,
                        renamed: None,
                        aliases,
                        difference: None,
                        users: None,
                    });
                }
            }
        }
        changes.extend(self.common.iter().map(|(name, own, other)| Change {
            verdict: match (own, other) {
                (Some(_), Some(_)) => Verdict::Changed,
                (Some(_), None) => Verdict::Gone,
                _ => Verdict::New,
            },
            part: ObjectPart::Variable,
            name: name.clone(),
            renamed: None,
            aliases: Vec::new(),
            difference: own.zip(*other).map(|(old, new)| Difference::Size { old, new }),
            users: None,
        }));
        changes
    }
}

/// Of what cannot be told apart, those that are in both objects: as many of the old and the new one.
fn hidden(ambiguous: &[Ambiguous]) -> [BTreeSet<AtomIndex>; 2] {
    let mut hidden = [BTreeSet::new(), BTreeSet::new()];
    let [old, new] = &mut hidden;
    for group in ambiguous {
        let both = group.old.len().min(group.new.len());
        old.extend(group.old.iter().take(both));
        new.extend(group.new.iter().take(both));
    }
    hidden
}

/// Common symbols of which the size is not the same.
fn common(old: &Object<'_>, new: &Object<'_>) -> Vec<(String, Option<u64>, Option<u64>)> {
    let sizes = |object: &Object<'_>| -> BTreeMap<String, u64> {
        let symbols = object.module.symbols_in(SymbolSection::Common);
        symbols.map(|symbol| (shown(symbol.name).into_owned(), symbol.st_size)).collect()
    };
    let (own, other) = (sizes(old), sizes(new));
    let names: BTreeSet<&String> = own.keys().chain(other.keys()).collect();
    let sizes = names
        .into_iter()
        .map(|name| (name.clone(), own.get(name).copied(), other.get(name).copied()));
    sizes.filter(|(_, old, new)| old != new).collect()
}

fn part(atom: &Atom) -> Option<ObjectPart> {
    match atom.kind {
        AtomKind::Function => Some(ObjectPart::Function),
        AtomKind::Variable => Some(ObjectPart::Variable),
        AtomKind::Constant => Some(ObjectPart::Constant),
        _ => None,
    }
}
