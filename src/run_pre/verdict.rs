//! What came of each function of an object, with the constants that it reads.

use object::elf::{STB_LOCAL, STT_FUNC, STT_OBJECT};
use rustc_hash::FxHashSet;

use super::compare::Comparison;
use super::kernel::is_global;
use super::mismatch::{Mismatch, Unknown};
use super::parts::Part;
use super::placed::Placed;
use super::references::Target;
use super::{DataMismatch, FunctionMatch, MatchVerdict, VariableMatch};
use crate::elf::Symbol;
use crate::kmod;
use crate::name::shown;
use crate::objdiff::Class;

/// What the kernel's build changes in the linked kernel (`scripts/sorttable.c`).
const SET_BY_BUILD: &[u8] = b"main_extable_sort_needed";

/// Data that is not the kernel's: names or places, and the first difference of each.
pub(super) fn data(placed: &Placed<'_, '_>) -> Vec<DataMismatch> {
    let object = placed.object;
    let is_data = |part: &&Part| {
        let symbol = part.symbol.and_then(|symbol| object.module.symbol(symbol));
        matches!(object.classes.get(part.section), Some(Class::Constant | Class::Variable))
            && symbol.is_none_or(|symbol| symbol.name != SET_BY_BUILD)
    };
    let compare = |part: &Part| {
        let base = placed.base_at(part.section, part.span.start)?;
        let mismatch = match placed.compare(part, base) {
            Comparison::Equal => return None,
            Comparison::Differs(mismatch) => mismatch,
            Comparison::Unknown(why) => Mismatch::Unknown(why),
        };
        Some(DataMismatch { name: object.part_in_words(part), mismatch })
    };
    object.parts.iter().filter(is_data).filter_map(compare).collect()
}

/// Where the kernel has each of an object's own variables.
pub(super) fn variables(placed: &Placed<'_, '_>) -> Vec<VariableMatch> {
    let named = placed.object.named();
    let own = named.filter(|(_, symbol)| symbol.kind == STT_OBJECT && symbol.bind == STB_LOCAL);
    own.filter_map(|(section, symbol)| {
        let address = placed.base_at(section, symbol.st_value)?.wrapping_add(symbol.st_value);
        let (position, of) = position(placed, &symbol, address);
        Some(VariableMatch {
            name: shown(symbol.name).into_owned(),
            address,
            position: position?,
            of,
        })
    })
    .collect()
}

/// Which of the kernel's symbols of a name an address is, counted from 1, and of how many.
fn position(placed: &Placed<'_, '_>, symbol: &Symbol<'_>, address: u64) -> (Option<u64>, usize) {
    let named = placed.kernel.named(symbol.name);
    let index = named.iter().position(|(at, _)| *at == address);
    (index.and_then(|index| u64::try_from(index).ok()?.checked_add(1)), named.len())
}

/// The parts of an object, compared.
struct Compared<'p, 'data> {
    placed: &'p Placed<'p, 'data>,
    /// What came of each part by itself; `None`: its section is in no known place.
    parts: Vec<Option<Comparison>>,
}

/// What came of each function, in the order of the symbol table.
pub(super) fn functions(placed: &Placed<'_, '_>) -> Vec<FunctionMatch> {
    let compare =
        |part: &Part| Some(placed.compare(part, placed.base_at(part.section, part.span.start)?));
    let parts = placed.object.parts.iter().map(compare).collect();
    let compared = Compared { placed, parts };
    let named = placed.object.named().filter(|(_, symbol)| symbol.kind == STT_FUNC);
    named.map(|(section, symbol)| compared.function(section, &symbol)).collect()
}

