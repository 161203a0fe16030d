//! The records of kpatch's `create-diff-object`, which `create-klp-module` finishes.
//!
//! `.kpatch.relocations` has a record for each klp relocation, `.kpatch.symbols` one for the symbol of each, so a symbol may
//! be there several times; names are in `.kpatch.strings`. The klp symbols are not in the symbol table yet, and nothing is in
//! the place of the relocations. Numbers have the byte order of the machine that kpatch ran on. What is in `.kpatch.arch` is
//! read by [`arch_sections`]. Sources: kpatch's `kpatch-build/kpatch-intermediate.h`, `kpatch-build/create-klp-module.c`.

use std::collections::BTreeMap;

use klp_arch::Machine;
use object::elf::{
    STB_GLOBAL, STB_LOCAL, STB_WEAK, STT_FUNC, STT_NOTYPE, STT_OBJECT, SymbolBind, SymbolType,
};
use scroll::Endian;

use super::table::{Layout, Table};
use super::{
    Intermediate, Record, RecordError, RecordFault, RecordedSymbol, arch_sections, byte_order,
};
use crate::elf::{Location, Module, Rela, Section, SectionIndex, SymbolIndex};
use crate::name::{KlpSymbol, ObjectName, Position, shown};

const RELOCATIONS: &str = ".kpatch.relocations";
const SYMBOLS: &str = ".kpatch.symbols";
pub(super) const STRINGS: &str = ".kpatch.strings";

/// Offsets in `struct kpatch_relocation`, in bytes.
const PLACE: u64 = 0;
const TYPE: usize = 8;
const ADDEND: usize = 16;
const GATE: u64 = 24;
const SYMBOL: u64 = 32;
const OF_RELOCATIONS: Layout =
    Layout { size: 40, pointers: &[(PLACE, "location"), (GATE, "object"), (SYMBOL, "symbol")] };

/// Offsets in `struct kpatch_symbol`, in bytes.
const POSITION: usize = 8;
const BINDING: usize = 16;
const KIND: usize = 17;
const NAME: u64 = 24;
const OWNER: u64 = 32;
const OF_SYMBOLS: Layout = Layout { size: 40, pointers: &[(NAME, "name"), (OWNER, "object")] };

/// Whether a section holds records of klp relocations or their symbols.
pub(crate) fn is_record(section: &Section<'_>) -> bool {
    [RELOCATIONS, SYMBOLS].iter().any(|name| section.name == name.as_bytes())
}

/// Whether create-klp-module has something left to do. There may be special sections to copy, and no klp relocations.
pub(super) fn is_pending(module: &Module<'_>) -> bool {
    let is_there = |name: &str| module.sections_named(name.as_bytes()).next().is_some();
    module.sections().any(|section| is_record(section) && section.sh_size > 0)
        || arch_sections::are_recorded(module) && is_there(RELOCATIONS) && is_there(SYMBOLS)
}

/// Reads all records.
pub(super) fn read(
    module: &Module<'_>,
    machine: &Machine,
    found: &mut Intermediate,
    errors: &mut Vec<RecordError>,
) {
    let mut needed = |name| match only(module, name) {
        Ok(section) => Some(section),
        Err(fault) => {
            let other = if name == RELOCATIONS { SYMBOLS } else { RELOCATIONS };
            let section = if fault == RecordFault::Twice { name } else { other };
            errors.push(RecordError { section: section.into(), record: None, fault });
            None
        }
    };
    let (Some(relocations), Some(symbols), Some(strings)) =
        (needed(RELOCATIONS), needed(SYMBOLS), needed(STRINGS))
    else {
        return;
    };
    let sections = &mut found.sections;
    let relocations = Table::read(module, machine, relocations, OF_RELOCATIONS, sections, errors);
    let symbols = Table::read(module, machine, symbols, OF_SYMBOLS, sections, errors);
    if relocations.len() != symbols.len() {
        let counts = RecordFault::Counts { relocations: relocations.len(), symbols: symbols.len() };
        errors.push(relocations.fault(None, counts));
    }
    if !errors.is_empty() {
        return;
    }
    found.sections.extend(arch_sections::records(module));
    found.has_arch = arch_sections::are_recorded(module);
    let types = (0..relocations.len())
        .map(|at| relocations.record(at).get(TYPE..TYPE.saturating_add(4)).unwrap_or_default());
    let order = byte_order::of_types(&types, machine, module.endian());
    let mut reader = Reader {
        module,
        relocations,
        symbols,
        strings: strings.index,
        order,
        indices: BTreeMap::new(),
        new: Vec::new(),
    };
    for number in 0..reader.relocations.len() {
        match reader.record(machine, number) {
            Ok(record) => found.records.push(record),
            Err(error) => errors.push(error),
        }
    }
    found.symbols = reader.new;
}

