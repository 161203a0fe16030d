//! The records of `objtool klp diff`, which `objtool klp post-link` finishes.
//!
//! A section `__klp_relocs.GATE` for each gate (Linux 6.19 to 7.1: one `__klp_relocs`, where the symbol's owner is the
//! gate) of `struct klp_reloc`: a pointer to the location, a pointer to the klp symbol, whose addend is that of the
//! relocation, and its type. Klp symbols are weak and undefined until then. In the location's place is a plain relocation
//! against a weak undefined symbol, `.klp.tombstone.NAME` (before Linux 7.2: `NAME`), for objtool to follow. Sources:
//! `tools/objtool/klp-diff.c`, `tools/objtool/klp-post-link.c`, `tools/objtool/include/objtool/klp.h`.

use std::collections::{BTreeMap, BTreeSet};

use klp_arch::Machine;

use super::table::{Layout, Table};
use super::{Intermediate, Plain, Record, RecordError, RecordFault, RecordedSymbol, byte_order};
use crate::annotation::NAME_PREFIX;
use crate::elf::{
    Location, Module, Rela, Section, SectionFlags, SectionIndex, Symbol, SymbolIndex, SymbolSection,
};
use crate::name::{KLP_SYM_PREFIX, KlpSymbol, NameError, ObjectName, shown};

/// objtool's prefix for the symbols of plain relocations until post-link disables those.
const TOMBSTONE: &[u8] = b".klp.tombstone.";
/// Sections of records: this name, or this name and `.GATE`.
const RECORDS: &[u8] = b"__klp_relocs";

/// Offsets in `struct klp_reloc`, in bytes.
const PLACE: u64 = 0;
const SYMBOL: u64 = 8;
const TYPE: usize = 16;
const LAYOUT: Layout = Layout { size: 24, pointers: &[(PLACE, "location"), (SYMBOL, "symbol")] };

/// Whether post-link would mark an undefined symbol `SHN_LIVEPATCH`. Names of annotations start the
/// same; the author wrote them, and a conversion reads them.
pub(crate) fn awaits_post_link(symbol: &Symbol<'_>) -> bool {
    let klp = symbol.name.starts_with(KLP_SYM_PREFIX.as_bytes())
        && !symbol.name.starts_with(NAME_PREFIX.as_bytes());
    klp || is_tombstone(symbol)
}

/// Whether objtool made a symbol to carry a plain relocation through the link. It is never resolved.
pub(crate) fn is_tombstone(symbol: &Symbol<'_>) -> bool {
    symbol.name.starts_with(TOMBSTONE)
}

/// Whether a section holds objtool's records.
pub(crate) fn is_record(section: &Section<'_>) -> bool {
    section.name.strip_prefix(RECORDS).is_some_and(|rest| matches!(rest, [] | [b'.', ..]))
}

/// Whether records wait for post-link: it leaves them in the module, but no undefined klp symbol.
pub(super) fn is_pending(module: &Module<'_>) -> bool {
    module.sections().any(|section| is_record(section) && section.sh_size > 0)
        && module.symbols_in(SymbolSection::Undefined).any(|symbol| awaits_post_link(&symbol))
}

/// Reads all records.
pub(super) fn read(
    module: &Module<'_>,
    machine: &Machine,
    found: &mut Intermediate,
    errors: &mut Vec<RecordError>,
) {
    found.may_stay = true;
    let sections = module.sections().filter(|section| is_record(section) && section.sh_size > 0);
    let read = |section| Table::read(module, machine, section, LAYOUT, &mut found.sections, errors);
    let tables: Vec<_> = sections.map(read).collect();
    let records = || tables.iter().flat_map(|table| (0..table.len()).map(move |at| (table, at)));
    let types = records().map(|(table, at)| table.record(at).get(TYPE..).unwrap_or_default());
    let order = byte_order::of_types(&types, machine, module.endian());
    let mut symbols = BTreeMap::new();
    for (table, number) in records() {
        let kind = table.number::<u32>(number, TYPE, order);
        let known = byte_order::is_known(machine, kind);
        let read = match known {
            true => record(module, table, number, kind, &mut symbols),
            false => Err(table.fault(Some(number), RecordFault::Type(kind))),
        };
        match read {
            Ok(record) => found.records.push(record),
            Err(error) => errors.push(error),
        }
    }
    let symbol = |(index, klp)| RecordedSymbol { index, klp, new: None };
    found.symbols.extend(symbols.into_iter().map(symbol));
    if errors.is_empty() {
        find_plain(module, found, errors);
    }
}

