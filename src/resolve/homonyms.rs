//! The symbols of a name in an object, by source file and by translation unit.
//!
//! A name may have a hundred thousand symbols, and a module as many selectors of it, so each name is put in order once,
//! and each selector answered once.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use crate::annotation::{Selector, SourceFile, from_its_end};
use crate::name::ObjectName;
use crate::symbols::{Answer, Binding, Candidate, Candidates, Kind};

/// All that were asked for.
#[derive(Debug, Default)]
pub(crate) struct Homonyms<'a>(RefCell<HashMap<(ObjectName, String), Rc<Group<'a>>>>);

impl<'a> Homonyms<'a> {
    /// The symbols of a name in an object.
    pub(super) fn of(&self, answer: &'a Answer, name: &str, owner: &ObjectName) -> Rc<Group<'a>> {
        let key = (owner.clone(), name.to_owned());
        let mut groups = self.0.borrow_mut();
        let group = groups.entry(key).or_insert_with(|| {
            let named = answer.candidates_in(name, owner);
            let all: Vec<_> = named.filter(|c| c.kind != Some(Kind::Marker)).collect();
            let has_global = all.iter().any(|c| is_global(c));
            Rc::new(Group { all, has_global, ..Group::default() })
        });
        Rc::clone(group)
    }
}

/// The symbols of one name in one object, without those that only mark a file or section.
#[derive(Debug, Default)]
pub(super) struct Group<'a> {
    pub(super) all: Vec<&'a Candidate>,
    has_global: bool,
    files: OnceCell<BTreeMap<String, Vec<usize>>>,
    units: OnceCell<BTreeMap<Option<u32>, Vec<usize>>>,
    fitting: RefCell<HashMap<Selector, Rc<Fitting<'a>>>>,
}

/// Those that a selector fits.
#[derive(Debug, Default)]
pub(super) struct Fitting<'a> {
    /// The first ones.
    pub(super) first: Vec<&'a Candidate>,
    /// How many there are.
    pub(super) count: usize,
}

impl<'a> Group<'a> {
    /// Whether a source says of none in which file it is.
    pub(super) fn has_no_files(&self) -> bool {
        self.files().is_empty() && !self.has_global
    }

    /// Whether a source says of none in which unit it is.
    pub(super) fn has_no_units(&self) -> bool {
        self.units().keys().all(Option::is_none) && !self.has_global
    }

    /// Whether there is one whose unit is not known.
    pub(super) fn has_unknown_unit(&self) -> bool {
        self.units().contains_key(&None)
    }

    /// Those that may be from a file.
    pub(super) fn in_file(&self, file: &SourceFile) -> Rc<Fitting<'a>> {
        self.fitting(&Selector::InFile(file.clone()), || {
            let wanted = from_its_end(file.as_str());
            let files = self.files();
            let longer = files.range(wanted.clone()..);
            let longer = longer.take_while(|(known, _)| known.starts_with(&wanted));
            // What the source knows may be shorter.
            let ends = wanted.match_indices('/').map(|(at, _)| wanted.get(..=at));
            let shorter = ends.flatten().filter(|known| *known != wanted);
            let shorter = shorter.filter_map(|known| files.get(known));
            longer.map(|(_, places)| places).chain(shorter).collect()
        })
    }

    /// Those of the units of other symbols.
    pub(super) fn beside(&self, neighbours: &Group<'_>, selector: &Selector) -> Rc<Fitting<'a>> {
        self.fitting(selector, || {
            let (ours, theirs) = (self.units(), neighbours.units());
            if ours.len() < theirs.len() {
                let shared = ours.iter().filter(|(unit, _)| theirs.contains_key(*unit));
                shared.map(|(_, places)| places).collect()
            } else {
                theirs.keys().filter_map(|unit| ours.get(unit)).collect()
            }
        })
    }

    fn fitting<'s>(
        &'s self,
        selector: &Selector,
        find: impl FnOnce() -> Vec<&'s Vec<usize>>,
    ) -> Rc<Fitting<'a>> {
        if let Some(known) = self.fitting.borrow().get(selector) {
            return Rc::clone(known);
        }
        let found = find();
        let count = found.iter().map(|places| places.len()).sum();
        // The first ones of each have the first ones of all.
        let mut first: Vec<usize> = found
            .into_iter()
            .flat_map(|places| places.iter().take(Candidates::KEPT))
            .copied()
            .collect();
        first.sort_unstable();
        let first =
            first.into_iter().take(Candidates::KEPT).filter_map(|at| self.all.get(at).copied());
        let fitting = Rc::new(Fitting { first: first.collect(), count });
        self.fitting.borrow_mut().insert(selector.clone(), Rc::clone(&fitting));
        fitting
    }

    fn files(&self) -> &BTreeMap<String, Vec<usize>> {
        self.files.get_or_init(|| {
            let mut files: BTreeMap<_, Vec<_>> = BTreeMap::new();
            for (at, candidate) in self.all.iter().enumerate() {
                let file = candidate.file.as_deref().map(from_its_end);
                if let Some(file) = file.filter(|file| !file.is_empty()) {
                    files.entry(file).or_default().push(at);
                }
            }
            files
        })
    }

    fn units(&self) -> &BTreeMap<Option<u32>, Vec<usize>> {
        self.units.get_or_init(|| {
            let mut units: BTreeMap<_, Vec<_>> = BTreeMap::new();
            for (at, candidate) in self.all.iter().enumerate() {
                units.entry(candidate.unit).or_default().push(at);
            }
            units
        })
    }
}

