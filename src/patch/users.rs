//! Which of the objects that a livepatch patches have code that uses a location.
//!
//! Replaced functions and callbacks belong to an object, which uses all that they call, jump to or
//! take the address of, in code and through data. This comes from relocations and, where the
//! assembler has resolved them, from instructions
//! ([`branches`](klp_arch::InstructionSet::branches)). It may overestimate, but includes everything
//! that a direct reference reaches.

use klp_arch::Machine;
use rustc_hash::{FxHashMap, FxHashSet};

use super::Tables;
use super::registered::location;
use crate::elf::{Location, Module, Section, SectionFlags, SectionIndex, Symbol, SymbolSection};
use crate::kmod::THIS_MODULE;

/// Most objects that are distinguished. In patches of more, every object is assumed to use
/// everything.
const OBJECTS_MAX: usize = 64;

/// How far from its start a function may be entered, in bytes: some machines have two entries.
const ENTRY: u64 = 8;

/// Sections whose references are not uses: the module itself, and its tables.
const NO_USERS: [&[u8]; 4] = [THIS_MODULE, b".init.klp_objects", b"__klp_objects", b"__mcount_loc"];

/// The users of each location.
#[derive(Debug)]
pub(crate) struct Users {
    units: Units,
    /// A bit for each object, by start of the unit or by location.
    masks: FxHashMap<Location, u64>,
}

impl Users {
    /// Follows the code of every object from its functions on. Objects are numbered as in the
    /// tables.
    pub(crate) fn of(module: &Module<'_>, machine: &Machine, tables: &Tables<'_>) -> Self {
        let units = Units::of(module);
        let mut masks: FxHashMap<Location, u64> = FxHashMap::default();
        let mut queue = Vec::new();
        for (number, object) in tables.objects().iter().enumerate() {
            let bit = if tables.objects().len() > OBJECTS_MAX { u64::MAX } else { 1 << number };
            let functions = object.functions.iter().filter_map(|function| function.new_func);
            for location in functions.chain(object.callbacks.into_iter().flatten()) {
                *masks.entry(units.around(location)).or_default() |= bit;
                queue.push(units.around(location));
            }
        }
        let mut references = references(module, machine, &units);
        // Tables of functions do not use them, and neither does code with an address nearby.
        let functions = tables.objects().iter().flat_map(|object| &object.functions);
        for table in functions.map(|function| units.around(function.sympos_at)) {
            references.remove(&table);
        }
        while let Some(unit) = queue.pop() {
            let mask = masks.get(&unit).copied().unwrap_or(0);
            for next in references.get(&unit).into_iter().flatten() {
                let known = masks.entry(*next).or_default();
                if mask & !*known != 0 {
                    *known |= mask;
                    queue.push(*next);
                }
            }
        }
        Self { units, masks }
    }

    /// The numbers of the objects whose code uses a location; none if that is not known.
    pub(crate) fn at(&self, location: Location) -> impl Iterator<Item = usize> + use<> {
        let mask = self.masks.get(&self.units.around(location)).copied().unwrap_or(0);
        (0..OBJECTS_MAX).filter(move |number| mask >> number & 1 == 1)
    }
}

/// Functions and data objects: used as a whole or not at all.
#[derive(Debug)]
struct Units {
    /// Start and end of each, sorted by distinct starts.
    sorted: Vec<(Location, u64)>,
}

impl Units {
    fn of(module: &Module<'_>) -> Self {
        let symbols = module.symbols().filter(Symbol::is_function_or_object);
        let mut sorted: Vec<_> = symbols
            .filter_map(|symbol| match symbol.section {
                SymbolSection::Defined(section) => {
                    let end = symbol.st_value.saturating_add(symbol.st_size.max(1));
                    Some((Location { section, offset: symbol.st_value }, end))
                }
                _ => None,
            })
            .collect();
        // The longest comes first and stays.
        sorted.sort_unstable_by_key(|(start, end)| (*start, std::cmp::Reverse(*end)));
        sorted.dedup_by_key(|(start, _)| *start);
        Self { sorted }
    }

    /// The start of the unit that covers a location, or else the location itself.
    fn around(&self, location: Location) -> Location {
        self.unit(location).unwrap_or(location)
    }

    fn unit(&self, location: Location) -> Option<Location> {
        let after = self.sorted.partition_point(|(start, _)| *start <= location);
        let last = after.checked_sub(1).and_then(|last| self.sorted.get(last));
        let covers =
            last.filter(|(start, end)| start.section == location.section && location.offset < *end);
        covers.map(|(start, _)| *start)
    }
}

/// What each unit refers to.
fn references(
    module: &Module<'_>,
    machine: &Machine,
    units: &Units,
) -> FxHashMap<Location, Vec<Location>> {
    let mut references: FxHashMap<Location, Vec<Location>> = FxHashMap::default();
    let mut refer = |from: Location, to: Location| {
        let (from, to) = (units.around(from), units.around(to));
        if from != to {
            references.entry(from).or_default().push(to);
        }
    };
    let loaded = |section: &&Section<'_>| {
        section.sh_flags.contains(SectionFlags::ALLOC) && !NO_USERS.contains(&section.name)
    };
    let mut relocated: FxHashMap<SectionIndex, FxHashSet<u64>> = FxHashMap::default();
    for table in module.relocation_sections() {
        let section = SectionIndex::new(table.sh_info);
        if module.section(section).filter(loaded).is_none() {
            continue;
        }
        let fields = relocated.entry(section).or_default();
        for rela in module.relocations(table.index) {
            fields.insert(rela.offset);
            if let Some(to) = location(module, machine, rela) {
                refer(Location { section, offset: rela.offset }, to);
            }
        }
    }
    for section in module.sections().filter(loaded) {
        if !section.sh_flags.contains(SectionFlags::EXECINSTR) {
            continue;
        }
        let fields = relocated.get(&section.index);
        for branch in machine.instructions.branches(module.body(section.index)) {
            let field = u64::try_from(branch.field).unwrap_or(u64::MAX);
            let target = u64::try_from(branch.target).ok();
            let Some(offset) = target.filter(|_| fields.is_none_or(|f| !f.contains(&field))) else {
                continue;
            };
            let to = Location { section: section.index, offset };
            let enters = |start: Location| offset - start.offset <= ENTRY;
            if units.unit(to).is_some_and(enters) {
                refer(Location { section: section.index, offset: field }, to);
            }
        }
    }
    references
}
