//! Builds a map from merged sources.
//!
//! Invariant: the bytes depend only on the contents: numbers are assigned in an order
//! that the contents determine, and each block is written independently, on any thread.

use std::collections::{HashMap, HashSet};

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::block;
use super::item::{Classes, Item, ItemRef, Seen, fill, is_kept};
use super::layout::assemble;
use super::prefix::split;
use super::record::{Class, Encoder, Flags, Record, Start};
use super::tables::{ObjectEntry, Summary, TEXT_MAX, table};
use super::varint::put;
use super::{MapError, evidence};
use crate::name::{ObjectName, VMLINUX};
use crate::symbols::data::{Object, Span, Symbol};
use crate::symbols::{Export, Merged};
use crate::threads::on_all;

/// Writes a map of everything in the sources.
///
/// Names of more than 511 bytes, which no livepatch can use, are omitted. Names of files and
/// sections are truncated to 4096 bytes.
///
/// # Errors
/// [`MapError::TooLarge`].
pub fn build(merged: &Merged) -> Result<Vec<u8>, MapError> {
    let names = object_names(merged);
    let all_seen = see_all(merged, &names)?;
    let texts = Texts::of(merged, &all_seen)?;
    let objects: Vec<Vec<u8>> = names
        .iter()
        .map(|name| {
            let object = merged.objects.get(*name);
            let units = object.map_or(&[][..], |object| &object.units);
            let units: Result<Vec<u32>, _> = units
                .iter()
                .map(|unit| texts.number(object.map_or(&[], |object| object.text(*unit))))
                .collect();
            let (order, id) = (object.map(|o| o.order), object.and_then(|o| o.build_id.as_ref()));
            let moved = object.is_some_and(|object| object.moved);
            Ok(ObjectEntry::write(name, order, moved, id, &units?))
        })
        .collect::<Result<_, MapError>>()?;

    let exports = exports(merged, &names)?;
    let sections = sections(&all_seen, &texts)?;
    let symbols = all_seen.iter().map(|seen| seen.kept).sum();
    let mut items = Vec::with_capacity(symbols + exports.len());
    on_all(|| items.par_extend(rayon::iter::repeat_n(Item::default(), symbols)));
    let symbol_classes = fill(&mut items, &all_seen, &sections);
    let mut export_rows = Vec::with_capacity(exports.len());
    for (number, (name, owner, export)) in (0_u32..).zip(exports) {
        let (prefix, stem) = split(name.as_bytes());
        items.push(Item::export(stem, owner, number));
        export_rows.push(ExportRow::new(export, prefix, &texts)?);
    }
    on_all(|| items.par_sort_unstable_by(Item::order));
    let (classes, numbers) = classes(&all_seen, &symbol_classes, &export_rows, names.len());
    let rows = Rows {
        start: start(merged, &names)?,
        objects: names.iter().map(|name| merged.objects.get(*name)).collect(),
        exports: export_rows,
        classes,
        numbers,
    };
    let stems: Vec<_> = on_all(|| items.par_chunk_by(Item::is_beside).collect());
    let blocks: Vec<(&[u8], Vec<u8>)> = on_all(|| {
        let encoded = block::cut(&stems, |items| items.len()).into_par_iter().map(|stems| {
            let first = stems.first().and_then(|s| s.first()).map_or(&[][..], |item| item.stem);
            (first, rows.encode(stems))
        });
        encoded.collect()
    });

    let mut index = Vec::with_capacity(blocks.len());
    let mut bytes = Vec::with_capacity(blocks.iter().map(|(_, block)| block.len()).sum());
    for (first, block) in &blocks {
        let mut entry = Vec::with_capacity(first.len() + 8);
        put(&mut entry, wide(bytes.len())?);
        put(&mut entry, wide(block.len())?);
        entry.extend_from_slice(first);
        index.push(entry);
        bytes.extend_from_slice(block);
    }
    let summary = Summary {
        kernel: merged.kernel.clone(),
        start: rows.start.address,
        stems: wide(stems.len())?,
        symbols: wide(symbols)?,
        exports: wide(items.len() - symbols)?,
    };
    let (evidence, modules) = evidence::tables(merged, &names)?;
    assemble([
        &summary.write(),
        &table(&texts.texts)?,
        &table(&objects)?,
        &rows.table(),
        &table(&index)?,
        &bytes,
        &evidence,
        &modules,
    ])
}

fn wide(number: usize) -> Result<u64, MapError> {
    u64::try_from(number).map_err(|_| MapError::TooLarge)
}

fn narrow(number: usize) -> Result<u32, MapError> {
    u32::try_from(number).map_err(|_| MapError::TooLarge)
}

/// The exports that a map holds.
fn exported(merged: &Merged) -> impl Iterator<Item = (&str, &Export)> {
    merged.exports().filter(|(name, _)| is_kept(name.as_bytes()))
}

