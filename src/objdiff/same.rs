//! Whether contents are equal, with what they refer to.
//!
//! Functions and variables are themselves, whatever is in them; of what has no identity, the contents count, and those of
//! what it refers to. Such references may lead in circles: two contents are equal unless a difference is found, which a
//! union of what is assumed to be equal decides in nearly linear time (J. Hopcroft and R. Karp, *A linear algorithm for
//! testing equivalence of finite automata*, 1971).

use rustc_hash::FxHashMap;

use super::atom::{Atom, AtomIndex, AtomKind};
use super::class::Class;
use super::contents::Contents;
use super::difference::Difference;
use super::equal::Equal;
use super::leaf::Leaf;
use super::object::{Object, slot};
use super::pairs::Pairs;
use super::reference::{Reference, Target};
use super::stem::stem;
use super::texts::Texts;

/// Two objects whose atoms are paired.
#[derive(Debug)]
pub(super) struct Same<'c, 'data> {
    pub(super) old: &'c Object<'data>,
    pub(super) new: &'c Object<'data>,
    pairs: &'c Pairs,
    pub(super) equal: Equal,
    texts: Texts,
    /// What is known to differ.
    pub(super) unequal: FxHashMap<(AtomIndex, AtomIndex), Leaf>,
    /// What some comparison has looked at.
    pub(super) seen_old: Vec<bool>,
    pub(super) seen_new: Vec<bool>,
}

impl<'c, 'data> Same<'c, 'data> {
    pub(super) fn new(old: &'c Object<'data>, new: &'c Object<'data>, pairs: &'c Pairs) -> Self {
        Self {
            old,
            new,
            pairs,
            equal: Equal::none(old.atoms.len(), new.atoms.len()),
            texts: Texts::default(),
            unequal: FxHashMap::default(),
            seen_old: vec![false; old.atoms.len()],
            seen_new: vec![false; new.atoms.len()],
        }
    }

    pub(super) fn new_of(&self, old: AtomIndex) -> Option<AtomIndex> {
        self.pairs.new_of(old)
    }

    pub(super) fn old_of(&self, new: AtomIndex) -> Option<AtomIndex> {
        self.pairs.old_of(new)
    }

    /// The first difference between two atoms, with the code before them and the entries of tables that belong to them.
    pub(super) fn difference(&mut self, a: AtomIndex, b: AtomIndex) -> Option<Difference> {
        let (old, new) = (self.old.atom(a)?, self.new.atom(b)?);
        if let Some(difference) = self.own_difference(old, new) {
            return Some(difference);
        }
        match (old.prefix, new.prefix) {
            (Some(a), Some(b)) => {
                if self.content_difference(a, b).is_some() {
                    return Some(Difference::Prefix);
                }
            }
            (None, None) => {}
            _ => return Some(Difference::Prefix),
        }
        let (own, other) = (self.old.entries_of(a), self.new.entries_of(b));
        for ((_, a), (_, b)) in own.iter().zip(other) {
            if self.old.atom(*a).map(|a| self.old.section_name(a.section))
                != self.new.atom(*b).map(|b| self.new.section_name(b.section))
            {
                return Some(self.count_differs(own, other));
            }
            if let Some(inside) = self.content_difference(*a, *b) {
                return Some(Difference::Entry {
                    table: self.table_name(*a),
                    inside: Box::new(inside),
                });
            }
        }
        (own.len() != other.len()).then(|| self.count_differs(own, other))
    }

