//! Which function or variable of one object is which of the other.
//!
//! A global name is one thing. Local ones are compared without the compiler's numbers; where several have one name, those are
//! the same that the same function refers to in the same place, or that have the same in them. Nothing is guessed by order
//! alone: what stays open is ambiguous.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};

use super::atom::{AtomIndex, AtomKind};
use super::object::Object;
use super::pairs::Pairs;
use super::reference::Target;
use super::shallow_hash::shallow_hash;
use super::stem::{is_once, number, stem};

/// Rounds of comparing contents. Each one pairs something that lets the next one tell others apart.
const ROUNDS: usize = 8;

/// Functions or variables of one name that cannot be told apart.
#[derive(Debug)]
pub(super) struct Ambiguous {
    pub(super) old: Vec<AtomIndex>,
    pub(super) new: Vec<AtomIndex>,
}

/// What is alike but for the compiler's numbers.
#[derive(Debug, Default)]
struct Group<'data> {
    stem: Cow<'data, [u8]>,
    old: Vec<AtomIndex>,
    new: Vec<AtomIndex>,
    functions: bool,
    /// How many of them have no pair yet.
    open: [usize; 2],
}

/// Pairs what is in both objects; what is left has no counterpart, or too many.
pub(super) fn correlate(old: &Object<'_>, new: &Object<'_>) -> (Pairs, Vec<Ambiguous>) {
    let pairs = Pairs::none(old.atoms.len(), new.atoms.len());
    let mut correlation = Correlation {
        old,
        new,
        pairs,
        groups: Vec::new(),
        group_of: FxHashMap::default(),
        queue: Vec::new(),
        across: false,
    };
    correlation.by_global_name();
    correlation.group(true);
    for index in 0..correlation.groups.len() {
        correlation.by_whole_name(index);
        correlation.last_one(index);
    }
    correlation.settle();
    let ambiguous: Vec<_> =
        (0..correlation.groups.len()).filter_map(|index| correlation.leftover(index)).collect();
    // Of another file it may be the same, but not for its name alone.
    correlation.group(false);
    correlation.across = true;
    correlation.settle();
    let still = |of_old: bool, atoms: Vec<AtomIndex>| -> Vec<AtomIndex> {
        let pairs = &correlation.pairs;
        let paired = |atom: &AtomIndex| match of_old {
            true => pairs.new_of(*atom).is_some(),
            false => pairs.old_of(*atom).is_some(),
        };
        atoms.into_iter().filter(|atom| !paired(atom)).collect()
    };
    let ambiguous = ambiguous
        .into_iter()
        .map(|Ambiguous { old, new }| Ambiguous { old: still(true, old), new: still(false, new) });
    let ambiguous: Vec<_> =
        ambiguous.filter(|group| !group.old.is_empty() && !group.new.is_empty()).collect();
    (correlation.pairs, ambiguous)
}

struct Correlation<'c, 'data> {
    old: &'c Object<'data>,
    new: &'c Object<'data>,
    pairs: Pairs,
    groups: Vec<Group<'data>>,
    /// The group of each atom of the old and the new object that is in one.
    group_of: FxHashMap<(bool, AtomIndex), usize>,
    /// Pairs whose references are to be followed.
    queue: Vec<(AtomIndex, AtomIndex)>,
    /// Whether groups go across files.
    across: bool,
}

