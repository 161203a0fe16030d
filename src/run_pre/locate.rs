//! Finding where in a linked kernel the units of an object are.
//!
//! Names give addresses; what relocations mean gives more, from the fields that the linker has filled in; until nothing
//! more is found. Where several places are possible, the one whose contents fit is taken, if there is only one.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use klp_arch::Calc;
use object::elf::STB_LOCAL;

use super::clue::Clue;
use super::compare::Comparison;
use super::parts::Part;
use super::placed::Placed;
use super::references::{Reference, Unit};

impl Placed<'_, '_> {
    /// Finds all that can be found.
    pub(super) fn locate(&mut self) {
        self.symbols();
        self.sections();
    }

    /// Symbols that other objects can name.
    fn symbols(&mut self) {
        for symbol in self.object.module.symbols().filter(|symbol| symbol.bind != STB_LOCAL) {
            if let [(address, _)] = *self.kernel.alike(&symbol) {
                self.addresses.insert(Unit::Symbol(symbol.index), address);
            }
        }
        if let (Some(toc), Some(name)) = (self.toc, self.object.machine.link.toc) {
            let all = self.object.module.symbols().filter(|s| s.name == name.as_bytes());
            self.addresses.extend(all.map(|symbol| (Unit::Symbol(symbol.index), toc)));
        }
    }

    /// Sections by the names in them.
    fn sections(&mut self) {
        let strong = self.votes(false);
        let weak = self.votes(true);
        let only = self.only_places();
        for (section, votes) in &strong {
            let best = best(votes);
            // Where everything is of another size, each name has a place of its own.
            let of_one = || {
                let only = only.get(section)?;
                best.iter().find(|base| only.contains(base)).copied()
            };
            match *best {
                [base] => drop(self.addresses.insert(Unit::Section(*section), base)),
                _ => match of_one() {
                    Some(base) => drop(self.addresses.insert(Unit::Section(*section), base)),
                    None => drop(self.open.insert(*section, best)),
                },
            }
        }
        self.split();
        self.settle();
        let weak = weak.into_iter().filter(|(section, _)| !strong.contains_key(section));
        let mut rest = Vec::new();
        for (section, bases) in weak.map(|(section, votes)| (section, best(&votes))) {
            match bases.iter().find(|base| self.fits(section, **base)) {
                Some(base) => drop(self.addresses.insert(Unit::Section(section), *base)),
                None => rest.push((section, bases)),
            }
        }
        let decided: Vec<(usize, Weak)> = {
            let families = self.families();
            let decide = |(section, bases): (usize, Vec<u64>)| {
                (section, Weak::of(bases, families.get(self.family(section))))
            };
            rest.into_iter().map(decide).collect()
        };
        for (section, weak) in decided {
            match weak {
                Weak::There(base) => drop(self.addresses.insert(Unit::Section(section), base)),
                Weak::Overridden => drop(self.overridden.insert(section)),
                Weak::Open(bases) => drop(self.open.insert(section, bases)),
            }
        }
        self.settle();
    }

    /// Where sections are by each name in them that the kernel has once.
    fn only_places(&self) -> BTreeMap<usize, BTreeSet<u64>> {
        let mut places: BTreeMap<usize, BTreeSet<u64>> = BTreeMap::new();
        for (section, symbol) in self.object.named().filter(|(_, symbol)| !symbol.is_weak()) {
            if let [(address, _)] = *self.kernel.alike(&symbol) {
                places.entry(section).or_default().insert(address.wrapping_sub(symbol.st_value));
            }
        }
        places
    }

    /// Where names say that sections may be, with how many of them say so.
    fn votes(&self, weak: bool) -> BTreeMap<usize, BTreeMap<u64, usize>> {
        let mut votes: BTreeMap<usize, BTreeMap<u64, usize>> = BTreeMap::new();
        for (section, symbol) in self.object.named().filter(|(_, symbol)| symbol.is_weak() == weak)
        {
            let alike = self.kernel.alike(&symbol);
            // Several may be in one place, if they have no size.
            let bases: BTreeSet<u64> =
                alike.iter().map(|(address, _)| address.wrapping_sub(symbol.st_value)).collect();
            for base in bases {
                *votes.entry(section).or_default().entry(base).or_default() += 1;
            }
        }
        votes
    }