/// Whether a symbol table lists it after all files, and so without its own.
fn is_global(candidate: &Candidate) -> bool {
    matches!(candidate.binding, Some(Binding::Global | Binding::Weak))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::sync::OnceLock;

    use proptest::prelude::*;

    use super::*;
    use crate::symbols::Order;

    fn candidate(file: Option<String>, unit: Option<u32>) -> Candidate {
        Candidate {
            object: ObjectName::vmlinux(),
            name: "twin".into(),
            position: NonZeroU32::MIN,
            homonyms: 1,
            live_position: None,
            address: None,
            size: None,
            file,
            unit,
            section: None,
            binding: None,
            kind: None,
            letter: None,
            init: false,
            untraceable: false,
            order: Order::Proven,
            beside: OnceLock::new(),
        }
    }

    fn group(all: &[Candidate]) -> Group<'_> {
        Group { all: all.iter().collect(), ..Group::default() }
    }

    fn path() -> impl Strategy<Value = String> {
        let components = proptest::collection::vec(r"[ab]|a\.c|\.", 1..4);
        (components, any::<bool>()).prop_map(|(components, rooted)| {
            let path = components.join("/");
            if rooted { format!("/{path}") } else { path }
        })
    }

    fn units() -> impl Strategy<Value = Vec<Candidate>> {
        let unit = proptest::option::of(0_u32..4);
        proptest::collection::vec(unit.prop_map(|unit| candidate(None, unit)), 0..8)
    }

    fn positions(some: &[&Candidate]) -> Vec<*const Candidate> {
        some.iter().map(|candidate| std::ptr::from_ref(*candidate)).collect()
    }

    proptest! {
        #[test]
        fn those_in_a_file_are_those_whose_file_agrees(
            known in proptest::collection::vec(proptest::option::of(path()), 0..12),
            file in r"([ab]/){0,2}[ab](\.c)?",
        ) {
            let file: SourceFile = file.parse().unwrap();
            let all: Vec<_> = known.into_iter().map(|known| candidate(known, None)).collect();
            let agrees = |c: &&Candidate| c.file.as_ref().is_some_and(|f| file.agrees_with(f));
            let expected: Vec<_> = all.iter().filter(agrees).collect();
            let fitting = group(&all).in_file(&file);
            prop_assert_eq!(positions(&fitting.first), positions(&expected));
            prop_assert_eq!(fitting.count, expected.len());
        }

        #[test]
        fn those_beside_others_share_a_unit_with_one(ours in units(), theirs in units()) {
            let shares = |c: &&Candidate| theirs.iter().any(|other| other.unit == c.unit);
            let expected: Vec<_> = ours.iter().filter(shares).collect();
            let selector = Selector::NextTo("other".parse().unwrap());
            let fitting = group(&ours).beside(&group(&theirs), &selector);
            prop_assert_eq!(positions(&fitting.first), positions(&expected));
            prop_assert_eq!(fitting.count, expected.len());
        }
    }

    #[test]
    fn of_many_the_first_ones_are_kept_and_the_others_counted() {
        let all = vec![candidate(Some("a.c".into()), None); Candidates::KEPT + 3];
        let fitting = group(&all).in_file(&"a.c".parse().unwrap());
        assert_eq!(fitting.first.len(), Candidates::KEPT);
        assert_eq!(Candidates::first(&fitting.first, fitting.count).count(), all.len());
    }
}