impl<'data> Correlation<'_, 'data> {
    fn pair(&mut self, old: AtomIndex, new: AtomIndex) -> bool {
        let paired = self.pairs.pair(old, new);
        if paired {
            self.queue.push((old, new));
            for (of_old, atom) in [(true, old), (false, new)] {
                let group = self
                    .group_of
                    .get(&(of_old, atom))
                    .and_then(|group| self.groups.get_mut(*group));
                if let Some(Group { open: [left, right], .. }) = group {
                    let open = if of_old { left } else { right };
                    *open = open.saturating_sub(1);
                }
            }
        }
        paired
    }

    fn by_global_name(&mut self) {
        let (own, other) = (self.old.globals(), self.new.globals());
        for (name, (a, offset)) in own {
            let there = other.binary_search_by_key(&name, |(name, _)| name).ok();
            let Some((_, (b, at))) = there.and_then(|index| other.get(index)) else { continue };
            let is_function = |object: &Object<'_>, index| {
                object.atom(index).map(|atom| atom.kind == AtomKind::Function)
            };
            if (offset, *at) == (0, 0) && is_function(self.old, a) == is_function(self.new, *b) {
                self.pair(a, *b);
            }
        }
    }

    /// Follows references and compares contents until nothing more is found.
    fn settle(&mut self) {
        self.queue = self.paired();
        self.follow();
        for _ in 0..ROUNDS {
            let before = self.open();
            for index in 0..self.groups.len() {
                self.by_content(index);
                self.last_one(index);
            }
            self.follow();
            if self.open() == before {
                break;
            }
        }
    }

    /// Every pair.
    fn paired(&self) -> Vec<(AtomIndex, AtomIndex)> {
        if self.groups.is_empty() {
            return Vec::new();
        }
        let all = self.old.all().filter_map(|(old, _)| Some((old, self.pairs.new_of(old)?)));
        all.collect()
    }

    /// Puts what has no pair yet into groups of one stem and kind, and of one file.
    fn group(&mut self, by_file: bool) {
        let files = Files::of(self.old, self.new);
        let mut groups: FxHashMap<(bool, u32, Cow<'data, [u8]>), Group<'_>> = FxHashMap::default();
        for of_old in [true, false] {
            let object = if of_old { self.old } else { self.new };
            for (index, atom) in object.all() {
                let paired =
                    if of_old { self.pairs.new_of(index) } else { self.pairs.old_of(index) };
                if paired.is_some() || !atom.kind.has_identity() {
                    continue;
                }
                let stem = stem(object.name(atom));
                let file = if of_old { files.of_old(atom.file) } else { files.of_new(atom.file) };
                let file = if by_file { file } else { 0 };
                let functions = atom.kind == AtomKind::Function;
                let key = (functions, file, stem.clone());
                let group = groups.entry(key).or_insert_with(|| Group {
                    stem,
                    functions,
                    ..Group::default()
                });
                if of_old { group.old.push(index) } else { group.new.push(index) }
            }
        }
        let both = |group: &Group<'_>| !group.old.is_empty() && !group.new.is_empty();
        let mut groups: Vec<_> = groups.into_iter().filter(|(_, group)| both(group)).collect();
        groups.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        self.groups = groups.into_iter().map(|(_, group)| group).collect();
        self.group_of.clear();
        for (index, group) in self.groups.iter_mut().enumerate() {
            group.open = [group.old.len(), group.new.len()];
            self.group_of.extend(group.old.iter().map(|atom| ((true, *atom), index)));
            self.group_of.extend(group.new.iter().map(|atom| ((false, *atom), index)));
        }
    }

    /// Those of a group that have no pair yet.
    fn rest(&self, index: usize) -> (Vec<AtomIndex>, Vec<AtomIndex>) {
        let Some(group) = self.groups.get(index) else { return (Vec::new(), Vec::new()) };
        let old = group.old.iter().copied().filter(|atom| self.pairs.new_of(*atom).is_none());
        let new = group.new.iter().copied().filter(|atom| self.pairs.old_of(*atom).is_none());
        (old.collect(), new.collect())
    }

    fn open(&self) -> usize {
        self.groups.iter().map(|group| group.open.into_iter().min().unwrap_or(0)).sum()
    }

    /// The name without a number, which a file has once. Clang gives the first of a function's own none, too.
    fn by_whole_name(&mut self, index: usize) {
        let whole = |group: &&Group| group.open != [1, 1] && !group.stem.contains(&b'.');
        let Some(group) = self.groups.get(index).filter(whole) else { return };
        let only = |object: &Object<'_>, atoms: &[AtomIndex]| {
            let whole = |atom: &&AtomIndex| {
                object.atom(**atom).is_some_and(|a| number(object.name(a)).is_none())
            };
            let mut found = atoms.iter().filter(whole).copied();
            found.next().filter(|_| found.next().is_none())
        };
        if let (Some(a), Some(b)) = (only(self.old, &group.old), only(self.new, &group.new)) {
            self.pair(a, b);
        }
    }

    /// What alone is left on both sides is the same.
    fn last_one(&mut self, index: usize) {
        if self.across || self.groups.get(index).is_none_or(|group| group.open != [1, 1]) {
            return;
        }
        if let ([a], [b]) = (&*self.rest(index).0, &*self.rest(index).1) {
            self.pair(*a, *b);
        }
    }

    /// Pairs what paired functions and data refer to.
    fn follow(&mut self) {
        while let Some((a, b)) = self.queue.pop() {
            let (own, other) = (reach(self.old, a), reach(self.new, b));
            let open = |of_old: bool, atom: &AtomIndex| {
                let paired =
                    if of_old { self.pairs.new_of(*atom) } else { self.pairs.old_of(*atom) };
                paired.is_none().then(|| self.group_of.get(&(of_old, *atom)).copied()).flatten()
            };
            // By group, in the order in which they are first referred to.
            let mut sequences: BTreeMap<usize, (Vec<AtomIndex>, Vec<AtomIndex>)> = BTreeMap::new();
            let mut seen = FxHashSet::default();
            for (of_old, atoms) in [(true, &own), (false, &other)] {
                for atom in atoms {
                    let Some(group) = open(of_old, atom).filter(|_| seen.insert((of_old, *atom)))
                    else {
                        continue;
                    };
                    let (old, new) = sequences.entry(group).or_default();
                    let sequence = if of_old { old } else { new };
                    sequence.push(*atom);
                }
            }
            if sequences.is_empty() {
                continue;
            }
            let same_code = self.is_alike(a, b);
            for (group, (old, new)) in sequences {
                let in_order = in_order(self.old, &old) && in_order(self.new, &new);
                if old.len() == new.len() && (same_code || in_order) || self.is_once(group) {
                    for (a, b) in old.into_iter().zip(new) {
                        self.pair(a, b);
                    }
                    self.last_one(group);
                }
            }
        }
    }

    fn is_once(&self, group: usize) -> bool {
        self.groups.get(group).is_some_and(|group| is_once(&group.stem))
    }

    /// Whether two atoms are equal but for what their references mean.
    fn is_alike(&self, a: AtomIndex, b: AtomIndex) -> bool {
        let Some((old, new)) = self.old.atom(a).zip(self.new.atom(b)) else { return false };
        let places = |object: &Object<'_>, atom: &super::atom::Atom| -> Vec<(u64, u32)> {
            object
                .references_of(atom)
                .iter()
                .map(|r| (r.offset - atom.span.start, r.kind))
                .collect()
        };
        self.old.bytes(old) == self.new.bytes(new) && places(self.old, old) == places(self.new, new)
    }

    /// Pairs those of a group that have the same in them, and that no other has.
    fn by_content(&mut self, index: usize) {
        for (old, new) in self.alike(index) {
            if let ([a], [b]) = (&*old, &*new) {
                self.pair(*a, *b);
            }
        }
    }

    /// Those of a group that have no pair yet, by what is in them.
    fn alike(&self, index: usize) -> Vec<(Vec<AtomIndex>, Vec<AtomIndex>)> {
        let (old, new) = self.rest(index);
        let mut by_hash: BTreeMap<u64, (Vec<AtomIndex>, Vec<AtomIndex>)> = BTreeMap::new();
        if old.is_empty() || new.is_empty() {
            return Vec::new();
        }
        for atom in old {
            let known = |target| self.pairs.new_of(target).map(|_| target);
            by_hash.entry(shallow_hash(self.old, atom, &known)).or_default().0.push(atom);
        }
        for atom in new {
            let known = |target| self.pairs.old_of(target);
            by_hash.entry(shallow_hash(self.new, atom, &known)).or_default().1.push(atom);
        }
        by_hash.into_values().collect()
    }

    /// What of a group cannot be told apart: twins with the same in them are paired.
    fn leftover(&mut self, index: usize) -> Option<Ambiguous> {
        // One function is as good as its twin, but variables have a state.
        let functions = self.groups.get(index).is_some_and(|group| group.functions);
        let twins = self.alike(index).into_iter();
        let twins = twins.filter(|(old, new)| functions || old.len() == new.len());
        for (a, b) in twins.flat_map(|(old, new)| old.into_iter().zip(new)) {
            self.pair(a, b);
        }
        let (old, new) = self.rest(index);
        if self.is_once(index) {
            for (a, b) in old.iter().zip(&new) {
                self.pair(*a, *b);
            }
            return None;
        }
        (!old.is_empty() && !new.is_empty()).then_some(Ambiguous { old, new })
    }
}

