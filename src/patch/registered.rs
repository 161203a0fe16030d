//! The `struct klp_patch` that a module passes to `klp_enable_patch`.
//!
//! It is the one whose address the code passes, where that shows. Otherwise a patch is recognised by what it points to:
//! a module, and a table of objects whose first one has functions to replace. If code fills in `mod`, or if there are
//! several, it is the one whose address is taken in the function that calls `klp_enable_patch`; if that is not exactly
//! one, code chooses, and nothing is known.

use std::collections::BTreeSet;

use klp_arch::{Address, Machine, RelocationTarget, UseKind};

use super::extent::PATCH_MIN;
use super::pointers::{Pointer, Pointers};
use super::structures::{MOD, OBJS, Unread, is_table_of_objects, may_be_table_of_objects};
use super::uses::{self, location_of};
use crate::elf::{
    Location, Module, Rela, SectionFlags, SectionIndex, Symbol, SymbolIndex, SymbolSection,
};
use crate::kmod::THIS_MODULE;

/// The patch.
///
/// # Errors
/// [`Unread::Unknown`]: it is not static or not unique; [`Unread::Astray`]: code passes another address than its.
pub(super) fn patch(
    pointers: &Pointers<'_, '_>,
    machine: &Machine,
    enable: SymbolIndex,
) -> Result<Location, Unread> {
    let candidates = Candidates::of(pointers);
    let taken = taken(pointers, machine, enable);
    let others = |passed: Address| {
        let may_be_patch = |at: &Location| {
            candidates.all().any(|patch| patch == at) || is_room_for_patch(pointers, *at)
        };
        // What is taken to be a slot gives its pointer, too.
        let passed = location_of(passed);
        let ours = [passed, passed.and_then(|passed| pointers.to(passed))];
        taken.iter().any(|at| !ours.contains(&Some(*at)) && may_be_patch(at))
    };
    if let Some(passed) = passed(pointers, machine, enable).filter(|passed| !others(*passed)) {
        return match location_of(passed) {
            Some(location) if candidates.all().any(|patch| *patch == location) => Ok(location),
            Some(location) if is_room_for_patch(pointers, location) => Ok(location),
            None => Err(Unread::Astray),
            Some(location) if candidates.all().any(|patch| is_beside(location, *patch)) => {
                Err(Unread::Astray)
            }
            Some(_) => Err(Unread::Unknown),
        };
    }
    let Candidates { alike, mut said, faulty } = candidates;
    if said.len() == 1 {
        // Compilers may reach it from another variable of its section.
        let reached = |patch: &Location| {
            let mut data = taken.iter().filter(|at| pointers.is_data(**at)).peekable();
            data.peek().is_none() || data.any(|at| at.section == patch.section)
        };
        return said.pop_first().filter(reached).ok_or(Unread::Unknown);
    }
    // Tables that the kernel refuses count only if there is nothing better.
    let candidates = match (alike.is_empty(), said.is_empty()) {
        (true, _) => faulty,
        (false, true) => alike,
        (false, false) => said,
    };
    let mut handed = candidates.intersection(&taken).copied();
    // A module has one patch: of several, code chooses.
    handed.next().filter(|_| handed.next().is_none()).ok_or(Unread::Unknown)
}

/// What looks like a patch.
#[derive(Debug, Default)]
struct Candidates {
    /// With a table of objects.
    alike: BTreeSet<Location>,
    /// Those of `alike` that say that they are of this module.
    said: BTreeSet<Location>,
    /// With a table that the kernel refuses, and of this module.
    faulty: BTreeSet<Location>,
}

impl Candidates {
    fn of(pointers: &Pointers<'_, '_>) -> Self {
        let is_this = |location| {
            let section = pointers.to(location).and_then(|to| pointers.module.section(to.section));
            section.is_some_and(|section| section.name == THIS_MODULE)
        };
        let mut found = Self::default();
        for (location, _) in pointers.all() {
            let Some(offset) = location.offset.checked_sub(OBJS) else { continue };
            let patch = Location { offset, ..location };
            let said_so = is_this(patch.plus(MOD));
            let table = match pointers.at(location) {
                Some(Pointer::To(table)) => table,
                Some(Pointer::Astray | Pointer::Contested) if said_so => {
                    found.faulty.insert(patch);
                    continue;
                }
                _ => continue,
            };
            if is_table_of_objects(pointers, table) {
                found.alike.insert(patch);
                found.said.extend(said_so.then_some(patch));
            } else if said_so && may_be_table_of_objects(pointers, table) {
                found.faulty.insert(patch);
            }
        }
        found
    }

    fn all(&self) -> impl Iterator<Item = &Location> {
        self.alike.iter().chain(&self.faulty)
    }
}

