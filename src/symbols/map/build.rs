//! A map of what merged sources tell.
//!
//! Invariant: the bytes depend on what is told and on nothing else: every number is given in an order
//! that the contents decide, and each block is written by itself, on whatever thread.

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::MapError;
use super::block::{self, NAMES};
use super::layout::assemble;
use super::prefix::split;
use super::record::{Class, Encoder, Flags, Record, Start, binding_code, kind_code};
use super::tables::{ObjectEntry, Summary, TEXT_MAX, table};
use super::varint::put;
use crate::klp::{ObjectName, SYMBOL_NAME_MAX, VMLINUX};
use crate::symbols::told::{Object, Span, Symbol};
use crate::symbols::{Export, Merged};

/// A symbol or an export on its way to its place in the map.
#[derive(Debug, Clone, Copy)]
struct Item<'a> {
    /// The first eight bytes of the stem, so that most comparisons read no name.
    key: u64,
    stem: &'a [u8],
    object: u32,
    /// What it is: the rank in its object.
    index: u32,
    class: Class,
    /// Namespace and CRC of an export; unused in a symbol.
    namespace: u32,
    crc: u32,
}

/// Writes a map of all that the sources tell.
///
/// Names of more than 511 bytes, which no livepatch can ask for, are left out. Names of files and
/// sections are cut at 4096 bytes.
///
/// # Errors
/// [`MapError::TooLarge`].
pub fn build(merged: &Merged) -> Result<Vec<u8>, MapError> {
    let names = object_names(merged);
    let texts = Texts::of(merged)?;
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

    let mut items = symbols(merged, &names, &texts)?;
    let symbols = items.len();
    items.extend(exports(merged, &names, &texts)?);
    items.par_sort_unstable_by(|a, b| {
        let order = a.key.cmp(&b.key).then_with(|| a.stem.cmp(b.stem));
        order.then((a.object, a.index).cmp(&(b.object, b.index)))
    });
    let (classes, numbers) = classes(&items);
    let start = start(merged, &names)?;
    let told: Vec<Option<&Object>> = names.iter().map(|name| merged.objects.get(*name)).collect();
    let stems = stems(&items);
    let blocks: Vec<(&[u8], Vec<u8>)> = stems
        .par_chunks(NAMES)
        .map(|stems| {
            let first = stems.first().and_then(|s| s.first()).map_or(&[][..], |item| item.stem);
            (first, encode(stems, &numbers, start, &told))
        })
        .collect();

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
        start: start.address,
        stems: wide(stems.len())?,
        symbols: wide(symbols)?,
        exports: wide(items.len() - symbols)?,
    };
    assemble([
        &summary.write(),
        &table(&texts.texts)?,
        &table(&objects)?,
        &classes,
        &table(&index)?,
        &bytes,
    ])
}

fn wide(number: usize) -> Result<u64, MapError> {
    u64::try_from(number).map_err(|_| MapError::TooLarge)
}

fn narrow(number: usize) -> Result<u32, MapError> {
    u32::try_from(number).map_err(|_| MapError::TooLarge)
}

/// Whether a map holds symbols and exports of this name.
fn holds(name: &[u8]) -> bool {
    (1..=SYMBOL_NAME_MAX).contains(&name.len())
}

/// The symbols of an object that the map holds, with their ranks among all.
fn kept(object: &Object) -> impl Iterator<Item = (u32, &Symbol)> {
    (0_u32..).zip(&object.symbols).filter(|(_, symbol)| holds(object.text(symbol.name)))
}

/// The exports that the map holds.
fn exported(merged: &Merged) -> impl Iterator<Item = (&str, &Export)> {
    merged.exports().filter(|(name, _)| holds(name.as_bytes()))
}

/// All objects, those that only export included, sorted by name: the place is the number.
fn object_names(merged: &Merged) -> Vec<&ObjectName> {
    let owners = exported(merged).map(|(_, export)| &export.owner);
    let mut names: Vec<_> = merged.objects.keys().chain(owners).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Texts by number. They are sorted, so that numbers do not depend on the order of symbols.
#[derive(Debug)]
struct Texts<'a> {
    numbers: FxHashMap<&'a [u8], u32>,
    texts: Vec<&'a [u8]>,
}