    /// The first table of which one has more entries.
    fn count_differs(
        &self,
        own: &[(AtomIndex, AtomIndex)],
        other: &[(AtomIndex, AtomIndex)],
    ) -> Difference {
        let names = |object: &Object<'_>, entries: &[(AtomIndex, AtomIndex)]| -> Vec<String> {
            let name = |(_, entry): &(AtomIndex, AtomIndex)| {
                let section = object.atom(*entry).map_or(0, |entry| entry.section);
                String::from_utf8_lossy(object.section_name(section)).into_owned()
            };
            entries.iter().map(name).collect()
        };
        let (own, other) = (names(self.old, own), names(self.new, other));
        let count =
            |names: &[String], table: &String| names.iter().filter(|name| *name == table).count();
        let all = own.iter().chain(&other);
        let mut differing = all.map(|table| (table, count(&own, table), count(&other, table)));
        let found = differing.find(|(_, old, new)| old != new);
        let (table, old, new) =
            found.map_or((String::new(), 0, 0), |(table, old, new)| (table.clone(), old, new));
        Difference::Entries { table, old, new }
    }

    fn table_name(&self, entry: AtomIndex) -> String {
        let section = self.old.atom(entry).map_or(0, |entry| entry.section);
        String::from_utf8_lossy(self.old.section_name(section)).into_owned()
    }

    /// The first difference of an atom's bytes and references; contents that it refers to count.
    fn own_difference(&mut self, old: &Atom, new: &Atom) -> Option<Difference> {
        let mut pending = Vec::new();
        if let Some(difference) = self.shallow(old, new, &mut pending) {
            return Some(difference);
        }
        for (at, a, b) in pending {
            if let Some(leaf) = self.leaf(a, b) {
                let direct = (leaf.a, leaf.b) == (a, b);
                return Some(self.reads(at, (leaf.a, leaf.b), direct, leaf.difference));
            }
        }
        None
    }

    /// Whether the fields that count are the same of two things that only describe the source.
    fn is_same_description(
        &self,
        old: &Atom,
        new: &Atom,
        pending: &mut Vec<(u64, AtomIndex, AtomIndex)>,
    ) -> bool {
        let Some(Class::Diagnostic(fields)) = self.old.classes.get(old.section) else {
            return true;
        };
        let field = |object: &Object<'_>, atom: &Atom, at: u64| {
            let references = object.references_of(atom).iter();
            references
                .copied()
                .find(|reference| reference.offset.checked_sub(atom.span.start) == Some(at))
        };
        let describes = |object: &Object<'_>, reference: &Reference| {
            matches!(reference.to, Target::Atom { atom, .. }
                if object.atom(atom).is_some_and(|atom| atom.kind == AtomKind::Diagnostic))
        };
        fields.iter().all(|at| match (field(self.old, old, *at), field(self.new, new, *at)) {
            (Some(a), Some(b)) if describes(self.old, &a) || describes(self.new, &b) => true,
            (Some(a), Some(b)) => self.is_same_target(*at, &a, &b, pending),
            (None, None) => true,
            _ => false,
        })
    }

    pub(super) fn see(&mut self, a: AtomIndex, b: AtomIndex) {
        self.seen_old.get_mut(slot(a)).into_iter().for_each(|seen| *seen = true);
        self.seen_new.get_mut(slot(b)).into_iter().for_each(|seen| *seen = true);
    }

    /// Compares bytes and references, and lists contents that are referred to.
    pub(super) fn shallow(
        &self,
        old: &Atom,
        new: &Atom,
        pending: &mut Vec<(u64, AtomIndex, AtomIndex)>,
    ) -> Option<Difference> {
        if old.kind != new.kind
            && !matches!((old.kind, new.kind), (AtomKind::Entry(_), AtomKind::Entry(_)))
        {
            return Some(Difference::Kind);
        }
        let (mut left, mut right) = (Contents::of(self.old, old), Contents::of(self.new, new));
        let first = self.first_reference(old, new, pending);
        // What the assembler has resolved is compared by what it means.
        let resolved = first.as_ref().map_or(usize::MAX, |(index, _)| *index);
        for contents in [&mut left, &mut right] {
            contents.mask(resolved);
        }
        let byte = left.first_difference(&right);
        let at_reference = first.as_ref().map(|(_, difference)| difference.at());
        match (byte, first) {
            (Some(at), None) => Some(self.bytes(old, at, &left, &right)),
            (Some(at), Some(_))
                if at_reference.flatten().is_none_or(|reference| at < reference) =>
            {
                Some(self.bytes(old, at, &left, &right))
            }
            (_, Some((_, difference))) => Some(difference),
            (None, None) => {
                let (left, right) = (left.size(), right.size());
                (left != right).then_some(Difference::Size { old: left, new: right })
            }
        }
    }

    /// The first bytes that differ: of code, the instruction.
    fn bytes(&self, old: &Atom, at: u64, left: &Contents<'_>, right: &Contents<'_>) -> Difference {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let length = |code: &[u8]| self.old.machine.instructions.length(code);
        let mut start = 0;
        if matches!(old.kind, AtomKind::Function | AtomKind::Code) {
            while let Some(next) = left.bytes.get(start..).and_then(length) {
                if start.saturating_add(next) > at {
                    let right = right.bytes.get(start..).unwrap_or_default();
                    let other = length(right).unwrap_or(right.len().min(next));
                    return Difference::bytes(start, next, other, left, right);
                }
                start = start.saturating_add(next);
            }
        }
        let right = right.bytes.get(at..).unwrap_or_default();
        Difference::bytes(at, usize::MAX, usize::MAX, left, right)
    }

    /// The first reference that differs, by its number.
    fn first_reference(
        &self,
        old: &Atom,
        new: &Atom,
        pending: &mut Vec<(u64, AtomIndex, AtomIndex)>,
    ) -> Option<(usize, Difference)> {
        let (own, other) = (self.old.references_of(old), self.new.references_of(new));
        for (index, (a, b)) in own.iter().zip(other).enumerate() {
            let (at, there) = (a.offset - old.span.start, b.offset - new.span.start);
            if at != there {
                return Some((
                    index,
                    Difference::Reference { at: at.min(there), old: None, new: None },
                ));
            }
            let same_target =
                self.is_same_target(at, a, b, pending) || self.is_left_out(old, at, (a, b));
            let same_place = a.from_table == b.from_table;
            if !self.is_same_kind(a.kind, b.kind) || !same_place || !same_target {
                let texts = (self.old.describe(a), self.new.describe(b));
                return Some((
                    index,
                    Difference::Reference { at, old: Some(texts.0), new: Some(texts.1) },
                ));
            }
        }
        let index = own.len().min(other.len());
        let (more, start, of_old) = match own.len().cmp(&other.len()) {
            std::cmp::Ordering::Equal => return None,
            std::cmp::Ordering::Greater => (own, old.span.start, true),
            std::cmp::Ordering::Less => (other, new.span.start, false),
        };
        let first = more.get(index)?;
        let text = if of_old { self.old.describe(first) } else { self.new.describe(first) };
        let (old, new) = if of_old { (Some(text), None) } else { (None, Some(text)) };
        Some((index, Difference::Reference { at: first.offset - start, old, new }))
    }

    /// Whether relocations of two types put the same bits into the same place.
    fn is_same_kind(&self, a: u32, b: u32) -> bool {
        // Which values the loader refuses makes no difference to those that it writes.
        let does = |kind| {
            let row = self.old.machine.row(kind)?;
            Some((row.when, row.calc, row.bias, row.shift, row.field))
        };
        a == b || does(a).is_some() && does(a) == does(b)
    }

    /// Whether a field of an entry only says where in the source it is, or counts for nothing.
    fn is_left_out(&self, old: &Atom, at: u64, (a, b): (&Reference, &Reference)) -> bool {
        let calls_back = || self.old.is_named_code(a) || self.new.is_named_code(b);
        self.old.is_source_file(old, at) || self.old.is_empty_replacement(old, at) && !calls_back()
    }

    fn is_same_target(
        &self,
        at: u64,
        a: &Reference,
        b: &Reference,
        pending: &mut Vec<(u64, AtomIndex, AtomIndex)>,
    ) -> bool {
        match (a.to, b.to) {
            (Target::Symbol { symbol: a, addend }, Target::Symbol { symbol: b, addend: other }) => {
                let name = |object: &Object<'data>, symbol| {
                    object.module.symbol(symbol).map(|s| (s.name, s.section, s.st_value))
                };
                let (own, theirs) = (name(self.old, a), name(self.new, b));
                let same = own.zip(theirs).is_some_and(
                    |((own, section, value), (theirs, other, also))| {
                        use crate::elf::SymbolSection::Defined;
                        own == theirs
                            && match (section, other) {
                                (Defined(section), Defined(other)) => {
                                    self.old.section_name(section.slot())
                                        == self.new.section_name(other.slot())
                                }
                                (Defined(_), _) | (_, Defined(_)) => false,
                                _ => section == other && value == also,
                            }
                    },
                );
                addend == other && same
            }
            (
                Target::Merged { section: a, offset },
                Target::Merged { section: b, offset: other },
            ) => self.texts.are_equal((self.old, a, offset), (self.new, b, other)),
            (Target::Atom { atom: a, offset }, Target::Atom { atom: b, offset: other }) => {
                if offset != other {
                    return false;
                }
                let Some((old, new)) = self.old.atom(a).zip(self.new.atom(b)) else { return false };
                match (old.kind, new.kind) {
                    (AtomKind::Diagnostic, AtomKind::Diagnostic) => {
                        stem(self.old.name(old)) == stem(self.new.name(new))
                            && self.is_same_description(old, new, pending)
                    }
                    // Which of two constants with the same in it makes no difference.
                    (AtomKind::Constant, AtomKind::Constant) => {
                        pending.push((at, a, b));
                        true
                    }
                    (own, theirs) if own.has_identity() && theirs.has_identity() => {
                        self.pairs.new_of(a) == Some(b)
                    }
                    (own, theirs) if !own.has_identity() && !theirs.has_identity() => {
                        pending.push((at, a, b));
                        true
                    }
                    _ => false,
                }
            }
            (
                Target::Place { section: a, offset, .. },
                Target::Place { section: b, offset: other, .. },
            ) => offset == other && self.old.section_name(a) == self.new.section_name(b),
            _ => false,
        }
    }
}
