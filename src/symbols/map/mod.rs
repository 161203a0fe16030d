//! The map file: all symbols of a kernel and its modules, answered from a file.
//!
//! [`build()`] writes it from merged sources, [`Map`] is another [`SymbolSource`]. Opening reads the
//! small tables, a look-up one block of names. Invariant: the records of a name in one object are
//! in the order in which the kernel counts them; equal sources give equal bytes, on any host; any
//! bytes give a map or an error, and no read leaves the file. The parts: `layout` sections,
//! `tables` kernel, texts and objects, `block` names, `record` symbols and exports.

mod block;
mod build;
mod error;
mod evidence;
mod item;
mod layout;
mod partial_object;
mod prefix;
mod record;
mod stored;
mod tables;
mod unread_objects;
mod varint;

use std::borrow::Cow;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::data::{Scope, SymbolData};
use super::{
    KernelIdentity, Neighbours, Suggestions, SymbolError, SymbolErrorKind, SymbolSource, Witness,
};
use crate::name::{ObjectName, VMLINUX};
use block::Block;
use layout::{MAGIC, Section, Sections};
use record::{Class, Decoder, Flags, Record, Start};
use stored::Stored;
use tables::{ObjectEntry, Summary, TEXT_MAX, Table};
use varint::Reader;

pub use build::build;
pub use error::MapError;
pub use unread_objects::MappedObject;

/// A map file.
#[derive(Debug, Clone)]
pub struct Map(Arc<Opened>);

#[derive(Debug)]
struct Opened {
    path: Arc<Path>,
    sections: Sections,
    summary: Summary,
    start: Start,
    classes: Vec<Class>,
    /// Read by the first look-up.
    witnesses: OnceLock<Arc<[Witness]>>,
}

impl Map {
    /// Opens a map file.
    ///
    /// # Errors
    /// [`SymbolErrorKind::Io`] and [`SymbolErrorKind::Map`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, SymbolError> {
        let path = path.into();
        let stored = File::open(&path).and_then(Stored::file);
        Self::read(&path, stored.map_err(|error| SymbolError::new(&path, error))?)
    }

    /// The map in these bytes; messages name `path`.
    ///
    /// # Errors
    /// [`SymbolErrorKind::Map`].
    pub fn from_bytes(path: impl Into<PathBuf>, bytes: Vec<u8>) -> Result<Self, SymbolError> {
        Self::read(&path.into(), Stored::Memory(bytes))
    }

    fn read(path: &Path, stored: Stored) -> Result<Self, SymbolError> {
        match Opened::new(path.into(), stored) {
            Ok(opened) => Ok(Self(Arc::new(opened))),
            Err(error) => Err(SymbolError::new(path, error)),
        }
    }

    /// Whether a file that starts with these bytes is a map.
    #[must_use]
    pub fn recognises(start: &[u8]) -> bool {
        start.get(..6) == MAGIC.get(..6)
    }

    /// The kernel that the map describes.
    #[must_use]
    pub fn kernel(&self) -> &KernelIdentity {
        &self.0.summary.kernel
    }

    /// How many symbols the map has.
    #[must_use]
    pub fn symbols(&self) -> u64 {
        self.0.summary.symbols
    }

    /// How many exports the map has.
    #[must_use]
    pub fn exports(&self) -> u64 {
        self.0.summary.exports
    }

    /// How many bytes the file has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.0.sections.size()
    }

    /// The file, whole.
    ///
    /// # Errors
    /// [`SymbolErrorKind::Io`], and [`MapError::Truncated`] if it was cut off since.
    pub fn bytes(&self) -> Result<Cow<'_, [u8]>, SymbolError> {
        self.0.sections.file().map_err(|error| SymbolError::new(&self.0.path, error))
    }

    /// Verifies every block, as a look-up verifies the one that it reads, and the evidence of modules.
    ///
    /// # Errors
    /// [`MapError::Damaged`].
    pub fn verify(&self) -> Result<(), SymbolError> {
        let verified = self.0.visit(|_, _| Ok(())).and_then(|()| self.0.verify_modules());
        verified.map_err(|error| SymbolError::new(&self.0.path, error))
    }
}

impl Opened {
    fn new(path: Arc<Path>, stored: Stored) -> Result<Self, MapError> {
        let sections = Sections::open(stored)?;
        let summary = Summary::read(sections.get(Section::Kernel)?)?;
        let start = Start { object: None, address: summary.start };
        let classes = Class::read(sections.get(Section::Classes)?)?;
        let witnesses = OnceLock::new();
        let mut opened = Self { path, sections, summary, start, classes, witnesses };
        opened.start.object = opened.find_object(VMLINUX)?;
        Ok(opened)
    }

