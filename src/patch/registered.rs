//! The `struct klp_patch` that a module passes to `klp_enable_patch`.
//!
//! A patch is recognised by what it points to: a module, and a table of objects whose first one has
//! functions to replace. If code fills in `mod`, or if there are several, it is the one whose
//! address is taken in the function that calls `klp_enable_patch`; if that is not exactly one, code
//! chooses, and nothing is known.

use std::collections::BTreeSet;

use klp_arch::Machine;

use super::pointers::{Pointer, Pointers};
use super::structures::{MOD, OBJS, is_table_of_objects, may_be_table_of_objects};
use crate::elf::{
    Location, Module, Rela, SectionFlags, SectionIndex, Symbol, SymbolIndex, SymbolSection,
};

/// `struct module` of the module itself.
const THIS_MODULE: &[u8] = b".gnu.linkonce.this_module";

/// The patch; `None` if it is not static or not unique.
pub(crate) fn patch(
    pointers: &Pointers<'_, '_>,
    machine: &Machine,
    enable: SymbolIndex,
) -> Option<Location> {
    let is_this = |location| {
        let section = pointers.to(location).and_then(|to| pointers.module.section(to.section));
        section.is_some_and(|section| section.name == THIS_MODULE)
    };
    let (mut alike, mut said, mut faulty) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (location, _) in pointers.all() {
        let Some(offset) = location.offset.checked_sub(OBJS) else { continue };
        let patch = Location { offset, ..location };
        let said_so = is_this(patch.plus(MOD));
        let table = match pointers.at(location) {
            Some(Pointer::To(table)) => table,
            Some(Pointer::Astray) if said_so => {
                faulty.insert(patch);
                continue;
            }
            _ => continue,
        };
        if is_table_of_objects(pointers, table) {
            alike.insert(patch);
            said.extend(said_so.then_some(patch));
        } else if said_so && may_be_table_of_objects(pointers, table) {
            faulty.insert(patch);
        }
    }
    if said.len() == 1 {
        return said.pop_first();
    }
    // Tables that the kernel refuses count only if there is nothing better.
    let candidates = match (alike.is_empty(), said.is_empty()) {
        (true, _) => faulty,
        (false, true) => alike,
        (false, false) => said,
    };
    let taken = taken(pointers, machine, enable);
    let mut handed = candidates.intersection(&taken);
    // A module has one patch: of several, code chooses.
    handed.next().copied().filter(|_| handed.next().is_none())
}

/// Whether a patch says that it is of something else than this module.
pub(crate) fn is_of_another(pointers: &Pointers<'_, '_>, patch: Location) -> bool {
    let is_this = |location: Location| {
        let section = pointers.module.section(location.section);
        location.offset == 0 && section.is_some_and(|section| section.name == THIS_MODULE)
    };
    match pointers.at(patch.plus(MOD)) {
        // Code fills it in.
        None => false,
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
