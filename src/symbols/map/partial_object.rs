//! An object of a map while its records are read.
//!
//! A look-up has thousands of them with one symbol each, and reading all of a map has few with thousands.

use rustc_hash::FxHashMap;

use super::record::{Flags, Record};
use super::tables::{ObjectEntry, Table};
use super::{MapError, Opened};
use crate::name::ObjectName;
use crate::symbols::Witness;
use crate::symbols::data::{Object, Span, Symbol};

/// Bytes of a usual section's name.
const SECTION_NAME: usize = 16;

/// An object that is being read, and the spans in its text of the map's numbered texts.
#[derive(Debug)]
pub(super) struct PartialObject<'a> {
    /// The map's number of it.
    pub(super) number: u32,
    pub(super) name: ObjectName,
    entry: ObjectEntry<'a>,
    /// `None`: only exports of it are known.
    pub(super) object: Option<Object>,
    texts: KnownTexts,
}

/// Where texts are, by the map's number: of most objects one or two, of a whole one thousands.
#[derive(Debug, Default)]
struct KnownTexts {
    few: Vec<(u32, Span)>,
    many: FxHashMap<u32, Span>,
}

impl KnownTexts {
    /// How many are looked through.
    const FEW: usize = 8;

    fn get(&self, number: u32) -> Option<Span> {
        let few = self.few.iter().find(|(known, _)| *known == number).map(|(_, span)| *span);
        few.or_else(|| self.many.get(&number).copied())
    }

    fn insert(&mut self, number: u32, span: Span) {
        if self.few.len() < Self::FEW {
            self.few.push((number, span));
        } else {
            self.many.insert(number, span);
        }
    }
}

impl<'a> PartialObject<'a> {
    /// The object of this number, without symbols.
    pub(super) fn new(opened: &'a Opened, number: u32) -> Result<Self, MapError> {
        let entry = opened.object(number)?;
        let name = entry.object_name()?;
        let object = entry.order.map(|order| {
            let mut object = Object::new(name.clone(), opened.path.clone(), order);
            object.moved = entry.moved;
            object.build_id = entry.build_id();
            object
        });
        Ok(Self { number, name, entry, object, texts: KnownTexts::default() })
    }
}

impl PartialObject<'_> {
    /// Makes room for symbols of a name.
    pub(super) fn expect(&mut self, name: &[u8], symbols: usize) {
        // A name and that of a section are all that most objects of a look-up get.
        if let Some(object) = self.object.as_mut().filter(|object| object.symbols.is_empty()) {
            object.symbols.reserve_exact(symbols);
            object.text.reserve(name.len() + SECTION_NAME);
        }
    }

    /// Adds the symbol of a record.
    pub(super) fn add(
        &mut self,
        opened: &Opened,
        name: &[u8],
        record: &Record,
    ) -> Result<(), MapError> {
        let (class, flags) = (record.class, record.class.flags);
        let section = class.section.checked_sub(1).map(|text| self.text(opened, text));
        let section = section.transpose()?;
        if flags.contains(Flags::UNIT) {
            self.unit(opened, record.unit)?;
        }
        let object = self.object.as_mut().ok_or(MapError::Damaged("object"))?;
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

    /// The span in the object's text of a text of the map.
    fn text(&mut self, opened: &Opened, number: u32) -> Result<Span, MapError> {
        if let Some(span) = self.texts.get(number) {
            return Ok(span);
        }
        let object = self.object.as_mut().ok_or(MapError::Damaged("object"))?;
        let span = object.keep(opened.text(number)?).ok_or(MapError::TooLarge)?;
        self.texts.insert(number, span);
        Ok(span)
    }

    /// Adds all units.
    pub(super) fn units(&mut self, opened: &Opened) -> Result<(), MapError> {
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
    pub(super) fn module(
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
