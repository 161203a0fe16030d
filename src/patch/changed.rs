//! Whether code changes the tables of a patch before it enables it.
//!
//! Static tables are what the kernel reads unless something writes, or may write, to the fields
//! that authors fill in: a store, or an address passed to anything but the livepatch core. If a
//! compiler reaches several objects from one address, that does not count as a use of the object
//! there.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use klp_arch::{Address, AddressUse, FunctionCode, Machine, RelocationTarget, UseKind};
use rustc_hash::FxHashMap;

use super::pointers::Pointers;
use super::registered::distance;
use super::structures::Extent;
use crate::elf::{Location, Module, SectionFlags, SectionIndex, Symbol, SymbolSection};

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
    let starts = OnceCell::new();
    module.relocation_sections().any(|table| {
        let section = SectionIndex::new(table.sh_info);
        let code = module.section(section).is_some_and(|section| {
            section.sh_flags.contains(SectionFlags::ALLOC | SectionFlags::EXECINSTR)
        });
        if !code {
            return false;
        }
        let named = module.relocations(table.index).filter_map(|rela| {
            let named = match distance(module, machine, rela) {
                Some((section, offset)) => {
                    RelocationTarget::Inside(Address { section: section.get(), offset })
                }
                None => RelocationTarget::Outside(rela.symbol.get()),
            };
            Some((usize::try_from(rela.offset).ok()?, named))
        });
        let mut named: Vec<_> = named.collect();
        named.sort_unstable_by_key(|(field, _)| *field);
        let is_near = |named: &RelocationTarget| match named {
            RelocationTarget::Inside(address) => {
                near(address.section) || to(pointers, *address).is_some_and(|to| near(to.section))
            }
            RelocationTarget::Outside(_) => false,
        };
        if !named.iter().any(|(_, named)| is_near(named)) {
            return false;
        }
        let body = module.body(section);
        let starts = starts.get_or_init(|| functions(module)).get(&section);
        let starts = starts.into_iter().flatten().filter(|start| **start < body.len());
        let mut starts: Vec<_> = starts.copied().chain([0, body.len()]).collect();
        starts.sort_unstable();
        starts.dedup();
        starts.windows(2).any(|bounds| {
            let [start, end] = *bounds else { return false };
            let first = named.partition_point(|(field, _)| *field < start);
            let after = named.partition_point(|(field, _)| *field < end);
            let inside = named.get(first..after).unwrap_or_default();
            let (true, Some(code)) =
                (inside.iter().any(|(_, named)| is_near(named)), body.get(start..end))
            else {
                return false;
            };
            let relocations: Vec<_> =
                inside.iter().map(|(field, named)| (field - start, *named)).collect();
            let pointer = |at: Address| to(pointers, at);
            let function = FunctionCode { code, relocations: &relocations, pointer: &pointer };
            changes(&machine.instructions.uses(function), &trusted, tables)
        })
    })
}

/// The target of a pointer in data.
fn to(pointers: &Pointers<'_, '_>, at: Address) -> Option<Address> {
    let to = pointers.to(location_of(at)?)?;
    Some(Address { section: to.section.get(), offset: i64::try_from(to.offset).ok()? })
}

fn location_of(Address { section, offset }: Address) -> Option<Location> {
    Some(Location { section: SectionIndex::new(section), offset: u64::try_from(offset).ok()? })
}

/// Start offsets of functions, by section.
fn functions(module: &Module<'_>) -> FxHashMap<SectionIndex, Vec<usize>> {
    let mut functions: FxHashMap<_, Vec<_>> = FxHashMap::default();
    for symbol in module.symbols().filter(Symbol::is_function_or_object) {
        if let (SymbolSection::Defined(section), Ok(start)) =
            (symbol.section, usize::try_from(symbol.st_value))
        {
            functions.entry(section).or_default().push(start);
        }
    }
    functions
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