/// All objects, including those that only export, sorted by name: the index is the number.
fn object_names(merged: &Merged) -> Vec<&ObjectName> {
    let owners = exported(merged).map(|(_, export)| &export.owner);
    let mut names: Vec<_> = merged.objects.keys().chain(owners).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Texts by number. They are sorted: numbers do not depend on the order of symbols.
#[derive(Debug)]
struct Texts<'a> {
    numbers: HashMap<&'a [u8], u32>,
    texts: Vec<&'a [u8]>,
}

impl<'a> Texts<'a> {
    fn of(merged: &'a Merged, all_seen: &[Seen<'a>]) -> Result<Self, MapError> {
        let units = merged.objects.values().flat_map(|object| {
            let distinct: FxHashSet<Span> = object.units.iter().copied().collect();
            distinct.into_iter().map(|unit| object.text(unit))
        });
        let sections = all_seen.iter().flat_map(|seen| seen.sections.iter().map(|s| seen.text(*s)));
        let namespaces = exported(merged).filter_map(|(_, export)| export.namespace.as_ref());
        let all = units.chain(sections).chain(namespaces.map(String::as_bytes));
        let distinct: HashSet<&[u8]> = all.map(cut).collect();
        let mut texts: Vec<&[u8]> = distinct.into_iter().collect();
        texts.sort_unstable();
        let numbered = texts.iter().enumerate().map(|(n, text)| Ok((*text, narrow(n)?)));
        Ok(Self { numbers: numbered.collect::<Result<_, MapError>>()?, texts })
    }

    /// The number of a text of the merged sources.
    fn number(&self, text: &[u8]) -> Result<u32, MapError> {
        self.numbers.get(cut(text)).copied().ok_or(MapError::TooLarge)
    }
}

/// A text, truncated to what a map holds.
fn cut(text: &[u8]) -> &[u8] {
    text.get(..TEXT_MAX).unwrap_or(text)
}

/// A first pass over the symbols of all objects, in parallel.
fn see_all<'a>(merged: &'a Merged, names: &[&ObjectName]) -> Result<Vec<Seen<'a>>, MapError> {
    let objects = names.iter().enumerate();
    let objects: Vec<_> =
        objects.filter_map(|(number, name)| Some((number, merged.objects.get(*name)?))).collect();
    let objects = objects.par_iter();
    on_all(|| objects.map(|(number, object)| Seen::new(narrow(*number)?, object)).collect())
}

/// The numbers of each object's sections, counted from 1.
fn sections<'a>(
    all_seen: &[Seen<'a>],
    texts: &Texts<'a>,
) -> Result<Vec<FxHashMap<Span, u32>>, MapError> {
    let numbers = |seen: &Seen<'a>| {
        let number = |section: &Span| {
            let text = texts.number(seen.text(*section))?;
            Ok((*section, text.checked_add(1).ok_or(MapError::TooLarge)?))
        };
        seen.sections.iter().map(number).collect()
    };
    all_seen.iter().map(numbers).collect()
}

/// The exports by name and owner, with the number of the owner.
fn exports<'a>(
    merged: &'a Merged,
    names: &[&ObjectName],
) -> Result<Vec<(&'a str, u32, &'a Export)>, MapError> {
    let mut sorted: Vec<(&str, &Export)> = exported(merged).collect();
    on_all(|| sorted.par_sort_unstable_by_key(|(name, export)| (*name, &export.owner)));
    narrow(sorted.len())?;
    let numbered = |(name, export): (&'a str, &'a Export)| {
        let owner = names.binary_search(&&export.owner).unwrap_or(usize::MAX);
        Ok((name, narrow(owner)?, export))
    };
    sorted.into_iter().map(numbered).collect()
}

/// An export in a map.
#[derive(Debug, Clone, Copy)]
struct ExportRow {
    class: Class,
    namespace: u32,
    crc: u32,
}

impl ExportRow {
    fn new(export: &Export, prefix: u8, texts: &Texts<'_>) -> Result<Self, MapError> {
        let mut flags = Flags::EXPORT;
        flags.set(Flags::GPL_KNOWN, export.gpl.is_some());
        flags.set(Flags::GPL, export.gpl == Some(true));
        flags.set(Flags::NAMESPACE, export.namespace.is_some());
        flags.set(Flags::CRC, export.crc.is_some());
        let namespace = match &export.namespace {
            Some(namespace) => texts.number(namespace.as_bytes())?,
            None => 0,
        };
        let class = Class { section: 0, prefix, letter: 0, binding: 0, kind: 0, flags };
        Ok(Self { class, namespace, crc: export.crc.unwrap_or(0) })
    }
}

