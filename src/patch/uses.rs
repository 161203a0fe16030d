//! What the functions of a module do with addresses of its data.

use std::cell::OnceCell;

use klp_arch::{Address, AddressUse, FunctionCode, Machine, RelocationTarget};
use rustc_hash::FxHashMap;

use super::pointers::Pointers;
use super::registered::distance;
use crate::elf::{Location, Module, SectionFlags, SectionIndex, Symbol, SymbolSection};

/// Whether `holds` is true of the uses in any function with a relocation of interest.
pub(super) fn any(
    pointers: &Pointers<'_, '_>,
    machine: &Machine,
    is_of_interest: &dyn Fn(&RelocationTarget) -> bool,
    holds: &mut dyn FnMut(&[AddressUse]) -> bool,
) -> bool {
    let module = pointers.module;
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
        if !named.iter().any(|(_, named)| is_of_interest(named)) {
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
                (inside.iter().any(|(_, named)| is_of_interest(named)), body.get(start..end))
            else {
                return false;
            };
            let relocations: Vec<_> =
                inside.iter().map(|(field, named)| (field - start, *named)).collect();
            let pointer = |at: Address| pointed_to(pointers, at);
            let function = FunctionCode { code, relocations: &relocations, pointer: &pointer };
            holds(&machine.instructions.uses(function))
        })
    })
}

/// The target of a pointer in data.
pub(super) fn pointed_to(pointers: &Pointers<'_, '_>, at: Address) -> Option<Address> {
    let to = pointers.to(location_of(at)?)?;
    Some(Address { section: to.section.get(), offset: i64::try_from(to.offset).ok()? })
}

/// The location of an address, unless that is before its section.
pub(super) fn location_of(Address { section, offset }: Address) -> Option<Location> {
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
