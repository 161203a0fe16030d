//! What may show that a place means something, or no longer does: what refers to it, and what it leads to.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Kind, Model, Place, Relocation, Stretch, is_prefix, stems};

impl Model<'_> {
    /// Whether what refers to a stretch means what is in it.
    fn is_content(&self, stretch: &Stretch) -> bool {
        // The kernel's list of functions to run at start: the names have line numbers.
        let is_listed = stretch.names.iter().all(|name| name.starts_with("__initcall_"));
        match self.kind(stretch.section) {
            Kind::Writable if is_listed => true,
            Kind::Code if stretch.names.iter().all(|name| is_prefix(name)) => true,
            Kind::Left => false,
            Kind::Code | Kind::Writable => stretch.names.is_empty(),
            Kind::Table | Kind::Diagnostic | Kind::ReadOnly => true,
        }
    }

    /// What is concerned if a place in one of these stretches begins or ends to mean something: what refers to the contents,
    /// through others, and the sections of what they lead to. Which of several with one name is which is not said, so what
    /// refers to any of them is concerned, too.
    pub(crate) fn around(&self, starts: &[&Stretch]) -> BTreeSet<String> {
        let pairs = self.references();
        let key = |stretch: &Stretch| (stretch.section, stretch.span.start);
        let contents = starts.iter().filter(|stretch| self.is_content(stretch));
        let mut led: BTreeMap<Place, &Stretch> = contents.map(|s| (key(s), *s)).collect();
        let mut named: BTreeSet<String> = starts.iter().flat_map(|start| stems(start)).collect();
        let mut before = None;
        while before.replace((led.len(), named.len())) != Some((led.len(), named.len())) {
            for (from, to) in &pairs {
                let leads = led.contains_key(&key(from));
                if leads || !self.homonyms_of(from).is_disjoint(&named) {
                    named.extend(stems(to));
                }
                if leads && self.is_content(to) {
                    led.insert(key(to), to);
                }
            }
        }
        let is_one = |stretch: &&Stretch| !self.homonyms_of(stretch).is_disjoint(&named);
        let homonyms: Vec<&Stretch> = self.stretches.iter().filter(is_one).collect();
        let mut concerned: BTreeSet<String> =
            homonyms.iter().flat_map(|stretch| stretch.names.iter().cloned()).collect();
        let mut leading = led.clone();
        leading.extend(homonyms.into_iter().map(|stretch| (key(stretch), stretch)));
        let mut before = None;
        while before.replace(leading.len()) != Some(leading.len()) {
            for (from, to) in &pairs {
                if leading.contains_key(&key(to)) {
                    concerned.extend(from.names.iter().cloned());
                    if self.is_content(from) {
                        leading.insert(key(from), from);
                    }
                }
            }
        }
        for stretch in led.values().chain(leading.values()) {
            concerned.insert(self.name_of(stretch.section));
            if self.kind(stretch.section) == Kind::Code {
                concerned.extend(self.owners((stretch.section, stretch.span.start)));
            }
        }
        concerned
    }

    /// Those names of a stretch that others have, too, but for the compiler's numbers.
    fn homonyms_of(&self, stretch: &Stretch) -> BTreeSet<String> {
        let mut stems = stems(stretch);
        stems.retain(|stem| self.homonyms.get(stem).is_some_and(|all| *all > 1));
        stems
    }

    /// What refers to what.
    fn references(&self) -> Vec<(&Stretch, &Stretch)> {
        let pair = |relocation: &Relocation| {
            let place = (relocation.section, relocation.rela.offset);
            Some((self.stretch(place)?, self.target(relocation)?))
        };
        self.relocations.iter().filter_map(pair).collect()
    }

    /// Whether two stretches have a name in common, but for the compiler's numbers.
    pub(crate) fn are_homonyms(&self, a: &Stretch, b: &Stretch) -> bool {
        !stems(a).is_disjoint(&stems(b))
    }

    /// The names of the functions that a place in code is part of: code that has no name of its own belongs to what follows.
    pub(crate) fn owners(&self, place: Place) -> BTreeSet<String> {
        let first = self.stretches.partition_point(|s| (s.section, s.span.end) <= place);
        let here = self.stretches[first..].iter().take_while(|s| s.section == place.0);
        let mut named =
            here.map(|s| &s.names).skip_while(|names| names.iter().all(|name| is_prefix(name)));
        named.next().cloned().unwrap_or_default()
    }
}
