//! The plan of a conversion: everything that is needed to carry it out.

use serde::Serialize;

use super::name::{KlpSection, KlpSymbol};
use crate::elf::{SectionIndex, SymbolIndex};
use crate::name::ObjectName;
use crate::{convert, intermediate, patch};

#[derive(Serialize)]
pub(in crate::cli) struct Plan<'a> {
    symbols: Vec<Symbol<'a>>,
    sections: Vec<Section<'a>>,
    arch_sections: Vec<ArchSection>,
    removed_sections: Vec<Named<'a>>,
    removed_symbols: Vec<Named<'a>>,
    /// Section and entry.
    removed_relocations: Vec<(u32, usize)>,
    /// Section and entry.
    disabled_relocations: Vec<(u32, usize)>,
    disabled_symbols: Vec<Named<'a>>,
    positions: Vec<Position<'a>>,
    exported: Vec<Exported<'a>>,
    versions: Vec<Versions<'a>>,
    depends: Option<Depends<'a>>,
}

impl<'a> From<&'a convert::Plan> for Plan<'a> {
    fn from(plan: &'a convert::Plan) -> Self {
        let places = |relocations: &[(SectionIndex, usize)]| {
            relocations.iter().map(|(table, entry)| (table.get(), *entry)).collect()
        };
        Self {
            symbols: plan.symbols.iter().map(Into::into).collect(),
            sections: plan.sections.iter().map(Into::into).collect(),
            arch_sections: plan.arch_sections.iter().map(Into::into).collect(),
            removed_sections: plan.removed_sections.iter().map(section).collect(),
            removed_symbols: plan.removed_symbols.iter().map(symbol).collect(),
            removed_relocations: places(&plan.removed_relocations),
            disabled_relocations: places(&plan.disabled_relocations),
            disabled_symbols: plan.disabled_symbols.iter().map(symbol).collect(),
            positions: plan.positions.iter().map(Into::into).collect(),
            exported: plan.exported.iter().map(Into::into).collect(),
            versions: plan.versions.iter().map(Into::into).collect(),
            depends: plan.depends.as_ref().map(Into::into),
        }
    }
}

#[derive(Serialize)]
struct Named<'a, I = u32> {
    index: I,
    name: &'a str,
}

fn section(named: &convert::Named<SectionIndex>) -> Named<'_> {
    Named { index: named.index.get(), name: &named.name }
}

fn symbol(named: &convert::Named<SymbolIndex>) -> Named<'_> {
    Named { index: named.index.get(), name: &named.name }
}

fn entry(named: &convert::Named<usize>) -> Named<'_, usize> {
    Named { index: named.index, name: &named.name }
}

#[derive(Serialize)]
struct Symbol<'a> {
    index: u32,
    name: &'a str,
    klp: KlpSymbol<'a>,
    same_as: Option<u32>,
    basis: String,
    added: bool,
}

impl<'a> From<&'a convert::PlannedSymbol> for Symbol<'a> {
    fn from(symbol: &'a convert::PlannedSymbol) -> Self {
        Self {
            index: symbol.index.get(),
            name: &symbol.name,
            klp: (&symbol.klp).into(),
            same_as: symbol.same_as.map(SymbolIndex::get),
            basis: symbol.basis.to_string(),
            added: symbol.new.is_some(),
        }
    }
}

#[derive(Serialize)]
struct Section<'a> {
    from: Named<'a>,
    recorded: bool,
    target: u32,
    to: KlpSection<'a>,
    existing: Option<u32>,
    entries: Vec<Entry<'a>>,
}

impl<'a> From<&'a convert::PlannedSection> for Section<'a> {
    fn from(planned: &'a convert::PlannedSection) -> Self {
        Self {
            from: section(&planned.from),
            recorded: planned.recorded,
            target: planned.target.get(),
            to: (&planned.to).into(),
            existing: planned.existing.map(SectionIndex::get),
            entries: planned.entries.iter().map(Into::into).collect(),
        }
    }
}

#[derive(Serialize)]
struct ArchSection {
    name: String,
    pieces: Vec<ArchPiece>,
}

#[derive(Serialize)]
struct ArchPiece {
    section: u32,
    offset: u64,
}

impl From<&intermediate::ArchSection> for ArchSection {
    fn from(copy: &intermediate::ArchSection) -> Self {
        let pieces = copy.pieces.iter();
        let pieces =
            pieces.map(|piece| ArchPiece { section: piece.section.get(), offset: piece.offset });
        Self { name: copy.name(), pieces: pieces.collect() }
    }
}

#[derive(Serialize)]
struct Entry<'a> {
    entry: usize,
    offset: u64,
    relocation: &'a str,
    symbol: u32,
}

impl<'a> From<&'a convert::PlannedEntry> for Entry<'a> {
    fn from(planned: &'a convert::PlannedEntry) -> Self {
        Self {
            entry: planned.entry,
            offset: planned.rela.offset,
            relocation: &planned.relocation,
            symbol: planned.rela.symbol.get(),
        }
    }
}

#[derive(Serialize)]
struct Position<'a> {
    section: Named<'a>,
    offset: u64,
    function: Replaced<'a>,
    written: u64,
}

impl<'a> From<&'a convert::PlannedPosition> for Position<'a> {
    fn from(planned: &'a convert::PlannedPosition) -> Self {
        Self {
            section: section(&planned.section),
            offset: planned.offset,
            function: (&planned.function).into(),
            written: planned.written,
        }
    }
}

#[derive(Serialize)]
struct Replaced<'a> {
    object: &'a str,
    name: &'a str,
    position: u64,
}

impl<'a> From<&'a patch::Replaced> for Replaced<'a> {
    fn from(replaced: &'a patch::Replaced) -> Self {
        Self { object: replaced.object.as_str(), name: &replaced.name, position: replaced.position }
    }
}

#[derive(Serialize)]
struct Exported<'a> {
    name: &'a str,
    owner: &'a str,
}

impl<'a> From<&'a convert::Exported> for Exported<'a> {
    fn from(exported: &'a convert::Exported) -> Self {
        Self { name: &exported.name, owner: exported.owner.as_str() }
    }
}

#[derive(Serialize)]
struct Versions<'a> {
    section: Named<'a>,
    of: usize,
    removed: Vec<Named<'a, usize>>,
}

impl<'a> From<&'a convert::PlannedVersions> for Versions<'a> {
    fn from(planned: &'a convert::PlannedVersions) -> Self {
        Self {
            section: section(&planned.section),
            of: planned.of,
            removed: planned.removed.iter().map(entry).collect(),
        }
    }
}

#[derive(Serialize)]
struct Depends<'a> {
    section: u32,
    from: &'a str,
    to: &'a str,
    removed: Vec<&'a str>,
}

impl<'a> From<&'a convert::PlannedDepends> for Depends<'a> {
    fn from(planned: &'a convert::PlannedDepends) -> Self {
        Self {
            section: planned.section.get(),
            from: &planned.from,
            to: &planned.to,
            removed: planned.removed.iter().map(ObjectName::as_str).collect(),
        }
    }
}
