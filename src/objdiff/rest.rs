//! What nothing that was compared refers to: it must be the same, too, or the change was missed.

use std::collections::BTreeMap;

use super::atom::{Atom, AtomIndex};
use super::found::Found;
use super::object::{Object, slot};
use super::reference::Target;
use super::same::Same;
use super::shallow_hash::shallow_hash;
use super::{Change, ObjectPart, Verdict};
use crate::name::shown;

/// Parts of the old object and of the new one.
type Parts = (Vec<AtomIndex>, Vec<AtomIndex>);

/// Compares what was not compared yet, and does not belong to what has changed.
pub(super) fn rest(
    old: &Object<'_>,
    new: &Object<'_>,
    found: &Found<'_>,
    same: &mut Same<'_, '_>,
) -> Vec<Change> {
    let changed = || found.changed.iter();
    let of_old = changed().map(|(a, ..)| *a).chain(found.gone.iter().copied());
    mark(old, of_old, &mut same.seen_old);
    let of_new = changed().map(|(_, b, _)| *b).chain(found.new.iter().copied());
    mark(new, of_new, &mut same.seen_new);
    let (of_old, of_new) = (unseen(old, &same.seen_old), unseen(new, &same.seen_new));
    let mut counts: BTreeMap<(&[u8], u64), Parts> = BTreeMap::new();
    for index in &of_old {
        let known = |target| same.new_of(target).map(|_| target);
        let key = key(old, *index, &known);
        counts.entry(key).or_default().0.push(*index);
    }
    for index in &of_new {
        let known = |target| same.old_of(target);
        let key = key(new, *index, &known);
        counts.entry(key).or_default().1.push(*index);
    }
    // One change for each section.
    let mut sections: BTreeMap<&[u8], (usize, usize)> = BTreeMap::new();
    for ((section, _), (own, other)) in &counts {
        // The same number means only that they look alike.
        let differ = own
            .iter()
            .zip(other)
            .filter(|(a, b)| same.content_difference(**a, **b).is_some())
            .count();
        let (gone, new) =
            (own.len().saturating_sub(other.len()), other.len().saturating_sub(own.len()));
        if differ.saturating_add(gone).saturating_add(new) > 0 {
            let counts = sections.entry(section).or_default();
            counts.0 = counts.0.saturating_add(gone).saturating_add(differ);
            counts.1 = counts.1.saturating_add(new).saturating_add(differ);
        }
    }
    let changes = sections.into_iter().map(|(section, (gone, new))| Change {
        verdict: match (gone, new) {
            (0, _) => Verdict::New,
            (_, 0) => Verdict::Gone,
            _ => Verdict::Changed,
        },
        part: ObjectPart::Section,
        name: shown(section).into_owned(),
        renamed: None,
        aliases: Vec::new(),
        difference: None,
        users: None,
    });
    changes.collect()
}

fn key<'data>(
    object: &Object<'data>,
    index: AtomIndex,
    known: &dyn Fn(AtomIndex) -> Option<AtomIndex>,
) -> (&'data [u8], u64) {
    let section = object.atom(index).map_or(0, |atom| atom.section);
    (object.section_name(section), shallow_hash(object, index, known))
}

/// Marks what these refer to that has no identity, and what that refers to.
fn mark(object: &Object<'_>, from: impl Iterator<Item = AtomIndex>, seen: &mut [bool]) {
    let mut pending: Vec<AtomIndex> = Vec::new();
    for index in from {
        pending.push(index);
        pending.extend(object.entries_of(index).iter().map(|(_, entry)| *entry));
        pending.extend(object.atom(index).and_then(|atom| atom.prefix));
    }
    let mut done = vec![false; object.atoms.len()];
    while let Some(index) = pending.pop() {
        let Some(done) = done.get_mut(slot(index)).filter(|done| !**done) else { continue };
        *done = true;
        seen.get_mut(slot(index)).into_iter().for_each(|seen| *seen = true);
        let Some(atom) = object.atom(index) else { continue };
        for reference in object.references_of(atom) {
            let Target::Atom { atom: to, .. } = reference.to else { continue };
            if object.atom(to).is_some_and(|target| !target.kind.has_identity()) {
                pending.push(to);
            }
        }
    }
}

/// What counts by its contents, has some, and was not looked at.
fn unseen(object: &Object<'_>, seen: &[bool]) -> Vec<AtomIndex> {
    let counts = |atom: &Atom| {
        atom.kind.is_content()
            && !atom.kind.has_identity()
            && (!object.references_of(atom).is_empty()
                || object.bytes(atom).iter().any(|byte| *byte != 0))
    };
    let atoms = object.all().zip(seen);
    atoms.filter(|((_, atom), seen)| !**seen && counts(atom)).map(|((index, _), _)| index).collect()
}
