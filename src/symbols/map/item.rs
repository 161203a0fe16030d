//! Symbols and exports, to be sorted for the map.
//!
//! Between the merged sources and [`super::build()`], which sorts a million of these: an item is
//! small and most comparisons read no name. Invariant: the order is by stem, bytewise,
//! then by object, then the kernel's, exports last.

use std::cmp::Ordering;

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::MapError;
use super::prefix::split;
use super::record::{Class, Flags, binding_code, kind_code};
use crate::name::SYMBOL_NAME_MAX;
use crate::symbols::data::{Object, Span, Symbol};
use crate::threads::on_all;

/// Bytes of a stem in its key.
const KEY: usize = 16;

/// A symbol or an export.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Item<'a> {
    /// The first bytes of the stem.
    key: u128,
    pub(super) stem: &'a [u8],
    pub(super) object: u32,
    /// Index of the symbol in its object; `u32::MAX` for an export.
    index: u32,
    /// Number of its class among those of its object; for an export its number among the exports.
    class: u32,
}

/// Which of the symbols or exports an item is.
#[derive(Debug, Clone, Copy)]
pub(super) enum ItemRef {
    /// A symbol of the item's object, and its class among those of the object.
    Symbol {
        index: u32,
        class: u32,
    },
    Export(u32),
}

impl<'a> Item<'a> {
    fn symbol(stem: &'a [u8], object: u32, index: u32, class: u32) -> Self {
        Self { key: key(stem), stem, object, index, class }
    }

    /// The export of this number.
    pub(super) fn export(stem: &'a [u8], object: u32, number: u32) -> Self {
        Self::symbol(stem, object, u32::MAX, number)
    }

    pub(super) fn which(&self) -> ItemRef {
        match self.index {
            u32::MAX => ItemRef::Export(self.class),
            index => ItemRef::Symbol { index, class: self.class },
        }
    }

    fn rest(&self) -> &'a [u8] {
        self.stem.get(KEY..).unwrap_or(&[])
    }

    /// Whether two have the same stem.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        self.key == other.key && self.order_after_key(other) == Ordering::Equal
    }

    /// The order in the map.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key).then_with(|| self.order_after_key(other)).then_with(|| {
            let position = |item: &Self| (item.object, item.index, item.class);
            position(self).cmp(&position(other))
        })
    }

    /// The order of two stems with the same key. A stem that ends in its key needs no memory access;
    /// keys are padded with zeros, and the length distinguishes stems that end in zeros.
    fn order_after_key(&self, other: &Self) -> Ordering {
        let (this, that) = (self.stem.len(), other.stem.len());
        if this.min(that) <= KEY { this.cmp(&that) } else { self.rest().cmp(other.rest()) }
    }
}

fn key(stem: &[u8]) -> u128 {
    if let Some(start) = stem.first_chunk::<KEY>() {
        return u128::from_be_bytes(*start);
    }
    let mut start = [0; KEY];
    start.iter_mut().zip(stem).for_each(|(to, from)| *to = *from);
    u128::from_be_bytes(start)
}

/// Whether a map keeps symbols and exports of this name.
pub(super) fn is_kept(name: &[u8]) -> bool {
    (1..=SYMBOL_NAME_MAX).contains(&name.len())
}

/// An object, and the result of a first pass over its symbols.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    /// Number of the object.
    pub(super) number: u32,
    object: &'a Object,
    /// Symbols whose names a map keeps.
    pub(super) kept: usize,
    /// The names of their sections, each once.
    pub(super) sections: Vec<Span>,
}

impl<'a> Seen<'a> {
    /// Reads the object of this number.
    pub(super) fn new(number: u32, object: &'a Object) -> Result<Self, MapError> {
        // The last number means an export.
        u32::try_from(object.symbols.len()).map_err(|_| MapError::TooLarge)?;
        let (mut known, mut sections) = (FxHashSet::default(), Vec::new());
        let (mut last, mut kept) = (None, 0);
        for symbol in &object.symbols {
            if !is_kept(object.text(symbol.name)) {
                continue;
            }
            kept += 1;
            if symbol.section != last
                && let Some(section) = symbol.section
                && known.insert(section)
            {
                sections.push(section);
            }
            last = symbol.section;
        }
        Ok(Self { number, object, kept, sections })
    }

    pub(super) fn text(&self, section: Span) -> &'a [u8] {
        self.object.text(section)
    }
}

/// The classes of an object's symbols by number, and how many symbols have each.
pub(super) type Classes = Vec<(Class, u32)>;

/// Fills `items`, whose length is the number of kept symbols, with those of all objects. `sections`
/// has the numbers of each object's sections.
pub(super) fn fill<'a>(
    items: &mut [Item<'a>],
    seen: &[Seen<'a>],
    sections: &[FxHashMap<Span, u32>],
) -> Vec<Classes> {
    let mut rest = items;
    let mut parts = Vec::with_capacity(seen.len());
    for (seen, sections) in seen.iter().zip(sections) {
        let (part, after) = rest.split_at_mut_checked(seen.kept).unwrap_or_default();
        parts.push((part, seen, sections));
        rest = after;
    }
    let parts = parts.into_par_iter();
    on_all(|| parts.map(|(part, seen, sections)| fill_one(part, seen, sections)).collect())
}

fn fill_one<'a>(
    part: &mut [Item<'a>],
    seen: &Seen<'a>,
    sections: &FxHashMap<Span, u32>,
) -> Classes {
    let mut numbers: FxHashMap<Class, u32> = FxHashMap::default();
    let mut classes: Classes = Vec::new();
    let named = (0..).zip(&seen.object.symbols).map(|(i, s)| (i, s, seen.object.text(s.name)));
    for (item, (index, symbol, name)) in part.iter_mut().zip(named.filter(|(.., n)| is_kept(n))) {
        let section = symbol.section.and_then(|s| sections.get(&s)).copied().unwrap_or(0);
        let (prefix, stem) = split(name);
        let class = class(symbol, section, prefix);
        let number = *numbers.entry(class).or_insert_with(|| {
            classes.push((class, 0));
            u32::try_from(classes.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some((_, count)) = usize::try_from(number).ok().and_then(|n| classes.get_mut(n)) {
            *count += 1;
        }
        *item = Item::symbol(stem, seen.number, index, number);
    }
    classes
}

fn class(symbol: &Symbol, section: u32, prefix: u8) -> Class {
    let mut flags = Flags::empty();
    flags.set(Flags::ADDRESS, symbol.address.is_some());
    flags.set(Flags::SIZE, symbol.size.is_some());
    flags.set(Flags::UNIT, symbol.unit.is_some());
    flags.set(Flags::INIT, symbol.init);
    flags.set(Flags::STAYS, symbol.stays);
    flags.set(Flags::UNTRACEABLE, symbol.untraceable);
    let letter = symbol.letter.unwrap_or(0);
    let (binding, kind) = (binding_code(symbol.binding), kind_code(symbol.kind));
    Class { section, prefix, letter, binding, kind, flags }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn items_are_ordered_as_their_stems_are(a in "[a\0]{0,20}", b in "[a\0]{0,20}") {
            let item = |text: &'static [u8]| Item::symbol(text, 0, 0, 0);
            let (a, b) = (a.into_bytes().leak(), b.into_bytes().leak());
            prop_assert_eq!(item(a).order(&item(b)), (*a).cmp(&*b));
            prop_assert_eq!(item(a).is_beside(&item(b)), a == b);
        }
    }
}
