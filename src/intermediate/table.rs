//! A section of records: numbers in its bytes, pointers in its relocations.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bstr::ByteSlice;
use klp_arch::{Calc, Machine};
use scroll::{Endian, Pread};

use super::{RecordError, RecordFault};
use crate::elf::{Location, Module, Rela, Section, SectionIndex, SymbolSection};
use crate::name::shown;

/// Most bytes of a text: no name is as long, and many records may point to one endless text.
const TEXT_MAX: usize = 4096;
/// Bytes of a pointer.
const WORD: usize = 8;

/// The fields of a record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Bytes of a record.
    pub(super) size: u64,
    /// Offsets of its pointers, in bytes, and what they lead to.
    pub(super) pointers: &'static [(u64, &'static str)],
}

/// A section of records.
#[derive(Debug)]
pub(super) struct Table<'m, 'data> {
    module: &'m Module<'data>,
    pub(super) section: &'m Section<'data>,
    name: Arc<str>,
    layout: Layout,
    by_offset: BTreeMap<u64, Rela>,
}

impl<'m, 'data> Table<'m, 'data> {
    /// Reads a section; `sections` receives it and its relocations.
    pub(super) fn read(
        module: &'m Module<'data>,
        machine: &Machine,
        section: &'m Section<'data>,
        layout: Layout,
        sections: &mut BTreeSet<SectionIndex>,
        errors: &mut Vec<RecordError>,
    ) -> Self {
        let (name, by_offset) = (shown(section.name).into(), BTreeMap::new());
        let mut table = Self { module, section, name, layout, by_offset };
        sections.insert(section.index);
        let size = u64::try_from(module.body(section.index).len()).unwrap_or(u64::MAX);
        if size != section.sh_size || !size.is_multiple_of(layout.size) {
            let (size, of) = (section.sh_size, layout.size);
            errors.push(table.fault(None, RecordFault::Length { size, of }));
            return table;
        }
        let tables = module.relocation_sections();
        for relocations in tables.filter(|table| table.sh_info == section.index.get()) {
            sections.insert(relocations.index);
            for rela in module.relocations(relocations.index) {
                let Rela { offset, kind, .. } = rela;
                let mut pointers = layout.pointers.iter();
                let pointer = pointers.find(|(at, _)| offset % layout.size == *at && offset < size);
                let fault = match pointer {
                    None => Some(RecordFault::Stray(offset)),
                    Some((_, what)) if !is_pointer(machine, kind) => {
                        Some(RecordFault::NotPointer(what))
                    }
                    Some(_) => {
                        table.by_offset.insert(offset, rela).map(|_| RecordFault::Stray(offset))
                    }
                };
                let record = usize::try_from(offset / layout.size).ok();
                errors.extend(fault.map(|fault| table.fault(record, fault)));
            }
        }
        table
    }

    /// Number of whole records.
    pub(super) fn len(&self) -> usize {
        usize::try_from(self.layout.size).map_or(0, |size| self.body().len() / size)
    }

    /// The bytes of a record; none for one that is not whole.
    pub(super) fn record(&self, record: usize) -> &'data [u8] {
        let size = usize::try_from(self.layout.size).unwrap_or(usize::MAX);
        let start = record.saturating_mul(size);
        self.body().get(start..start.saturating_add(size)).unwrap_or_default()
    }

    /// The number at an offset of a record; 0 past its end.
    pub(super) fn number<N>(&self, record: usize, at: usize, order: Endian) -> N
    where
        N: for<'a> scroll::ctx::TryFromCtx<'a, Endian, Error = scroll::Error> + Default,
    {
        self.record(record).pread_with(at, order).unwrap_or_default()
    }

    /// The relocation of one of a record's pointers.
    pub(super) fn pointer(&self, record: usize, at: u64) -> Result<Rela, RecordError> {
        let start = u64::try_from(record).unwrap_or(u64::MAX).saturating_mul(self.layout.size);
        let rela = self.by_offset.get(&start.saturating_add(at)).copied();
        rela.ok_or_else(|| self.fault(Some(record), RecordFault::NoRelocation(self.what(at))))
    }

    /// The location in the module that one of a record's pointers leads to, if it does.
    pub(super) fn location(&self, record: usize, at: u64) -> Result<Option<Location>, RecordError> {
        let rela = self.pointer(record, at)?;
        Ok(self.module.symbol(rela.symbol).and_then(|symbol| match symbol.section {
            SymbolSection::Defined(section) => {
                let offset = symbol.st_value.checked_add_signed(rela.addend)?;
                Some(Location { section, offset })
            }
            _ => None,
        }))
    }

    /// The text in a section that one of a record's pointers leads to.
    pub(super) fn text(
        &self,
        record: usize,
        at: u64,
        texts: SectionIndex,
    ) -> Result<&'data str, RecordError> {
        let location = self.location(record, at)?.filter(|location| location.section == texts);
        let text = location.and_then(|Location { offset, .. }| {
            let tail = self.module.body(texts).get(usize::try_from(offset).ok()?..)?;
            let tail = tail.get(..TEXT_MAX.min(tail.len()))?;
            tail.get(..tail.find_byte(0)?)?.to_str().ok()
        });
        text.ok_or_else(|| self.fault(Some(record), RecordFault::NoText(self.what(at))))
    }

    /// What is wrong with a record.
    pub(super) fn fault(&self, record: Option<usize>, fault: RecordFault) -> RecordError {
        RecordError { section: Arc::clone(&self.name), record, fault }
    }

    fn what(&self, at: u64) -> &'static str {
        let mut pointers = self.layout.pointers.iter();
        pointers.find(|(offset, _)| *offset == at).map_or("pointer", |(_, what)| what)
    }

    fn body(&self) -> &'data [u8] {
        self.module.body(self.section.index)
    }
}

/// Whether a relocation writes a whole pointer.
fn is_pointer(machine: &Machine, kind: u32) -> bool {
    machine.row(kind).is_some_and(|row| row.calc == Calc::Absolute && row.field.size() == WORD)
}