/// Whether the order of use is that of the compiler's numbers, which is that of declaration.
fn in_order(object: &Object<'_>, atoms: &[AtomIndex]) -> bool {
    let number = |atom: &AtomIndex| object.atom(*atom).and_then(|atom| number(object.name(atom)));
    atoms.len() < 2 || atoms.iter().map(number).is_sorted()
}

/// What an atom refers to that has an identity, in the order of references; through what has none, and through the entries
/// that belong to it.
fn reach(object: &Object<'_>, atom: AtomIndex) -> Vec<AtomIndex> {
    let mut reached = Vec::new();
    let entries = object.entries_of(atom).iter().map(|(_, entry)| *entry);
    for from in std::iter::once(atom).chain(entries) {
        let Some(from) = object.atom(from) else { continue };
        for reference in object.references_of(from) {
            let Target::Atom { atom: to, .. } = reference.to else { continue };
            let Some(target) = object.atom(to) else { continue };
            if target.kind.has_identity() {
                reached.push(to);
                continue;
            }
            // Such as a slot of `.toc`.
            let through = object.references_of(target).iter().take(1);
            reached.extend(through.filter_map(|reference| match reference.to {
                Target::Atom { atom, .. } => {
                    object.atom(atom).filter(|a| a.kind.has_identity()).map(|_| atom)
                }
                _ => None,
            }));
        }
    }
    reached
}

/// The source files of two objects, as numbers that mean the same in both. Files of one name have one.
struct Files {
    old: Vec<u32>,
    new: Vec<u32>,
}

impl Files {
    fn of<'f>(old: &Object<'f>, new: &Object<'f>) -> Self {
        let mut known: FxHashMap<&[u8], u32> = FxHashMap::default();
        let mut number = |file: &&'f [u8]| {
            let next = u32::try_from(known.len()).unwrap_or(u32::MAX).saturating_add(1);
            *known.entry(file).or_insert(next)
        };
        let old = old.files.iter().map(&mut number).collect();
        Self { old, new: new.files.iter().map(&mut number).collect() }
    }

    fn of_old(&self, file: u32) -> u32 {
        lookup(&self.old, file)
    }

    fn of_new(&self, file: u32) -> u32 {
        lookup(&self.new, file)
    }
}

fn lookup(numbers: &[u32], file: u32) -> u32 {
    let index = usize::try_from(file).ok().and_then(|file| file.checked_sub(1));
    index.and_then(|index| numbers.get(index)).copied().unwrap_or(0)
}