impl Compared<'_, '_> {
    fn function(&self, section: usize, symbol: &Symbol<'_>) -> FunctionMatch {
        let placed = self.placed;
        let address =
            placed.base_at(section, symbol.st_value).map(|base| base.wrapping_add(symbol.st_value));
        let named = placed.kernel.named(symbol.name);
        let position = address.and_then(|address| position(placed, symbol, address).0);
        let elsewhere = position.is_none() && named.iter().any(|(_, letter)| is_global(*letter));
        let is_overridden =
            placed.is_overridden(section) || symbol.is_weak() && address.is_some() && elsewhere;
        let end = symbol.st_value.saturating_add(symbol.st_size);
        let verdict = match self.placed.object.part_at(section, symbol.st_value) {
            _ if is_overridden => MatchVerdict::Overridden,
            Some(part) if address.is_some() => match self.verdict(part, (section, end)) {
                // Something else that is the same.
                MatchVerdict::Equal if position.is_none() && !named.is_empty() => {
                    MatchVerdict::Differs(Mismatch::Name)
                }
                verdict => verdict,
            },
            _ if named.is_empty() => MatchVerdict::Absent,
            _ if symbol.is_weak() => MatchVerdict::Unknown(Unknown::Weak),
            _ => match (placed.nowhere(section), placed.places(section)) {
                (Some(places), _) => MatchVerdict::Differs(Mismatch::Nowhere { places }),
                (None, 0) => MatchVerdict::Unknown(Unknown::Nowhere),
                (None, _) => MatchVerdict::Equal,
            },
        };
        FunctionMatch {
            name: shown(symbol.name).into_owned(),
            init: kmod::is_init(placed.object.section_name(section)),
            address,
            position,
            of: named.len(),
            verdict,
        }
    }

    /// What came of a part, of others up to an end if it is an overlapping symbol's, and of the constants that they read.
    fn verdict(&self, first: usize, end: (usize, u64)) -> MatchVerdict {
        let mut unknown = None;
        let parts = self.placed.object.parts.get(first..).unwrap_or_default();
        let count = parts.iter().take_while(|part| (part.section, part.span.start) < end).count();
        let mut pending: Vec<usize> = (first..first.saturating_add(count.max(1))).rev().collect();
        let mut seen: FxHashSet<usize> = pending.iter().copied().collect();
        while let Some(index) = pending.pop() {
            let Some(part) = self.placed.object.parts.get(index) else { continue };
            let name = || self.placed.object.part_in_words(part);
            match self.parts.get(index).and_then(Option::as_ref) {
                Some(Comparison::Differs(mismatch)) if index == first => {
                    return MatchVerdict::Differs(mismatch.clone());
                }
                Some(Comparison::Differs(mismatch)) => {
                    let inside = Box::new(mismatch.clone());
                    return MatchVerdict::Differs(Mismatch::Reads { name: name(), inside });
                }
                Some(Comparison::Unknown(why)) if unknown.is_none() => {
                    unknown = Some(match index == first {
                        true => why.clone(),
                        false => Unknown::Reads { name: name(), inside: Box::new(why.clone()) },
                    });
                }
                _ => {}
            }
            match self.placed.entries_of(part) {
                Ok(entries) => {
                    pending.extend(entries.into_iter().filter(|part| seen.insert(*part)));
                }
                Err(Mismatch::Unknown(why)) => drop(unknown.get_or_insert(why)),
                Err(mismatch) if index == first => return MatchVerdict::Differs(mismatch),
                Err(mismatch) => {
                    let inside = Box::new(mismatch);
                    return MatchVerdict::Differs(Mismatch::Reads { name: name(), inside });
                }
            }
            for reference in self.placed.object.references_of(part) {
                let Target::Section { section, offset } = reference.means else { continue };
                let offset = u64::try_from(offset).unwrap_or(u64::MAX);
                let object = self.placed.object;
                let is_content = |index: &usize| {
                    object.parts.get(*index).is_some_and(|part| object.is_content(part))
                };
                let read = match object.part_at(section, offset) {
                    Some(read) => read..read.saturating_add(1),
                    // The end, or before the start: it is in the right place if all of the section is.
                    None => object.parts_of(section),
                };
                let read = read.filter(is_content);
                pending.extend(read.filter(|index| seen.insert(*index)));
            }
        }
        unknown.map_or(MatchVerdict::Equal, MatchVerdict::Unknown)
    }
}
