//! Reads a map as a source: symbols and exports, and which objects it has.
//!
//! Between the file's records and [`crate::symbols::SymbolData`]. A conversion looks up ten names, and
//! the map has thousands of objects: those without any of the names are only known
//! ([`KnownObjects`]), not read.

use rustc_hash::FxHashMap;
use std::sync::Arc;

use super::record::{Flags, Record};
use super::tables::{ObjectEntry, Table};
use super::{Map, MapError, Opened, Section};
use crate::name::ObjectName;
use crate::symbols::data::{BaseNames, KnownObjects, Object, Scope, Span, Symbol, SymbolData};
use crate::symbols::{BuildId, Export, Order, Siblings, SymbolError, Witness};

/// One object of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedObject {
    /// vmlinux or a module.
    pub name: ObjectName,
    /// How well the order of its symbols is known; `None`: only its exports are.
    pub order: Option<Order>,
    /// The build-id of its file.
    pub build_id: Option<BuildId>,
    /// How many translation units are known.
    pub units: usize,
}

impl Map {
    /// The objects of the map, sorted by name.
    ///
    /// # Errors
    /// [`MapError::Damaged`].
    pub fn objects(&self) -> Result<Vec<MappedObject>, SymbolError> {
        self.0.objects().map_err(|error| SymbolError::new(&self.0.path, error))
    }
}

impl Map {
    /// What the modules of the map prove about its kernel.
    ///
    /// # Errors
    /// [`MapError::Damaged`].
    pub fn siblings(&self) -> Result<Siblings, SymbolError> {
        let witnesses =
            self.0.witnesses().map_err(|error| SymbolError::new(&self.0.path, error))?;
        Ok(Siblings::of(&witnesses, self.kernel().release.as_deref()))
    }
}

impl Opened {
    fn objects(&self) -> Result<Vec<MappedObject>, MapError> {
        let table = self.table(Section::Objects)?;
        let object = |n| {
            let entry = ObjectEntry::read(table.get(n)?)?;
            Ok(MappedObject {
                name: entry.object_name()?,
                order: entry.order,
                build_id: entry.build_id(),
                units: entry.units().count(),
            })
        };
        (0..table.len()).map(object).collect()
    }
}

impl KnownObjects for Opened {
    fn find(&self, name: &ObjectName) -> Option<Object> {
        // A damaged table knows nothing.
        let number = self.find_object(name.as_str()).ok().flatten()?;
        let entry = self.object(number).ok()?;
        let mut object = Object::new(name.clone(), &self.path, entry.order?);
        object.moved = entry.moved;
        object.build_id = entry.build_id();
        Some(object)
    }

    fn names(&self) -> Vec<ObjectName> {
        let Ok(table) = self.table(Section::Objects) else { return Vec::new() };
        let name = |n| {
            let entry = ObjectEntry::read(table.get(n).ok()?).ok()?;
            entry.order.and(entry.object_name().ok())
        };
        (0..table.len()).filter_map(name).collect()
    }

    fn depends(&self, name: &ObjectName) -> Option<Vec<ObjectName>> {
        let number = self.find_object(name.as_str()).ok().flatten()?;
        let entry = self.modules().ok()??.get(usize::try_from(number).ok()?).ok()?;
        self.module(entry).ok()?.1
    }

    fn base_names(&self, name: &ObjectName) -> BaseNames {
        let Ok(Some(number)) = self.find_object(name.as_str()) else { return BaseNames::default() };
        let Ok(entry) = self.object(number) else { return BaseNames::default() };
        BaseNames::of(entry.units().filter_map(|unit| self.text(unit).ok()))
    }
}

/// What the map has in a scope.
pub(super) fn read(opened: &Arc<Opened>, scope: Scope<'_>) -> Result<SymbolData, MapError> {
    let mut collector = Collector { opened, objects: FxHashMap::default(), exports: Vec::new() };
    match scope {
        Scope::All => {
            let count = opened.table(Section::Objects)?.len();
            opened.verify_modules()?;
            let (witnesses, modules) = (opened.witnesses()?, opened.modules()?);
            for number in 0..u32::try_from(count).map_err(|_| MapError::TooLarge)? {
                let partial = collector.object(number)?;
                partial.units(opened)?;
                if let Some(modules) = modules {
                    partial.module(opened, modules, number, &witnesses)?;
                }
            }
            opened.visit(|name, record| collector.see(name, record))?;
        }
        Scope::Names(wanted) => {
            for name in wanted.iter() {
                for record in opened.find(name.as_bytes())? {
                    collector.see(name.as_bytes(), &record)?;
                }
            }
        }
    }
    let mut objects: Vec<_> =
        collector.objects.into_values().filter_map(|partial| partial.object).collect();
    objects.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(SymbolData {
        kernel: opened.summary.kernel.clone(),
        objects,
        exports: collector.exports,
        known: Some(opened.clone()),
        witnesses: match scope {
            // Each object has its own.
            Scope::All => Vec::new(),
            Scope::Names(_) => opened.witnesses()?,
        },
    })
}

