//! An object cut into what is compared by itself: functions, constants, and the rest of their sections.

use std::cmp::Reverse;
use std::ops::Range;

use object::elf::{STT_FUNC, STT_SECTION};

use super::references::{Reference, Target};
use super::sections::of_slot;
use super::tables::{Entry, Table};
use crate::elf::{Module, SymbolIndex, SymbolSection, is_mapping_symbol};
use crate::objdiff::Class;

/// A part of a section.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// Index of the section.
    pub(super) section: usize,
    /// Offsets in it, in bytes.
    pub(super) span: Range<u64>,
    /// What it is named after, if it has a name.
    pub(super) symbol: Option<SymbolIndex>,
    pub(super) is_function: bool,
    /// Its references, in the list of all.
    pub(super) references: Range<usize>,
}

/// Where a part starts: section, offset, size with the largest first, functions first, and the symbol.
type Start = (usize, u64, Reverse<u64>, bool, Option<SymbolIndex>);

/// Cuts sections of code and of constants. The result is sorted by section and offset.
pub(super) fn parts(
    module: &Module<'_>,
    classes: &[Class],
    compared: &[bool],
    references: &[Reference],
    tables: &[Table],
) -> Vec<Part> {
    let mut starts: Vec<Start> = Vec::new();
    let is_cut = |section: usize| compared.get(section) == Some(&true);
    for symbol in module.symbols() {
        let SymbolSection::Defined(section) = symbol.section else { continue };
        let named = symbol.kind != STT_SECTION
            && !symbol.name.is_empty()
            && !is_mapping_symbol(symbol.name);
        if named && is_cut(section.slot()) {
            let is_function = symbol.kind == STT_FUNC;
            let size = Reverse(symbol.st_size);
            starts.push((section.slot(), symbol.st_value, size, !is_function, Some(symbol.index)));
        }
    }
    let is_cut_by_references = |section: usize| match classes.get(section) {
        Some(Class::Constant) => true,
        Some(Class::Table(..)) => !tables.iter().any(|table| table.section == section),
        _ => false,
    };
    for table in tables {
        let entry = |entry: &Entry| (table.section, entry.offset, Reverse(0), true, None);
        starts.extend(table.entries.iter().map(entry));
    }
    // What has no name begins where something refers to.
    for reference in references {
        if let Target::Section { section, offset } = reference.means
            && is_cut_by_references(section)
            && let Ok(offset) = u64::try_from(offset)
        {
            starts.push((section, offset, Reverse(0), true, None));
        }
    }
    for (section, _) in classes.iter().enumerate().filter(|(section, _)| is_cut(*section)) {
        starts.push((section, 0, Reverse(0), true, None));
    }
    starts.sort_unstable();
    let mut parts: Vec<Part> = Vec::new();
    // Where named things end.
    let mut covered = 0;
    for (section, start, Reverse(size), other, symbol) in starts {
        let end = module.section(of_slot(section)).map_or(0, |section| section.sh_size);
        if start >= end {
            continue;
        }
        if let Some(last) = parts.last_mut() {
            if last.section != section {
                covered = 0;
            } else if start < covered || start == last.span.start && last.symbol.is_some() {
                // Another name of it, or a place in it.
                continue;
            } else if start == last.span.start {
                parts.pop();
            } else {
                last.span.end = last.span.end.min(start);
            }
        }
        let named_end = start.saturating_add(size).min(end);
        parts.push(Part {
            section,
            span: start..end,
            symbol,
            is_function: !other,
            references: 0..0,
        });
        if symbol.is_some() && size > 0 {
            covered = named_end;
            if let Some(last) = parts.last_mut() {
                last.span.end = named_end;
            }
            if named_end < end {
                parts.push(Part {
                    section,
                    span: named_end..end,
                    symbol: None,
                    is_function: false,
                    references: 0..0,
                });
            }
        }
    }
    for part in &mut parts {
        let at = |offset: u64| {
            references.partition_point(|r| (r.section, r.offset) < (part.section, offset))
        };
        part.references = at(part.span.start)..at(part.span.end);
    }
    parts
}
