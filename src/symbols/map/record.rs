//! One symbol or export of a map, a few bytes long.
//!
//! What many records have in common is a [`Class`], stored once and referred to by number; the rest
//! is encoded relative to the previous record in the block. Invariant: [`Encoder`] and [`Decoder`] keep
//! the same state, which is reset for each block.

use strum::FromRepr;

use super::MapError;
use super::varint::{Reader, put, put_signed};
use crate::symbols::{Binding, Kind};

/// What a record is, and which fields it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Class {
    /// Number of the section's name, counted from 1; 0 for none.
    pub(super) section: u32,
    /// Number of the name's prefix.
    pub(super) prefix: u8,
    /// Type letter, 0 if unknown.
    pub(super) letter: u8,
    /// Binding and type, 0 if unknown.
    pub(super) binding: u8,
    pub(super) kind: u8,
    pub(super) flags: Flags,
}

bitflags::bitflags! {
    /// Which fields a record has, and boolean facts.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub(super) struct Flags: u16 {
        const ADDRESS = 1;
        const SIZE = 1 << 1;
        const UNIT = 1 << 2;
        const INIT = 1 << 3;
        const STAYS = 1 << 4;
        /// It is an export: the fields are namespace and CRC.
        const EXPORT = 1 << 5;
        const GPL_KNOWN = 1 << 6;
        const GPL = 1 << 7;
        const NAMESPACE = 1 << 8;
        const CRC = 1 << 9;
        const UNTRACEABLE = 1 << 10;
    }
}

/// Bytes of a class in the file.
const CLASS_SIZE: usize = 10;

#[derive(Debug, Clone, Copy, FromRepr)]
#[repr(u8)]
enum BindingCode {
    Local = 1,
    Global,
    Weak,
    Other,
}

#[derive(Debug, Clone, Copy, FromRepr)]
#[repr(u8)]
enum KindCode {
    Function = 1,
    Object,
    Label,
    Marker,
    Other,
}

/// The number of a binding.
pub(super) fn binding_code(binding: Option<Binding>) -> u8 {
    match binding {
        None => 0,
        Some(Binding::Local) => BindingCode::Local as u8,
        Some(Binding::Global) => BindingCode::Global as u8,
        Some(Binding::Weak) => BindingCode::Weak as u8,
        Some(Binding::Other) => BindingCode::Other as u8,
    }
}

/// The number of a type.
pub(super) fn kind_code(kind: Option<Kind>) -> u8 {
    match kind {
        None => 0,
        Some(Kind::Function) => KindCode::Function as u8,
        Some(Kind::Object) => KindCode::Object as u8,
        Some(Kind::Label) => KindCode::Label as u8,
        Some(Kind::Marker) => KindCode::Marker as u8,
        Some(Kind::Other) => KindCode::Other as u8,
    }
}

impl Class {
    pub(super) fn binding(self) -> Option<Binding> {
        Some(match BindingCode::from_repr(self.binding)? {
            BindingCode::Local => Binding::Local,
            BindingCode::Global => Binding::Global,
            BindingCode::Weak => Binding::Weak,
            BindingCode::Other => Binding::Other,
        })
    }

    pub(super) fn kind(self) -> Option<Kind> {
        Some(match KindCode::from_repr(self.kind)? {
            KindCode::Function => Kind::Function,
            KindCode::Object => Kind::Object,
            KindCode::Label => Kind::Label,
            KindCode::Marker => Kind::Marker,
            KindCode::Other => Kind::Other,
        })
    }

    pub(super) fn letter(self) -> Option<u8> {
        (self.letter != 0).then_some(self.letter)
    }

    /// Appends the class as the table has it.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        out.extend(self.section.to_le_bytes());
        out.extend([self.prefix, self.letter, self.binding, self.kind]);
        out.extend(self.flags.bits().to_le_bytes());
    }

    /// All classes of the table.
    pub(super) fn read(table: &[u8]) -> Result<Vec<Self>, MapError> {
        let class = |entry: &[u8; CLASS_SIZE]| {
            let [a, b, c, d, prefix, letter, binding, kind, e, f] = *entry;
            let flags = Flags::from_bits(u16::from_le_bytes([e, f]));
            let flags = flags.ok_or(MapError::Damaged("class"))?;
            let section = u32::from_le_bytes([a, b, c, d]);
            Ok(Self { section, prefix, letter, binding, kind, flags })
        };
        table.as_chunks::<CLASS_SIZE>().0.iter().map(class).collect()
    }
}

/// A decoded record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) class: Class,
    /// Number of the object.
    pub(super) object: u32,
    pub(super) unit: u32,
    pub(super) address: u64,
    pub(super) size: u64,
    /// Number of the namespace's text, and the CRC, of an export.
    pub(super) namespace: u32,
    pub(super) crc: u32,
}

/// What a record is encoded relative to.
#[derive(Debug, Default, Clone, Copy)]
struct Before {
    object: u32,
    unit: u32,
    /// Section and address of the last record of this stem that has an address.
    address: Option<(u32, u64)>,
}

impl Before {
    /// The address that a record's address is relative to, if any: those of one stem and section
    /// are close, `__pfx_f` is 16 bytes before `f`.
    fn base(&self, class: Class, object: u32) -> Option<u64> {
        let (section, address) = self.address?;
        (self.object == object && section == class.section).then_some(address)
    }