fn record(
    module: &Module<'_>,
    table: &Table<'_, '_>,
    number: usize,
    kind: u32,
    symbols: &mut BTreeMap<SymbolIndex, KlpSymbol>,
) -> Result<Record, RecordError> {
    let fault = |fault| table.fault(Some(number), fault);
    let name_fault = |error: NameError| fault(error.into());
    let place = table.location(number, PLACE)?;
    let place = place
        .filter(|place| module.section(place.section).is_some_and(|s| place.offset < s.sh_size));
    let Location { section: target, offset } =
        place.ok_or_else(|| fault(RecordFault::NoLocation))?;
    let Rela { symbol, addend, .. } = table.pointer(number, SYMBOL)?;
    let owner = match symbols.get(&symbol) {
        Some(klp) => klp.owner.clone(),
        None => {
            let found = module.symbol(symbol).filter(|_| symbol != SymbolIndex::NULL);
            let (name, section) = found.map_or((&b""[..], None), |s| (s.name, Some(s.section)));
            let name = shown(name);
            if section != Some(SymbolSection::Undefined) {
                return Err(fault(RecordFault::SymbolDefined(name.into_owned())));
            }
            let klp: KlpSymbol = name.parse().map_err(name_fault)?;
            let owner = klp.owner.clone();
            symbols.insert(symbol, klp);
            owner
        }
    };
    let gate = match gate(table.section) {
        Some(gate) => gate.map_err(name_fault)?,
        None => owner,
    };
    let rela = Rela { offset, symbol, kind, addend };
    Ok(Record { section: table.section.index, number, gate, target, rela, plain: None })
}

/// The gate in a section's name; `None` if it has none.
fn gate(section: &Section<'_>) -> Option<Result<ObjectName, NameError>> {
    let gate = section.name.strip_prefix(RECORDS)?.strip_prefix(b".")?;
    Some(shown(gate).parse())
}

/// Finds the plain relocation in the place of each record.
fn find_plain(module: &Module<'_>, found: &mut Intermediate, errors: &mut Vec<RecordError>) {
    let places: BTreeSet<_> = found.records.iter().map(Record::place).collect();
    let targets: BTreeSet<_> = places.iter().map(|place| place.section).collect();
    let mut plain: BTreeMap<Location, Vec<Plain>> = BTreeMap::new();
    for table in module.relocation_sections() {
        let section = SectionIndex::new(table.sh_info);
        if !targets.contains(&section) || table.sh_flags.contains(SectionFlags::RELA_LIVEPATCH) {
            continue;
        }
        for (entry, rela) in module.relocations(table.index).enumerate() {
            let place = Location { section, offset: rela.offset };
            let symbol = module.symbol(rela.symbol).filter(|_| rela.symbol != SymbolIndex::NULL);
            let undefined = symbol.is_some_and(|s| s.section == SymbolSection::Undefined);
            if undefined && places.contains(&place) {
                let (table, symbol) = (table.index, rela.symbol);
                plain.entry(place).or_default().push(Plain { table, entry, symbol });
            }
        }
    }
    for record in &mut found.records {
        let there = plain.get(&record.place()).map_or(&[][..], Vec::as_slice);
        if let [only] = there {
            record.plain = Some(*only);
        } else {
            let fault =
                RecordFault::Plain { location: record.location(module), count: there.len() };
            errors.push(record.error(module, fault));
        }
    }
}

/// Finds loaded uses of klp symbols and tombstones that no record is about: the kernel would bind them to 0.
pub(super) fn find_unrecorded(
    module: &Module<'_>,
    found: &Intermediate,
    errors: &mut Vec<RecordError>,
) {
    let recorded: BTreeSet<_> = found.symbols.iter().map(|symbol| symbol.index).collect();
    let replaced = found.records.iter().filter_map(|record| record.plain);
    let replaced: BTreeSet<_> = replaced.map(|plain| (plain.table, plain.entry)).collect();
    let mut waiting: BTreeMap<_, _> = module
        .symbols_in(SymbolSection::Undefined)
        .filter(|symbol| awaits_post_link(symbol) && !recorded.contains(&symbol.index))
        .map(|symbol| (symbol.index, symbol.name))
        .collect();
    for table in module.relocation_sections() {
        if waiting.is_empty() {
            return;
        }
        let target = module.section(SectionIndex::new(table.sh_info));
        let loaded = target.is_some_and(|target| target.sh_flags.contains(SectionFlags::ALLOC));
        if !loaded || found.sections.contains(&table.index) {
            continue;
        }
        for (entry, rela) in module.relocations(table.index).enumerate() {
            if !replaced.contains(&(table.index, entry))
                && let Some(name) = waiting.remove(&rela.symbol)
            {
                let section = shown(table.name).into();
                let fault = RecordFault::Unrecorded(shown(name).into_owned());
                errors.push(RecordError { section, record: Some(entry), fault });
            }
        }
    }
}