impl<'a> Texts<'a> {
    fn of(merged: &'a Merged) -> Result<Self, MapError> {
        let of_object = |object: &'a Object| {
            let sections = kept(object).filter_map(|(_, symbol)| symbol.section);
            let spans: FxHashSet<Span> = object.units.iter().copied().chain(sections).collect();
            spans.into_iter().map(|span| cut(object.text(span))).collect::<Vec<_>>()
        };
        let mut texts: Vec<&[u8]> =
            merged.objects.par_iter().flat_map_iter(|(_, object)| of_object(object)).collect();
        let namespaces = exported(merged).filter_map(|(_, export)| export.namespace.as_ref());
        texts.extend(namespaces.map(|namespace| cut(namespace.as_bytes())));
        texts.par_sort_unstable();
        texts.dedup();
        let numbered = texts.iter().enumerate().map(|(n, text)| Ok((*text, narrow(n)?)));
        Ok(Self { numbers: numbered.collect::<Result<_, MapError>>()?, texts })
    }

    /// The number of a text of the merged sources.
    fn number(&self, text: &[u8]) -> Result<u32, MapError> {
        self.numbers.get(cut(text)).copied().ok_or(MapError::TooLarge)
    }
}

/// As much of a text as a map holds.
fn cut(text: &[u8]) -> &[u8] {
    text.get(..TEXT_MAX).unwrap_or(text)
}

fn symbols<'a>(
    merged: &'a Merged,
    names: &[&ObjectName],
    texts: &Texts<'a>,
) -> Result<Vec<Item<'a>>, MapError> {
    // A section's number is looked up once per object; the rest is done side by side.
    let mut told = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let Some(object) = merged.objects.get(*name) else { continue };
        narrow(object.symbols.len())?;
        let mut sections: FxHashMap<Span, u32> = FxHashMap::default();
        let mut last = None;
        for section in kept(object).filter_map(|(_, symbol)| symbol.section) {
            if last != Some(section) && !sections.contains_key(&section) {
                let text = texts.number(object.text(section))?;
                sections.insert(section, text.checked_add(1).ok_or(MapError::TooLarge)?);
            }
            last = Some(section);
        }
        told.push((narrow(number)?, object, sections));
    }
    let of_object = |(number, object, sections): &(u32, &'a Object, FxHashMap<Span, u32>)| {
        let items = kept(object).map(|(index, symbol)| {
            let section = symbol.section.and_then(|s| sections.get(&s)).copied().unwrap_or(0);
            let (prefix, stem) = split(object.text(symbol.name));
            let class = class(symbol, section, prefix);
            let object = *number;
            Item { key: key(stem), stem, object, index, class, namespace: 0, crc: 0 }
        });
        items.collect::<Vec<_>>()
    };
    Ok(told.par_iter().map(of_object).collect::<Vec<_>>().into_par_iter().flatten_iter().collect())
}

fn class(symbol: &Symbol, section: u32, prefix: u8) -> Class {
    let mut flags = Flags::empty();
    flags.set(Flags::ADDRESS, symbol.address.is_some());
    flags.set(Flags::SIZE, symbol.size.is_some());
    flags.set(Flags::UNIT, symbol.unit.is_some());
    flags.set(Flags::INIT, symbol.init);
    flags.set(Flags::STAYS, symbol.stays);
    let letter = symbol.letter.unwrap_or(0);
    let (binding, kind) = (binding_code(symbol.binding), kind_code(symbol.kind));
    Class { section, prefix, letter, binding, kind, flags }
}

fn exports<'a>(
    merged: &'a Merged,
    names: &[&ObjectName],
    texts: &Texts<'a>,
) -> Result<Vec<Item<'a>>, MapError> {
    let mut sorted: Vec<(&str, &Export)> = exported(merged).collect();
    sorted.sort_unstable_by_key(|(name, export)| (*name, &export.owner));
    let item = |(name, export): (&'a str, &'a Export)| {
        let (prefix, stem) = split(name.as_bytes());
        let mut flags = Flags::EXPORT;
        flags.set(Flags::GPL_KNOWN, export.gpl.is_some());
        flags.set(Flags::GPL, export.gpl == Some(true));
        flags.set(Flags::NAMESPACE, export.namespace.is_some());
        flags.set(Flags::CRC, export.crc.is_some());
        let namespace = match &export.namespace {
            Some(namespace) => texts.number(namespace.as_bytes())?,
            None => 0,
        };
        let object = names.binary_search(&&export.owner).unwrap_or(usize::MAX);
        Ok(Item {
            key: key(stem),
            stem,
            object: narrow(object)?,
            index: u32::MAX,
            class: Class { section: 0, prefix, letter: 0, binding: 0, kind: 0, flags },
            namespace,
            crc: export.crc.unwrap_or(0),
        })
    };
    sorted.into_iter().map(item).collect()
}