/// An object that is being read, and the spans in its text of the map's numbered texts.
#[derive(Debug)]
struct PartialObject<'a> {
    name: ObjectName,
    entry: ObjectEntry<'a>,
    /// `None`: only exports of it are known.
    object: Option<Object>,
    /// By the map's number.
    texts: FxHashMap<u32, Span>,
}

impl PartialObject<'_> {
    /// The span in the object's text of a text of the map.
    fn text(&mut self, opened: &Opened, number: u32) -> Result<Span, MapError> {
        if let Some(span) = self.texts.get(&number) {
            return Ok(*span);
        }
        let object = self.object.as_mut().ok_or(MapError::Damaged("object"))?;
        let span = object.keep(opened.text(number)?).ok_or(MapError::TooLarge)?;
        self.texts.insert(number, span);
        Ok(span)
    }

    /// Adds all units.
    fn units(&mut self, opened: &Opened) -> Result<(), MapError> {
        if self.object.is_none() {
            return Ok(());
        }
        for text in self.entry.units() {
            let span = self.text(opened, text)?;
            self.object.iter_mut().for_each(|object| object.units.push(span));
        }
        Ok(())
    }

    /// Adds the evidence of its file.
    fn module(
        &mut self,
        opened: &Opened,
        modules: Table<'_>,
        number: u32,
        witnesses: &[Witness],
    ) -> Result<(), MapError> {
        let Some(object) = &mut self.object else { return Ok(()) };
        let number = usize::try_from(number).map_err(|_| MapError::TooLarge)?;
        let (shown, depends) = opened.module(modules.get(number)?)?;
        let witness = shown.map(|n| witnesses.get(n).ok_or(MapError::Damaged("module")));
        object.evidence = witness.transpose()?.map(|witness| witness.evidence.clone());
        object.depends = depends;
        Ok(())
    }

    /// Adds a unit; those without a symbol that was read stay without a name.
    fn unit(&mut self, opened: &Opened, unit: u32) -> Result<(), MapError> {
        let text = self.entry.unit(unit)?;
        let span = self.text(opened, text)?;
        let units = self.object.as_mut().map(|object| &mut object.units);
        let units = units.ok_or(MapError::Damaged("object"))?;
        let at = usize::try_from(unit).map_err(|_| MapError::TooLarge)?;
        if units.len() <= at {
            units.resize(at + 1, Span::default());
        }
        if let Some(known) = units.get_mut(at) {
            *known = span;
        }
        Ok(())
    }
}

struct Collector<'a> {
    opened: &'a Opened,
    objects: FxHashMap<u32, PartialObject<'a>>,
    exports: Vec<(String, Export)>,
}

impl<'a> Collector<'a> {
    fn object(&mut self, number: u32) -> Result<&mut PartialObject<'a>, MapError> {
        if !self.objects.contains_key(&number) {
            let entry = self.opened.object(number)?;
            let name = entry.object_name()?;
            let object = entry.order.map(|order| {
                let mut object = Object::new(name.clone(), &self.opened.path, order);
                object.moved = entry.moved;
                object.build_id = entry.build_id();
                object
            });
            let partial = PartialObject { name, entry, object, texts: FxHashMap::default() };
            self.objects.insert(number, partial);
        }
        self.objects.get_mut(&number).ok_or(MapError::Damaged("object"))
    }

    fn see(&mut self, name: &[u8], record: &Record) -> Result<(), MapError> {
        let opened = self.opened;
        let class = record.class;
        let flags = class.flags;
        let partial = self.object(record.object)?;
        if flags.contains(Flags::EXPORT) {
            let namespace = if flags.contains(Flags::NAMESPACE) {
                let text = opened.text(record.namespace)?;
                Some(String::from_utf8_lossy(text).into_owned())
            } else {
                None
            };
            let export = Export {
                owner: partial.name.clone(),
                gpl: flags.contains(Flags::GPL_KNOWN).then_some(flags.contains(Flags::GPL)),
                namespace,
                crc: flags.contains(Flags::CRC).then_some(record.crc),
            };
            let name = std::str::from_utf8(name).map_err(|_| MapError::Damaged("export"))?;
            self.exports.push((name.into(), export));
            return Ok(());
        }
        let section = class.section.checked_sub(1).map(|text| partial.text(opened, text));
        let section = section.transpose()?;
        if flags.contains(Flags::UNIT) {
            partial.unit(opened, record.unit)?;
        }
        let object = partial.object.as_mut().ok_or(MapError::Damaged("object"))?;
        let last = object.symbols.last().map(|symbol| symbol.name);
        let same = last.filter(|last| object.text(*last) == name);
        let name = same.or_else(|| object.keep(name)).ok_or(MapError::TooLarge)?;
        object.symbols.push(Symbol {
            name,
            address: flags.contains(Flags::ADDRESS).then_some(record.address),
            size: flags.contains(Flags::SIZE).then_some(record.size),
            section,
            unit: flags.contains(Flags::UNIT).then_some(record.unit),
            binding: class.binding(),
            kind: class.kind(),
            letter: class.letter(),
            init: flags.contains(Flags::INIT),
            untraceable: flags.contains(Flags::UNTRACEABLE),
            stays: flags.contains(Flags::STAYS),
        });
        Ok(())
    }
}