/// All classes, the most frequent first, and the mapping from the numbers in items to theirs:
/// for each object, and for the exports.
fn classes(
    all_seen: &[Seen<'_>],
    symbol_classes: &[Classes],
    exports: &[ExportRow],
    objects: usize,
) -> (Vec<Class>, Numbers) {
    let mut counted: FxHashMap<Class, u32> = FxHashMap::default();
    let all = symbol_classes.iter().flatten().copied();
    for (class, count) in all.chain(exports.iter().map(|row| (row.class, 1))) {
        *counted.entry(class).or_insert(0) += count;
    }
    let mut sorted: Vec<(Class, u32)> = counted.into_iter().collect();
    sorted.sort_unstable_by(|(a, m), (b, n)| n.cmp(m).then(a.cmp(b)));
    let sorted: Vec<Class> = sorted.into_iter().map(|(class, _)| class).collect();
    let numbers: FxHashMap<Class, u32> = (0..).zip(&sorted).map(|(n, class)| (*class, n)).collect();
    let number = |class| numbers.get(class).copied().unwrap_or(0);
    let mut symbols = vec![Vec::new(); objects];
    for (seen, classes) in all_seen.iter().zip(symbol_classes) {
        if let Some(symbols) = as_index(seen.number).and_then(|at| symbols.get_mut(at)) {
            *symbols = classes.iter().map(|(class, _)| number(class)).collect();
        }
    }
    let exports = exports.iter().map(|row| number(&row.class)).collect();
    (sorted, Numbers { symbols, exports })
}

/// The numbers of classes in the map.
#[derive(Debug)]
struct Numbers {
    /// By the number of the object, and of the class in it.
    symbols: Vec<Vec<u32>>,
    /// By the number of the export.
    exports: Vec<u32>,
}

fn as_index(number: u32) -> Option<usize> {
    usize::try_from(number).ok()
}

/// The symbols of an object that a map holds.
fn kept(object: &Object) -> impl Iterator<Item = &Symbol> {
    object.symbols.iter().filter(|symbol| is_kept(object.text(symbol.name)))
}

/// The lowest address of vmlinux, except those of absolute symbols, which may be small.
fn start(merged: &Merged, names: &[&ObjectName]) -> Result<Start, MapError> {
    let number = names.iter().position(|name| name.as_str() == VMLINUX);
    let vmlinux = merged.objects.get(&ObjectName::vmlinux());
    let addresses = vmlinux.into_iter().flat_map(kept);
    let addresses = addresses.filter(|symbol| !matches!(symbol.letter, Some(b'A' | b'a')));
    let address = addresses.filter_map(|symbol| symbol.address).min().unwrap_or(0);
    Ok(Start { object: number.map(narrow).transpose()?, address })
}

/// What the records of a map are made from.
#[derive(Debug)]
struct Rows<'a> {
    start: Start,
    /// By number; `None` if only exports are known.
    objects: Vec<Option<&'a Object>>,
    exports: Vec<ExportRow>,
    classes: Vec<Class>,
    numbers: Numbers,
}

impl Rows<'_> {
    fn table(&self) -> Vec<u8> {
        let mut table = Vec::new();
        self.classes.iter().for_each(|class| class.write(&mut table));
        table
    }

    /// A block of these stems.
    fn encode(&self, stems: &[&[Item<'_>]]) -> Vec<u8> {
        // Symbols with similar names are anywhere in memory: to read all of a block at once waits once.
        let items = stems.iter().flat_map(|items| items.iter());
        let read: Vec<_> = items.map(|item| self.record(item)).collect();
        let mut read = read.iter();
        let mut records = Vec::new();
        let mut encoder = Encoder::new(self.start);
        for items in stems {
            encoder.stem();
            for (number, record) in read.by_ref().take(items.len()).flatten() {
                encoder.put(&mut records, *number, record);
            }
        }
        let counted = stems.iter().filter_map(|items| {
            let count = u64::try_from(items.len()).ok()?;
            Some((items.first()?.stem, count))
        });
        block::write(counted, &records)
    }

    /// The record of an item, and the number of its class; every item has one.
    fn record(&self, item: &Item<'_>) -> Option<(u32, Record)> {
        let object = item.object;
        let (unit, address, size) = (0, 0, 0);
        match item.which() {
            ItemRef::Symbol { index, class } => {
                let at = as_index(object)?;
                let number = *self.numbers.symbols.get(at)?.get(as_index(class)?)?;
                let class = *self.classes.get(as_index(number)?)?;
                let symbol = self.objects.get(at).copied()??.symbols.get(as_index(index)?)?;
                let (unit, address) = (symbol.unit.unwrap_or(0), symbol.address.unwrap_or(0));
                let size = symbol.size.unwrap_or(0);
                let (namespace, crc) = (0, 0);
                Some((number, Record { class, object, unit, address, size, namespace, crc }))
            }
            ItemRef::Export(export) => {
                let number = *self.numbers.exports.get(as_index(export)?)?;
                let ExportRow { class, namespace, crc } = *self.exports.get(as_index(export)?)?;
                Some((number, Record { class, object, unit, address, size, namespace, crc }))
            }
        }
    }
}