fn key(stem: &[u8]) -> u64 {
    let mut start = [0; 8];
    start.iter_mut().zip(stem).for_each(|(to, from)| *to = *from);
    u64::from_be_bytes(start)
}

/// The table of classes, the most frequent first, and their numbers.
fn classes(items: &[Item<'_>]) -> (Vec<u8>, FxHashMap<Class, u32>) {
    let counted: FxHashMap<Class, u32> = items
        .par_chunks(1 << 16)
        .map(|items| {
            let mut counts = FxHashMap::default();
            items.iter().for_each(|item| *counts.entry(item.class).or_insert(0) += 1);
            counts
        })
        .reduce(FxHashMap::default, |mut all, some: FxHashMap<Class, u32>| {
            some.into_iter().for_each(|(class, count)| *all.entry(class).or_insert(0) += count);
            all
        });
    let mut sorted: Vec<(Class, u32)> = counted.into_iter().collect();
    sorted.sort_unstable_by(|(a, m), (b, n)| n.cmp(m).then(a.cmp(b)));
    let mut table = Vec::new();
    sorted.iter().for_each(|(class, _)| class.write(&mut table));
    let numbers = (0..).zip(sorted).map(|(number, (class, _))| (class, number)).collect();
    (table, numbers)
}

/// Where the addresses of vmlinux start. Of absolute symbols, which may be small, none counts.
fn start(merged: &Merged, names: &[&ObjectName]) -> Result<Start, MapError> {
    let number = names.iter().position(|name| name.as_str() == VMLINUX);
    let vmlinux = merged.objects.get(&ObjectName::vmlinux());
    let addresses = vmlinux.into_iter().flat_map(kept).map(|(_, symbol)| symbol);
    let addresses = addresses.filter(|symbol| !matches!(symbol.letter, Some(b'A' | b'a')));
    let address = addresses.filter_map(|symbol| symbol.address).min().unwrap_or(0);
    Ok(Start { object: number.map(narrow).transpose()?, address })
}

/// The items of each stem.
fn stems<'a, 'b>(items: &'b [Item<'a>]) -> Vec<&'b [Item<'a>]> {
    items.chunk_by(|a, b| a.key == b.key && a.stem == b.stem).collect()
}

fn encode(
    stems: &[&[Item<'_>]],
    numbers: &FxHashMap<Class, u32>,
    start: Start,
    told: &[Option<&Object>],
) -> Vec<u8> {
    let mut records = Vec::new();
    let mut encoder = Encoder::new(start);
    for items in stems {
        encoder.stem();
        for item in *items {
            let number = numbers.get(&item.class).copied().unwrap_or(0);
            encoder.put(&mut records, number, &record(item, told));
        }
    }
    let counted = stems.iter().filter_map(|items| {
        let count = u64::try_from(items.len()).ok()?;
        Some((items.first()?.stem, count))
    });
    block::write(counted, &records)
}

fn record(item: &Item<'_>, told: &[Option<&Object>]) -> Record {
    let Item { class, object, namespace, crc, .. } = *item;
    let (unit, address, size) = (0, 0, 0);
    let mut record = Record { class, object, unit, address, size, namespace, crc };
    let at = |number: u32| usize::try_from(number).ok();
    let object = at(object).and_then(|n| told.get(n).copied().flatten());
    let symbol = object.zip(at(item.index)).and_then(|(object, n)| object.symbols.get(n));
    if let Some(symbol) = symbol {
        record.unit = symbol.unit.unwrap_or(0);
        record.address = symbol.address.unwrap_or(0);
        record.size = symbol.size.unwrap_or(0);
    }
    record
}