/// The one section of a name.
pub(super) fn only<'m, 'data>(
    module: &'m Module<'data>,
    name: &'static str,
) -> Result<&'m Section<'data>, RecordFault> {
    let mut sections = module.sections_named(name.as_bytes());
    let first = sections.next().ok_or(RecordFault::NoSection(name))?;
    if sections.next().is_some() { Err(RecordFault::Twice) } else { Ok(first) }
}

struct Reader<'m, 'data> {
    module: &'m Module<'data>,
    relocations: Table<'m, 'data>,
    symbols: Table<'m, 'data>,
    strings: SectionIndex,
    order: Endian,
    /// The klp symbols, each once.
    indices: BTreeMap<KlpSymbol, SymbolIndex>,
    new: Vec<RecordedSymbol>,
}

impl Reader<'_, '_> {
    fn record(&mut self, machine: &Machine, number: usize) -> Result<Record, RecordError> {
        let table = &self.relocations;
        let fault = |fault| table.fault(Some(number), fault);
        let kind = table.number::<u32>(number, TYPE, self.order);
        if !byte_order::is_known(machine, kind) {
            return Err(fault(RecordFault::Type(kind)));
        }
        let place = table.location(number, PLACE)?;
        let place = place.filter(|place| {
            self.module.section(place.section).is_some_and(|s| place.offset < s.sh_size)
        });
        let Location { section: target, offset } =
            place.ok_or_else(|| fault(RecordFault::NoLocation))?;
        let gate: ObjectName = shown(table.text(number, GATE, self.strings)?.as_bytes())
            .parse()
            .map_err(|error| fault(RecordFault::Name(error)))?;
        let addend = table.number::<i64>(number, ADDEND, self.order);
        // What is far outside the address space is near 0 when it is read the other way round.
        let near = |addend: i64| i32::try_from(addend).is_ok();
        if !near(addend) && near(addend.swap_bytes()) {
            return Err(fault(RecordFault::Addend(addend)));
        }
        let symbol = table.location(number, SYMBOL)?;
        let symbol = symbol.filter(|to| to.section == self.symbols.section.index);
        let symbol = symbol.map(|to| to.offset).filter(|at| at.is_multiple_of(OF_SYMBOLS.size));
        let symbol = symbol.and_then(|at| usize::try_from(at / OF_SYMBOLS.size).ok());
        let symbol = symbol.filter(|symbol| *symbol < self.symbols.len());
        let symbol = symbol.ok_or_else(|| fault(RecordFault::NoSymbol))?;
        let section = table.section.index;
        let symbol = self.symbol(symbol)?;
        let rela = Rela { offset, symbol, kind, addend };
        Ok(Record { section, number, gate, target, rela, plain: None })
    }

    /// The index of the klp symbol that a record describes.
    fn symbol(&mut self, record: usize) -> Result<SymbolIndex, RecordError> {
        let table = &self.symbols;
        let fault = |fault| table.fault(Some(record), fault);
        let position = table.number::<u64>(record, POSITION, self.order);
        let position = u32::try_from(position)
            .map_err(|_| fault(RecordFault::Position(position)))
            .map(Position::from)?;
        let text = |at| table.text(record, at, self.strings).map(|text| shown(text.as_bytes()));
        let name = |error| fault(RecordFault::Name(error));
        let klp = KlpSymbol {
            owner: text(OWNER)?.parse().map_err(name)?,
            symbol: text(NAME)?.parse().map_err(name)?,
            position,
        };
        let byte = |at| table.record(record).get(at).copied().unwrap_or_default();
        let (bind, kind) = (byte(BINDING), byte(KIND));
        let (binding, of_kind) = (SymbolBind(bind), SymbolType(kind));
        if ![STB_LOCAL, STB_GLOBAL, STB_WEAK].contains(&binding)
            || ![STT_NOTYPE, STT_OBJECT, STT_FUNC].contains(&of_kind)
        {
            return Err(fault(RecordFault::SymbolKind { bind, kind }));
        }
        if let Some(index) = self.indices.get(&klp) {
            return Ok(*index);
        }
        let count = self.module.symbol_count().saturating_add(self.new.len());
        let index = SymbolIndex::new(u32::try_from(count).unwrap_or(u32::MAX));
        self.indices.insert(klp.clone(), index);
        self.new.push(RecordedSymbol { index, klp, new: Some((binding, of_kind)) });
        Ok(index)
    }
}
