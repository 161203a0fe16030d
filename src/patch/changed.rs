//! Whether code changes the tables of a patch before it enables it.
//!
//! Static tables are what the kernel reads unless something writes, or may write, to the fields
//! that authors fill in: a store, or an address passed to anything but the livepatch core. If a
//! compiler reaches several objects from one address, that does not count as a use of the object
//! there.

use std::collections::BTreeSet;

use klp_arch::{Address, AddressUse, Machine, RelocationTarget, UseKind};

use super::extent::Extent;
use super::pointers::Pointers;
use super::uses::{self, location_of, pointed_to};
use crate::elf::{Location, SectionIndex, SymbolSection};

/// Kernel functions that take a patch and change nothing that is read here.
/// Source: `kernel/livepatch/core.c`, `kernel/livepatch/state.c`.
const TRUSTED: [&[u8]; 2] = [super::ENABLE, b"klp_get_state"];

/// Whether code writes to one of these tables, or may.
pub(super) fn are_changed(
    pointers: &Pointers<'_, '_>,
    machine: &Machine,
    tables: &[Extent],
) -> bool {
    let module = pointers.module;
    let undefined = module.symbols_in(SymbolSection::Undefined);
    let trusted = undefined.filter(|symbol| TRUSTED.contains(&symbol.name));
    let trusted: Vec<_> = trusted.map(|symbol| symbol.index.get()).collect();
    let sections: BTreeSet<_> = tables.iter().map(|table| table.start.section).collect();
    let near = |section: u32| sections.contains(&SectionIndex::new(section));
    let is_near = |named: &RelocationTarget| match named {
        RelocationTarget::Inside(address) => {
            near(address.section)
                || pointed_to(pointers, *address).is_some_and(|to| near(to.section))
        }
        RelocationTarget::Outside(_) => false,
    };
    uses::any(pointers, machine, &is_near, &mut |uses| changes(uses, &trusted, tables))
}

/// Whether a function with these uses changes a table.
fn changes(uses: &[AddressUse], trusted: &[u32], tables: &[Extent]) -> bool {
    // Tables are sorted, and there may be many: the one that starts at or before a location.
    let before = |location: Location| {
        let after = tables.partition_point(|table| table.start <= location);
        after.checked_sub(1).and_then(|last| tables.get(last))
    };
    let is_in = |table: &Extent, at: Address| location_of(at).is_some_and(|at| table.whole(at));
    let table = |at: Address| before(location_of(at)?).filter(|table| is_in(table, at));
    // Addresses from which something else is reached as well.
    let anchors: BTreeSet<_> = uses
        .iter()
        .filter(|used| {
            matches!(used.kind, UseKind::Derived | UseKind::Loaded(_) | UseKind::Stored(_))
        })
        .filter(|used| table(used.from).is_some_and(|table| !is_in(table, used.address)))
        .map(|used| used.from)
        .collect();
    uses.iter().any(|used| {
        let AddressUse { address, from, kind } = *used;
        match kind {
            UseKind::Derived | UseKind::Loaded(_) => false,
            UseKind::Passed(Some(callee)) if trusted.contains(&callee) => false,
            UseKind::Stored(size) => {
                let Some(location) = location_of(address) else { return false };
                let touched = [location, location.plus(size.saturating_sub(1))].map(before);
                touched.into_iter().flatten().any(|table| table.is_written(location, size))
            }
            UseKind::Passed(_) | UseKind::Taken => {
                let Some(location) = location_of(address) else { return false };
                before(location).is_some_and(|table| table.leads_to(location))
                    && !(address == from && anchors.contains(&from))
            }
        }
    })
}