    /// Functions that are not where their section is, because something before them has another size: each is compared
    /// where its name is.
    fn split(&mut self) {
        for part in self.object.parts.iter().filter(|part| part.is_function) {
            let Some(base) = self.addresses.get(&Unit::Section(part.section)) else { continue };
            let symbol = part.symbol.and_then(|symbol| self.object.module.symbol(symbol));
            let Some(symbol) = symbol.filter(|symbol| !symbol.is_weak()) else { continue };
            let alike = self.kernel.alike(&symbol);
            let own = base.wrapping_add(symbol.st_value);
            let there = match *alike {
                _ if alike.iter().any(|(address, _)| *address == own) => *base,
                [(address, _)] => address.wrapping_sub(symbol.st_value),
                _ => continue,
            };
            self.moved.insert((part.section, part.span.start), there);
        }
        let bases = &self.addresses;
        let is_whole = |section: usize, all: &BTreeMap<(usize, u64), u64>| {
            let base = bases.get(&Unit::Section(section));
            all.range((section, 0)..=(section, u64::MAX)).all(|(_, there)| Some(there) == base)
        };
        let sections: BTreeSet<usize> = self.moved.keys().map(|(section, _)| *section).collect();
        let whole: BTreeSet<usize> =
            sections.into_iter().filter(|section| is_whole(*section, &self.moved)).collect();
        self.moved.retain(|(section, _), _| !whole.contains(section));
    }

    /// Where the kernel has the object's sections of each family, such as `.text` and `.text.NAME`.
    fn families(&self) -> BTreeMap<&[u8], Range<u64>> {
        let mut all: BTreeMap<&[u8], Range<u64>> = BTreeMap::new();
        for part in &self.object.parts {
            let Some(base) = self.addresses.get(&Unit::Section(part.section)) else { continue };
            let (start, end) =
                (base.wrapping_add(part.span.start), base.wrapping_add(part.span.end));
            let known = all.entry(self.family(part.section)).or_insert(start..end);
            *known = known.start.min(start)..known.end.max(end);
        }
        all
    }

    /// A section's name without that of the function or variable that it has for itself.
    fn family(&self, section: usize) -> &[u8] {
        let name = self.object.section_name(section);
        let first = self.object.parts.get(self.object.parts_of(section).start);
        let symbol = first.and_then(|part| self.object.module.symbol(part.symbol?));
        let rest = symbol.and_then(|symbol| name.strip_suffix(symbol.name));
        rest.and_then(|rest| rest.strip_suffix(b".")).unwrap_or(name)
    }

    /// Follows references until nothing more is found.
    fn settle(&mut self) {
        loop {
            let found = |placed: &Self| placed.addresses.len() + placed.entries.len();
            let before = found(self);
            self.place_entries();
            self.follow();
            self.decide();
            if found(self) == before {
                break;
            }
        }
    }

    /// Units that have no address yet, by what fields say about them.
    fn follow(&mut self) {
        let mut votes: BTreeMap<Unit, BTreeMap<u64, usize>> = BTreeMap::new();
        for part in &self.object.parts {
            let Some(base) = self.base_at(part.section, part.span.start) else { continue };
            self.find_direct(part, base);
            for (unit, address) in self.said(part, base) {
                if self.address(unit, 0).is_none() && self.may_be(unit, address) {
                    *votes.entry(unit).or_default().entry(address).or_default() += 1;
                }
            }
        }
        let winner = |votes: &BTreeMap<u64, usize>| {
            let most = votes.values().copied().max()?;
            votes.iter().find(|(_, votes)| **votes == most).map(|(address, _)| *address)
        };
        for (unit, votes) in &votes {
            if let Some(address) = winner(votes) {
                self.addresses.insert(*unit, address);
                if let Unit::Section(section) = unit {
                    self.open.remove(section);
                }
            }
        }
    }

    /// Whether names allow a unit to be at an address.
    fn may_be(&self, unit: Unit, address: u64) -> bool {
        match unit {
            Unit::Section(section) => {
                !self.nowhere.contains_key(&section)
                    && self.open.get(&section).is_none_or(|bases| bases.contains(&address))
            }
            // A name means what the kernel says, or cannot be told.
            Unit::Symbol(symbol) => self.object.module.symbol(symbol).is_some_and(|symbol| {
                let alike = self.kernel.alike(&symbol);
                alike.iter().any(|(known, _)| *known == address)
            }),
            Unit::Entry(..) | Unit::Slot(..) => true,
        }
    }

    /// What the fields of a part say, if its section is at an address: units and their addresses.
    fn said(&self, part: &Part, base: u64) -> Vec<(Unit, u64)> {
        let Some(linked) = self.kernel.memory.from(base) else { return Vec::new() };
        let mut clues: BTreeMap<Unit, Option<Clue>> = BTreeMap::new();
        for reference in self.object.references_of(part) {
            let Some((unit, clue)) = self.clue(reference, base, linked) else { continue };
            let known = clues.entry(unit).or_insert(Some(Clue::NOTHING));
            *known = known.and_then(|known| known.and(clue));
        }
        let exact = |(unit, clue): (Unit, Option<Clue>)| Some((unit, clue?.address()?));
        clues.into_iter().filter_map(exact).collect()
    }