    fn step(&mut self, record: &Record) {
        self.object = record.object;
        if record.class.flags.contains(Flags::UNIT) {
            self.unit = record.unit;
        }
        if record.class.flags.contains(Flags::ADDRESS) {
            self.address = Some((record.class.section, record.address));
        }
    }
}

/// The object whose addresses are relative to a start, vmlinux, and the start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    pub(super) object: Option<u32>,
    pub(super) address: u64,
}

impl Start {
    fn of(self, object: u32) -> u64 {
        if self.object == Some(object) { self.address } else { 0 }
    }
}

const SAME_OBJECT: u64 = 1;
const SAME_UNIT: u64 = 2;
const SHIFT: u32 = 2;

/// Writes the records of one block.
#[derive(Debug)]
pub(super) struct Encoder {
    before: Before,
    start: Start,
}

impl Encoder {
    pub(super) fn new(start: Start) -> Self {
        Self { before: Before::default(), start }
    }

    /// Begins the records of the next stem.
    pub(super) fn stem(&mut self) {
        self.before.address = None;
    }

    pub(super) fn put(&mut self, out: &mut Vec<u8>, number: u32, record: &Record) {
        let flags = record.class.flags;
        let same_object = record.object == self.before.object;
        let same_unit = record.unit == self.before.unit && flags.contains(Flags::UNIT);
        let head = u64::from(number) << SHIFT
            | if same_object { SAME_OBJECT } else { 0 }
            | if same_unit { SAME_UNIT } else { 0 };
        put(out, head);
        if !same_object {
            put(out, record.object.into());
        }
        if flags.contains(Flags::UNIT) && !same_unit {
            put(out, record.unit.into());
        }
        if flags.contains(Flags::ADDRESS) {
            match self.before.base(record.class, record.object) {
                Some(base) => put_signed(out, record.address.wrapping_sub(base).cast_signed()),
                None => put(out, record.address.wrapping_sub(self.start.of(record.object))),
            }
        }
        if flags.contains(Flags::SIZE) {
            put(out, record.size);
        }
        if flags.contains(Flags::NAMESPACE) {
            put(out, record.namespace.into());
        }
        if flags.contains(Flags::CRC) {
            out.extend(record.crc.to_le_bytes());
        }
        self.before.step(record);
    }
}

/// Reads the records of one block.
#[derive(Debug)]
pub(super) struct Decoder<'a> {
    reader: Reader<'a>,
    classes: &'a [Class],
    before: Before,
    start: Start,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(reader: Reader<'a>, classes: &'a [Class], start: Start) -> Self {
        Self { reader, classes, before: Before::default(), start }
    }

    /// Begins the records of the next stem.
    pub(super) fn stem(&mut self) {
        self.before.address = None;
    }

    /// What a record begins with, and its class.
    #[inline]
    fn head(&mut self) -> Result<(u64, Class), MapError> {
        let head = self.reader.number()?;
        let class = usize::try_from(head >> SHIFT).ok().and_then(|n| self.classes.get(n));
        Ok((head, *class.ok_or(MapError::Damaged("class"))?))
    }

    /// Passes over a record of another stem.
    pub(super) fn skip(&mut self) -> Result<(), MapError> {
        let (head, Class { flags, .. }) = self.head()?;
        if head & SAME_OBJECT == 0 {
            self.before.object = self.reader.number32()?;
        }
        if flags.contains(Flags::UNIT) && head & SAME_UNIT == 0 {
            self.before.unit = self.reader.number32()?;
        }
        for field in [Flags::ADDRESS, Flags::SIZE, Flags::NAMESPACE] {
            if flags.contains(field) {
                self.reader.skip_number()?;
            }
        }
        if flags.contains(Flags::CRC) {
            self.reader.take(4)?;
        }
        Ok(())
    }

    pub(super) fn next(&mut self) -> Result<Record, MapError> {
        let (head, class) = self.head()?;
        let flags = class.flags;
        let object =
            if head & SAME_OBJECT == 0 { self.reader.number32()? } else { self.before.object };
        let mut record = Record {
            class,
            object,
            unit: self.before.unit,
            address: 0,
            size: 0,
            namespace: 0,
            crc: 0,
        };
        if flags.contains(Flags::UNIT) && head & SAME_UNIT == 0 {
            record.unit = self.reader.number32()?;
        }
        if flags.contains(Flags::ADDRESS) {
            record.address = match self.before.base(class, object) {
                Some(base) => base.wrapping_add_signed(self.reader.signed()?),
                None => self.reader.number()?.wrapping_add(self.start.of(object)),
            };
        }
        if flags.contains(Flags::SIZE) {
            record.size = self.reader.number()?;
        }
        if flags.contains(Flags::NAMESPACE) {
            record.namespace = self.reader.number32()?;
        }
        if flags.contains(Flags::CRC) {
            let bytes = self.reader.take(4)?;
            let bytes = bytes.first_chunk().copied().ok_or(MapError::Damaged("CRC"))?;
            record.crc = u32::from_le_bytes(bytes);
        }
        self.before.step(&record);
        Ok(record)
    }
}
