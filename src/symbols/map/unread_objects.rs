//! Reads a map as a source: symbols and exports, and which objects it has.
//!
//! Between the file's records and [`crate::symbols::SymbolData`]. A conversion looks up ten names, and
//! the map has thousands of objects: those without any of the names are only known
//! ([`KnownObjects`]), not read.

use rayon::prelude::*;
use rustc_hash::FxHashMap;
use std::sync::Arc;

use super::partial_object::PartialObject;
use super::record::{Flags, Record};
use super::tables::ObjectEntry;
use super::{Map, MapError, Opened, Section};
use crate::name::ObjectName;
use crate::symbols::data::{BaseNames, KnownObjects, Object, Scope, SymbolData};
use crate::symbols::{BuildId, Export, Order, Siblings, SymbolError, Wanted};
use crate::threads::on_all;

/// Look-ups that take longer than to start threads for them.
const MANY: usize = 256;

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
        let mut object = Object::new(name.clone(), self.path.clone(), entry.order?);
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
    let mut collector = Collector::new(opened);
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
            opened.visit(|name, record| collector.see(name, std::slice::from_ref(record)))?;
        }
        Scope::Names(wanted) => {
            let found = find(opened, wanted)?;
            let records = found.iter().map(|(_, records)| records.len()).sum::<usize>();
            let objects = opened.table(Section::Objects)?.len();
            collector.objects.reserve(records.min(objects));
            for (name, records) in found {
                for records in records.chunk_by(|one, next| one.object == next.object) {
                    collector.see(name.as_bytes(), records)?;
                }
            }
        }
    }
    let Collector { mut objects, exports, .. } = collector;
    // As their names are.
    objects.sort_by_key(|partial| partial.number);
    Ok(SymbolData {
        kernel: opened.summary.kernel.clone(),
        objects: objects.into_iter().filter_map(|partial| partial.object).collect(),
        exports,
        known: Some(opened.clone()),
        witnesses: match scope {
            // Each object has its own.
            Scope::All => Arc::default(),
            Scope::Names(_) => opened.witnesses()?,
        },
    })
}

/// The records of each name; many are looked up on all processors.
fn find<'w>(opened: &Opened, wanted: &Wanted<'w>) -> Result<Vec<(&'w str, Vec<Record>)>, MapError> {
    let find = |name: &'w str| Ok((name, opened.find(name.as_bytes())?));
    if wanted.len() < MANY {
        return wanted.iter().map(find).collect();
    }
    let names: Vec<_> = wanted.iter().collect();
    on_all(|| names.into_par_iter().with_min_len(MANY / 4).map(find).collect())
}

struct Collector<'a> {
    opened: &'a Opened,
    objects: Vec<PartialObject<'a>>,
    /// Where each is, by the map's number.
    places: FxHashMap<u32, usize>,
    exports: Vec<(String, Export)>,
}

impl<'a> Collector<'a> {
    fn new(opened: &'a Opened) -> Self {
        Self { opened, objects: Vec::new(), places: FxHashMap::default(), exports: Vec::new() }
    }

    fn object(&mut self, number: u32) -> Result<&mut PartialObject<'a>, MapError> {
        let new = self.objects.len();
        let place = *self.places.entry(number).or_insert(new);
        if place == new {
            self.objects.push(PartialObject::new(self.opened, number)?);
        }
        self.objects.get_mut(place).ok_or(MapError::Damaged("object"))
    }

    /// Adds the records that one object has of a name.
    fn see(&mut self, name: &[u8], records: &[Record]) -> Result<(), MapError> {
        let Some(first) = records.first() else { return Ok(()) };
        let opened = self.opened;
        let is_export = |record: &&Record| record.class.flags.contains(Flags::EXPORT);
        let partial = self.object(first.object)?;
        partial.expect(name, records.len());
        for record in records.iter().filter(|record| !is_export(record)) {
            partial.add(opened, name, record)?;
        }
        let owner = partial.name.clone();
        for record in records.iter().filter(is_export) {
            let name = std::str::from_utf8(name).map_err(|_| MapError::Damaged("export"))?;
            self.exports.push((name.into(), export(opened, owner.clone(), record)?));
        }
        Ok(())
    }
}

/// The export of a record.
fn export(opened: &Opened, owner: ObjectName, record: &Record) -> Result<Export, MapError> {
    let flags = record.class.flags;
    let namespace = flags.contains(Flags::NAMESPACE).then(|| opened.text(record.namespace));
    let namespace = namespace.transpose()?.map(|text| String::from_utf8_lossy(text).into_owned());
    Ok(Export {
        owner,
        gpl: flags.contains(Flags::GPL_KNOWN).then_some(flags.contains(Flags::GPL)),
        namespace,
        crc: flags.contains(Flags::CRC).then_some(record.crc),
    })
}