    fn table(&self, section: Section) -> Result<Table<'_>, MapError> {
        Table::read(self.sections.get(section)?)
    }

    fn text(&self, number: u32) -> Result<&[u8], MapError> {
        let number = usize::try_from(number).map_err(|_| MapError::TooLarge)?;
        let text = self.table(Section::Strings)?.get(number)?;
        if text.len() > TEXT_MAX { Err(MapError::Damaged("text")) } else { Ok(text) }
    }

    fn object(&self, number: u32) -> Result<ObjectEntry<'_>, MapError> {
        let number = usize::try_from(number).map_err(|_| MapError::TooLarge)?;
        ObjectEntry::read(self.table(Section::Objects)?.get(number)?)
    }

    /// The number of an object; they are sorted by name.
    fn find_object(&self, name: &str) -> Result<Option<u32>, MapError> {
        let table = self.table(Section::Objects)?;
        let found = search(table.len(), |n| Ok(ObjectEntry::read(table.get(n)?)?.name < name))?;
        if found < table.len() && ObjectEntry::read(table.get(found)?)?.name == name {
            return Ok(u32::try_from(found).ok());
        }
        Ok(None)
    }

    /// The block of an index entry, which has its offset among the blocks and its length, then its first
    /// stem. Also returns its range among the blocks.
    fn block(&self, entry: &[u8]) -> Result<(Cow<'_, [u8]>, Range<usize>), MapError> {
        let mut reader = Reader(entry);
        let (offset, length) = (reader.index()?, reader.index()?);
        let range = offset..offset.checked_add(length).ok_or(MapError::Damaged("index"))?;
        Ok((self.sections.blocks(range.clone())?, range))
    }

    fn decoder<'a>(&'a self, block: &Block<'a>) -> Decoder<'a> {
        Decoder::new(block.records, &self.classes, self.start)
    }

    /// The records of a name, in the kernel's order within each object.
    fn find(&self, name: &[u8]) -> Result<Vec<Record>, MapError> {
        let (prefix, stem) = prefix::split(name);
        let index = self.table(Section::Index)?;
        // The last block whose first stem is not after the one that is searched for.
        let after = search(index.len(), |n| Ok(first_stem(index.get(n)?)? <= stem))?;
        let Some(last) = after.checked_sub(1) else { return Ok(Vec::new()) };
        let (bytes, _) = self.block(index.get(last)?)?;
        let block = Block::open(&bytes)?;
        let mut found = Vec::new();
        let Some((before, count)) = block.find(stem)? else { return Ok(found) };
        let mut decoder = self.decoder(&block);
        (0..before).try_for_each(|_| decoder.skip())?;
        decoder.stem();
        for _ in 0..count {
            let record = decoder.next()?;
            if record.class.prefix == prefix {
                found.push(record);
            }
        }
        Ok(found)
    }

    /// Visits every record with its name. Those of one name and object are in the kernel's order.
    fn visit(
        &self,
        mut see: impl FnMut(&[u8], &Record) -> Result<(), MapError>,
    ) -> Result<(), MapError> {
        let index = self.table(Section::Index)?;
        let (mut name, mut read) = (Vec::new(), 0);
        for n in 0..index.len() {
            let (bytes, range) = self.block(index.get(n)?)?;
            let block = Block::open(&bytes)?;
            // An index that names a block a thousand times would be read a thousand times.
            if range.start != read {
                return Err(MapError::Damaged("index"));
            }
            read = range.end;
            let mut decoder = self.decoder(&block);
            block.each(|stem, count| {
                decoder.stem();
                for _ in 0..count {
                    let record = decoder.next()?;
                    let prefix = prefix::prefix(record.class.prefix);
                    name.clear();
                    name.extend_from_slice(prefix.ok_or(MapError::Damaged("prefix"))?);
                    name.extend_from_slice(stem);
                    see(&name, &record)?;
                }
                Ok(true)
            })?;
        }
        Ok(())
    }
}

/// The first of `count` numbers for which `before` does not hold.
fn search(
    count: usize,
    mut before: impl FnMut(usize) -> Result<bool, MapError>,
) -> Result<usize, MapError> {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle)? { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

fn first_stem(entry: &[u8]) -> Result<&[u8], MapError> {
    let mut reader = Reader(entry);
    reader.number()?;
    reader.number()?;
    Ok(reader.0)
}

impl SymbolSource for Map {
    fn path(&self) -> &Path {
        &self.0.path
    }

    fn read(&self, scope: Scope<'_>) -> Result<SymbolData, SymbolError> {
        unread_objects::read(&self.0, scope).map_err(|error| SymbolError::new(&self.0.path, error))
    }

    fn similar(&self, near: &mut Suggestions) -> Result<(), SymbolError> {
        let opened = &self.0;
        let mut objects: Vec<Option<ObjectName>> = Vec::new();
        let offered = opened.visit(|name, record| {
            if !near.considers(name) || record.class.flags.contains(Flags::EXPORT) {
                return Ok(());
            }
            let number = usize::try_from(record.object).map_err(|_| MapError::TooLarge)?;
            if objects.len() <= number {
                objects.resize(opened.table(Section::Objects)?.len().max(1), None);
            }
            let object = objects.get_mut(number).ok_or(MapError::Damaged("object"))?;
            if object.is_none() {
                *object = Some(opened.object(record.object)?.object_name()?);
            }
            if let Some(object) = object {
                near.offer(object, name);
            }
            Ok(())
        });
        offered.map_err(|error| SymbolError::new(&opened.path, error))
    }

    fn neighbours(&self, near: &mut Neighbours) -> Result<(), SymbolError> {
        let opened = &self.0;
        let mut offer = || {
            let count = opened.table(Section::Objects)?.len();
            let mut searched = std::collections::BTreeMap::new();
            for number in 0..u32::try_from(count).map_err(|_| MapError::TooLarge)? {
                let name = opened.object(number)?.object_name()?;
                if near.is_in(&name) {
                    searched.insert(number, name);
                }
            }
            opened.visit(|name, record| {
                let has_address = record.class.flags.contains(Flags::ADDRESS);
                if let (Some(object), true) = (searched.get(&record.object), has_address) {
                    let section = record.class.section.checked_sub(1);
                    let section = section.map(|text| opened.text(text)).transpose()?;
                    near.offer(object, section.unwrap_or_default(), record.address, name);
                }
                Ok(())
            })
        };
        offer().map_err(|error| SymbolError::new(&opened.path, error))
    }
}

impl From<MapError> for SymbolErrorKind {
    fn from(error: MapError) -> Self {
        match error {
            MapError::Read(errno) => Self::Io(std::io::Error::from_raw_os_error(errno)),
            error => Self::Map(error),
        }
    }
}

#[cfg(test)]
mod tests;