/// The address that code passes to `klp_enable_patch`; `None` if it passes several, or it does not show.
fn passed(pointers: &Pointers<'_, '_>, machine: &Machine, enable: SymbolIndex) -> Option<Address> {
    let enable = enable.get();
    let calls = |named: &RelocationTarget| *named == RelocationTarget::Outside(enable);
    let mut passed = BTreeSet::new();
    uses::any(pointers, machine, &calls, &mut |uses| {
        let arguments = uses.iter().filter(|used| used.kind == UseKind::Passed(Some(enable)));
        passed.extend(arguments.map(|used| used.address));
        false
    });
    passed.pop_first().filter(|_| passed.is_empty())
}

/// Whether a location is not that of a patch, but near it.
fn is_beside(location: Location, patch: Location) -> bool {
    location.section == patch.section
        && location.offset < patch.offset.saturating_add(PATCH_MIN)
        && patch.offset < location.offset.saturating_add(PATCH_MIN)
}

/// Whether this is a variable that a patch fits in.
fn is_room_for_patch(pointers: &Pointers<'_, '_>, location: Location) -> bool {
    let module = pointers.module.section(location.section);
    module.is_some_and(|section| section.name != THIS_MODULE)
        && pointers.is_written(location)
        && pointers.is_data(location)
        && pointers.size(location).is_some_and(|size| size >= PATCH_MIN)
}

/// Whether a patch says that it is of something else than this module.
pub(crate) fn is_of_another(pointers: &Pointers<'_, '_>, patch: Location) -> bool {
    let is_this = |location: Location| {
        let section = pointers.module.section(location.section);
        location.offset == 0 && section.is_some_and(|section| section.name == THIS_MODULE)
    };
    match pointers.at(patch.plus(MOD)) {
        // Which one the kernel has in the end is not known.
        None | Some(Pointer::Contested) => false,
        Some(Pointer::To(location)) => !is_this(location),
        Some(Pointer::Outside | Pointer::Astray) => true,
    }
}

/// The locations whose addresses are taken in functions that call `klp_enable_patch`.
fn taken(
    pointers: &Pointers<'_, '_>,
    machine: &Machine,
    enable: SymbolIndex,
) -> BTreeSet<Location> {
    let module = pointers.module;
    let mut taken = BTreeSet::new();
    for table in module.relocation_sections() {
        let section = SectionIndex::new(table.sh_info);
        let code = module.section(section).is_some_and(|section| {
            section.sh_flags.contains(SectionFlags::ALLOC | SectionFlags::EXECINSTR)
        });
        let relocations = || module.relocations(table.index);
        if !code || relocations().all(|rela| rela.symbol != enable) {
            continue;
        }
        let functions = functions(module, section);
        let calls = relocations().filter(|rela| rela.symbol == enable);
        let calling: BTreeSet<_> = calls.map(|call| function(&functions, call.offset)).collect();
        // Code without a symbol may be any function's.
        let all = calling.contains(&None);
        let inside = relocations()
            .filter(|rela| all || calling.contains(&function(&functions, rela.offset)));
        for location in inside.filter_map(|rela| location(module, machine, rela)) {
            taken.insert(location);
            // Through a slot that has the address.
            taken.extend(pointers.to(location));
        }
    }
    taken
}

/// Start and end of each function of a section, sorted.
fn functions(module: &Module<'_>, section: SectionIndex) -> Vec<(u64, u64)> {
    let symbols = module.symbols_in(SymbolSection::Defined(section));
    let functions = symbols.filter(Symbol::is_function_or_object);
    let functions = functions.map(|s| (s.st_value, s.st_value.saturating_add(s.st_size)));
    let mut functions: Vec<_> = functions.collect();
    functions.sort_unstable();
    functions
}

/// The function around an offset, by its symbol.
fn function(functions: &[(u64, u64)], offset: u64) -> Option<(u64, u64)> {
    let after = functions.partition_point(|(start, _)| *start <= offset);
    let last = after.checked_sub(1).and_then(|last| functions.get(last));
    last.copied().filter(|(_, end)| offset < *end)
}

/// The location in the module that a relocation of code refers to.
pub(crate) fn location(module: &Module<'_>, machine: &Machine, rela: Rela) -> Option<Location> {
    let (section, offset) = distance(module, machine, rela)?;
    Some(Location { section, offset: u64::try_from(offset).ok()? })
}

/// Its section and signed offset: the addend may lead to before the section.
pub(crate) fn distance(
    module: &Module<'_>,
    machine: &Machine,
    rela: Rela,
) -> Option<(SectionIndex, i64)> {
    let row = machine.row(rela.kind)?;
    let symbol = module.symbol(rela.symbol)?;
    let SymbolSection::Defined(section) = symbol.section else { return None };
    let addend = rela.addend.checked_add(machine.instructions.code_bias(row))?;
    Some((section, i64::try_from(symbol.st_value).ok()?.checked_add(addend)?))
}
