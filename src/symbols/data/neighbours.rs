//! Symbols before and after others in memory, for advice only.
//!
//! A linker puts the functions of a source file side by side, so the names next to a symbol show an author
//! its file where no source of symbols records it. Invariant: what is kept does not depend on the order of
//! offers.

use std::fmt;

use crate::name::ObjectName;

/// How many symbols are searched for in one pass; the rest get no advice.
const SEARCHES_MAX: usize = 40;
/// How many names are kept on each side.
const KEPT: usize = 6;

/// Names next to a symbol, the nearest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beside {
    /// Those at lower addresses, or its own.
    pub before: Vec<String>,
    /// Those at higher addresses.
    pub after: Vec<String>,
}

/// In the order of addresses: `between f, g and h, i`.
impl fmt::Display for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before: Vec<_> = self.before.iter().rev().map(String::as_str).collect();
        let (before, after) = (before.join(", "), self.after.join(", "));
        match (before.is_empty(), after.is_empty()) {
            (true, _) => write!(f, "before {after}"),
            (_, true) => write!(f, "after {before}"),
            _ => write!(f, "between {before} and {after}"),
        }
    }
}

/// Symbols whose neighbours are searched for.
#[derive(Debug, Default)]
pub struct Neighbours {
    places: Vec<Place>,
}

#[derive(Debug)]
struct Place {
    object: ObjectName,
    /// Of a module: addresses are offsets in their sections.
    section: Option<String>,
    name: String,
    address: u64,
    /// Whether the symbol itself was offered: the addresses are of the same kind.
    is_offered: bool,
    /// Distances and names, the nearest first.
    before: Vec<(u64, String)>,
    after: Vec<(u64, String)>,
}

impl Neighbours {
    /// Searches for the neighbours of one more symbol; beyond 40 it has none.
    pub fn search(&mut self, object: &ObjectName, section: Option<&str>, name: &str, address: u64) {
        if self.places.len() < SEARCHES_MAX {
            let section = section.filter(|_| !object.is_vmlinux()).map(str::to_owned);
            let (object, name) = (object.clone(), name.to_owned());
            let (before, after, is_offered) = (Vec::new(), Vec::new(), false);
            let place = Place { object, section, name, address, is_offered, before, after };
            self.places.push(place);
        }
    }

    /// Whether there is nothing to search for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Whether the neighbours of a symbol of this object are searched for.
    #[must_use]
    pub fn is_in(&self, object: &ObjectName) -> bool {
        self.places.iter().any(|place| place.object == *object)
    }

    /// The same searches, with nothing found.
    pub(in crate::symbols) fn again(&self) -> Self {
        let mut again = Self::default();
        for Place { object, section, name, address, .. } in &self.places {
            again.search(object, section.as_deref(), name, *address);
        }
        again
    }

    /// Takes over what the same searches found in another source, where that has the symbols themselves at
    /// their addresses: a running kernel is not at the addresses of its files.
    pub(in crate::symbols) fn take(&mut self, other: Self) {
        for (place, other) in self.places.iter_mut().zip(other.places) {
            if other.is_offered && !place.is_offered {
                *place = other;
            }
        }
    }

    /// Considers a symbol.
    pub fn offer(&mut self, object: &ObjectName, section: &[u8], address: u64, name: &[u8]) {
        for place in self.places.iter_mut().filter(|place| place.object == *object) {
            let is_there = place.section.as_ref().is_none_or(|own| own.as_bytes() == section);
            if !is_there || place.name.as_bytes() == name {
                place.is_offered |= is_there && place.address == address;
                continue;
            }
            let (side, distance) = match place.address.checked_sub(address) {
                Some(distance) => (&mut place.before, distance),
                None => (&mut place.after, address - place.address),
            };
            // Nearly every name is farther away than those that are kept.
            let full = side.len() == KEPT;
            if full && side.last().is_some_and(|(farthest, _)| *farthest < distance) {
                continue;
            }
            let Ok(name) = std::str::from_utf8(name) else { continue };
            let offer = (distance, name.to_owned());
            if let Err(at) = side.binary_search(&offer) {
                side.insert(at, offer);
                side.truncate(KEPT);
            }
        }
    }

    /// Every name that was found.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let sides = self.places.iter().flat_map(|place| place.before.iter().chain(&place.after));
        sides.map(|(_, name)| name.as_str())
    }

    /// What was found next to a symbol: the nearest two on each side that are of use.
    #[must_use]
    pub fn found(
        &self,
        object: &ObjectName,
        name: &str,
        address: u64,
        is_of_use: impl Fn(&str) -> bool,
    ) -> Option<Beside> {
        let is = |place: &&Place| {
            place.object == *object && place.address == address && place.name == name
        };
        let place = self.places.iter().find(is)?;
        let side = |side: &[(u64, String)]| {
            let names = side.iter().map(|(_, name)| name).filter(|name| is_of_use(name));
            names.take(2).cloned().collect()
        };
        let beside = Beside { before: side(&place.before), after: side(&place.after) };
        (beside != Beside::default()).then_some(beside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: &str) -> ObjectName {
        name.parse().unwrap()
    }

    #[test]
    fn the_nearest_names_on_both_sides_are_found_in_any_order_of_offers() {
        let mut symbols: Vec<_> = (0..40_u64).map(|n| (n * 16, format!("f{n}"))).collect();
        symbols.push((160, "alias".into()));
        let mut found = Vec::new();
        for _ in 0..2 {
            symbols.reverse();
            let mut near = Neighbours::default();
            near.search(&object("vmlinux"), None, "f10", 160);
            for (address, name) in &symbols {
                near.offer(&object("vmlinux"), b".text", *address, name.as_bytes());
                near.offer(&object("other"), b".text", 161, b"g");
            }
            found.push(near.found(&object("vmlinux"), "f10", 160, |name| name != "f9").unwrap());
        }
        assert_eq!(found[0].before, ["alias", "f8"]);
        assert_eq!(found[0].after, ["f11", "f12"]);
        assert_eq!(found[0], found[1]);
    }

    #[test]
    fn offsets_in_other_sections_of_a_module_are_not_near() {
        let mut near = Neighbours::default();
        near.search(&object("m"), Some(".text"), "f", 16);
        near.offer(&object("m"), b".init.text", 15, b"far");
        assert_eq!(near.found(&object("m"), "f", 16, |_| true), None);
        near.offer(&object("m"), b".text", 0, b"near");
        assert_eq!(near.found(&object("m"), "f", 16, |_| true).unwrap().before, ["near"]);
    }

    #[test]
    fn a_source_with_other_addresses_finds_nothing() {
        let mut near = Neighbours::default();
        near.search(&object("vmlinux"), None, "f", 16);
        for (base, before) in [(0x1000, "wrong"), (0, "right"), (0, "later")] {
            let mut source = near.again();
            source.offer(&object("vmlinux"), b"", base + 16, b"f");
            source.offer(&object("vmlinux"), b"", 12, before.as_bytes());
            near.take(source);
        }
        assert_eq!(near.found(&object("vmlinux"), "f", 16, |_| true).unwrap().before, ["right"]);
    }

    #[test]
    fn a_flood_of_searches_is_cut() {
        let mut near = Neighbours::default();
        (0..1000).for_each(|n| near.search(&object("m"), None, "f", n));
        assert_eq!(near.places.len(), SEARCHES_MAX);
    }
}