    /// What a field says about its unit. `linked`: the kernel's bytes from the start of the section on.
    fn clue(&self, reference: &Reference, base: u64, linked: &[u8]) -> Option<(Unit, Clue)> {
        let edit = self.object.edit(reference, linked);
        let (unit, addend, row) = self.meant(reference, edit)?;
        let place = base.wrapping_add(reference.offset);
        let at = usize::try_from(reference.offset).ok()?;
        let endian = self.object.machine.endian;
        let value = row.field.load(linked.get(at..)?, row.check.is_signed(), endian).ok()?;
        if row.calc == Calc::Absolute
            && row.field.size() == 8
            && let Some(pointer) = self.kernel.memory.late_pointer(place)
        {
            return Some((unit, Clue::exactly(pointer).minus(addend)));
        }
        if row.calc == Calc::SlotRelative {
            let scaled = value.wrapping_shl(row.shift.into());
            let slot = place.wrapping_add_signed(scaled).wrapping_add_signed(addend.wrapping_neg());
            return Some((unit, Clue::exactly(self.kernel.pointer(slot)?)));
        }
        let clue = Clue::of(row, value, place, self.toc)?.minus(addend);
        // A call may pass over what sets up the TOC pointer.
        if let (Calc::Branch, Some(entered)) = (row.calc, clue.address()) {
            let model = self.object.machine.link;
            let skipped = model.skipped(&|before| {
                self.kernel.memory.from(entered.wrapping_add_signed(addend).wrapping_sub(before))
            });
            return Some((unit, Clue::exactly(entered.wrapping_sub(skipped))));
        }
        Some((unit, clue))
    }

    /// Finds slots that the linker has left out.
    fn find_direct(&mut self, part: &Part, base: u64) {
        let Some(linked) = self.kernel.memory.from(base) else { return };
        for reference in self.object.references_of(part) {
            if matches!(reference.unit, Unit::Slot(..))
                && self.object.edit(reference, linked).is_some_and(|edit| edit.skips_slot)
            {
                self.direct.insert(reference.unit);
            }
        }
    }

    /// Decides between the possible places of sections by what is there.
    fn decide(&mut self) {
        let open = std::mem::take(&mut self.open);
        let decided: Vec<_> = {
            let families = self.families();
            let fitting = |(section, bases): (usize, Vec<u64>)| {
                let fits = bases.iter().copied().filter(|base| self.fits(section, *base));
                let fitting: Vec<u64> = fits.collect();
                // What is between other sections of the object's is the object's.
                let among = families.get(self.family(section));
                let inside = fitting.iter().copied();
                let inside = inside.filter(|base| among.is_some_and(|among| among.contains(base)));
                let inside: Vec<u64> = inside.collect();
                let fitting = if inside.len() == 1 { inside } else { fitting };
                (section, bases, fitting)
            };
            open.into_iter().map(fitting).collect()
        };
        for (section, bases, fitting) in decided {
            match *fitting {
                [base] => drop(self.addresses.insert(Unit::Section(section), base)),
                [] => drop(self.nowhere.insert(section, bases.len())),
                _ => drop(self.open.insert(section, fitting)),
            }
        }
    }

    /// Whether a section may be at an address.
    fn fits(&self, section: usize, base: u64) -> bool {
        let parts = self.object.parts.get(self.object.parts_of(section)).unwrap_or_default();
        parts.iter().all(|part| {
            !matches!(self.compare(part, base), Comparison::Differs(_))
                && self.said(part, base).into_iter().all(|(unit, address)| {
                    self.addresses.get(&unit).is_none_or(|known| *known == address)
                })
        })
    }
}

/// What became of a section that has weak definitions only.
enum Weak {
    /// The kernel has it.
    There(u64),
    /// The kernel has other definitions.
    Overridden,
    /// It may be in one of these places.
    Open(Vec<u64>),
}

impl Weak {
    /// `bases`: where names say that it may be, and where other code is than its own. `among`: where the kernel has others of
    /// the object's sections.
    fn of(bases: Vec<u64>, among: Option<&Range<u64>>) -> Self {
        let inside = bases.iter().find(|base| among.is_some_and(|among| among.contains(base)));
        match inside {
            Some(base) => Self::There(*base),
            None if among.is_some() => Self::Overridden,
            None => Self::Open(bases),
        }
    }
}

/// The places that most say.
fn best(votes: &BTreeMap<u64, usize>) -> Vec<u64> {
    let most = votes.values().copied().max().unwrap_or(0);
    votes.iter().filter(|(_, votes)| **votes == most).map(|(base, _)| *base).collect()
}
