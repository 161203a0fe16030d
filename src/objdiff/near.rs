//! Functions that read a constant by a distance from another one, as compilers make of section anchors.

use std::collections::BTreeSet;
use std::ops::Range;

use rustc_hash::{FxHashMap, FxHashSet};

use super::atom::{Atom, AtomIndex, AtomKind};
use super::difference::Difference;
use super::object::{Object, is_referred, slot};
use super::reference::Target;
use crate::name::shown;

/// Something that has changed: in the old object, in the new one, and how.
type Changed = (AtomIndex, AtomIndex, Difference);

/// Functions that are the same, but may read a constant which has changed, and which nothing refers to by itself: they refer
/// to something that may be of the same source file. Those that run at start only are named if no other may.
pub(super) fn near(
    old: &Object<'_>,
    changed: &[Changed],
    functions: &[(AtomIndex, AtomIndex)],
) -> Vec<Changed> {
    let constants = changed.iter().map(|(index, ..)| *index);
    let constants: Vec<_> = constants.filter(|index| is_read_by_distance(old, *index)).collect();
    if constants.is_empty() {
        return Vec::new();
    }
    let beside = beside(&old.atoms);
    // Of those that have the same beside them one is enough.
    let (mut done, mut read) = (BTreeSet::new(), FxHashMap::default());
    for constant in constants {
        let Some(range) = beside.get(slot(constant)).cloned() else { continue };
        if done.insert((range.start, range.end)) {
            range.for_each(|atom| {
                read.entry(atom).or_insert(constant);
            });
        }
    }
    let may_read = functions.iter().filter_map(|(a, b)| {
        let atom = old.atom(*a)?;
        old.references_of(atom).iter().find_map(|reference| {
            let Target::Atom { atom: to, .. } = reference.to else { return None };
            let constant = *read.get(&slot(to))?;
            let difference = Difference::Near {
                at: reference.offset.saturating_sub(atom.span.start),
                section: shown(old.section_name(old.atom(to)?.section)).into_owned(),
                changed: old.shown(constant),
            };
            Some((constant, old.is_init(atom), (*a, *b, difference)))
        })
    });
    let may_read: Vec<_> = may_read.collect();
    let later = may_read.iter().filter(|(_, init, _)| !init).map(|(constant, ..)| *constant);
    let later: FxHashSet<_> = later.collect();
    let named =
        may_read.into_iter().filter(|(constant, init, _)| !init || !later.contains(constant));
    named.map(|(.., function)| function).collect()
}

fn is_read_by_distance(old: &Object<'_>, index: AtomIndex) -> bool {
    old.atom(index).is_some_and(|atom| {
        let section = old.section_name(atom.section);
        let data = section.starts_with(b".rodata") || section.starts_with(b".data.rel.ro");
        atom.kind == AtomKind::Constant && data && !is_referred(old, index)
    })
}

/// For each atom those of its section that may be of the same source file, as slots: a linker takes sections whole, so that
/// they go up to one that is known to be of another file.
fn beside(atoms: &[Atom]) -> Vec<Range<usize>> {
    let mut all = Vec::with_capacity(atoms.len());
    for atoms in atoms.chunk_by(|a, b| a.section == b.section) {
        let base = all.len();
        // Those of one file, up to the last one that is known.
        let known = |atom: &Atom| (atom.file > 0).then_some(atom.file);
        let places: Vec<_> =
            (base..).zip(atoms).filter_map(|(at, a)| Some((at, known(a)?))).collect();
        let runs: Vec<_> = places
            .chunk_by(|(_, a), (_, b)| a == b)
            .filter_map(|run| Some((run.first()?.0, run.last()?.0)))
            .collect();
        let end = base.saturating_add(atoms.len());
        let start_of = |run: usize| {
            let before = run.checked_sub(1).and_then(|run| runs.get(run));
            before.map_or(base, |(_, last)| last.saturating_add(1))
        };
        let end_of = |run: usize| runs.get(run.saturating_add(1)).map_or(end, |(first, _)| *first);
        let mut run = 0;
        for at in base..end {
            // The run that this one is in or before.
            while runs.get(run).is_some_and(|(_, last)| *last < at) {
                run = run.saturating_add(1);
            }
            let inside = runs.get(run).is_some_and(|(first, _)| *first <= at);
            let first = if inside { run } else { run.saturating_sub(1) };
            all.push(start_of(first)..end_of(run));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn atom(section: usize, file: u32) -> Atom {
        let kind = AtomKind::Constant;
        Atom { section, span: 0..1, kind, symbol: None, file, references: 0..0, prefix: None }
    }

    #[test]
    fn what_is_beside_goes_up_to_another_file() {
        // Section and file of each; 0 is not known.
        let files =
            [(1, 0), (1, 3), (1, 0), (1, 3), (1, 0), (1, 4), (1, 5), (1, 0), (2, 5), (3, 0)];
        let atoms: Vec<_> = files.into_iter().map(|(section, file)| atom(section, file)).collect();
        let expected = [0..5, 0..5, 0..5, 0..5, 0..6, 4..6, 6..8, 6..8, 8..9, 9..10];
        assert_eq!(beside(&atoms), expected);
    }
}
