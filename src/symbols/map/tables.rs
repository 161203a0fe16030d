//! The small tables of a map: the kernel, texts, objects.
//!
//! Written by [`super::build()`], read by [`super::Map`] where it needs an entry. Invariant: no read of an
//! entry leaves its table, and numbers without an entry are errors.

use scroll::{Endian, LE, Pread};

use super::MapError;
use super::varint::{Reader, put, put_bytes};
use crate::name::ObjectName;
use crate::symbols::{BuildId, KernelIdentity, Order};

/// The longest text of a map: no path is longer (`PATH_MAX`). Many objects may refer to one text, so
/// a long one in a small file would be copied many times.
pub(super) const TEXT_MAX: usize = 4096;

/// The summary of a map.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) kernel: KernelIdentity,
    /// The lowest address of a symbol of vmlinux.
    pub(super) start: u64,
    /// How many stems, symbols and exports there are.
    pub(super) stems: u64,
    pub(super) symbols: u64,
    pub(super) exports: u64,
}

impl Summary {
    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let Self { kernel, start, stems, symbols, exports } = self;
        put_bytes(&mut out, kernel.release.as_deref().unwrap_or("").as_bytes());
        put(&mut out, kernel.machine.map_or(0, |machine| u64::from(machine) + 1));
        put(
            &mut out,
            match kernel.endian {
                None => 0,
                Some(Endian::Little) => 1,
                Some(Endian::Big) => 2,
            },
        );
        put(&mut out, kernel.kallsyms_all.map_or(0, |all| 1 + u64::from(all)));
        [start, stems, symbols, exports].into_iter().for_each(|number| put(&mut out, *number));
        out
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, MapError> {
        let mut reader = Reader(bytes);
        let release = Some(reader.text()?.to_owned()).filter(|release| !release.is_empty());
        let machine = match reader.number()?.checked_sub(1) {
            None => None,
            Some(machine) => {
                Some(u16::try_from(machine).map_err(|_| MapError::Damaged("machine"))?)
            }
        };
        let endian = match reader.number()? {
            0 => None,
            1 => Some(Endian::Little),
            2 => Some(Endian::Big),
            _ => return Err(MapError::Damaged("byte order")),
        };
        let kallsyms_all = match reader.number()? {
            0 => None,
            1 => Some(false),
            2 => Some(true),
            _ => return Err(MapError::Damaged("kernel")),
        };
        Ok(Self {
            kernel: KernelIdentity { release, machine, endian, kallsyms_all },
            start: reader.number()?,
            stems: reader.number()?,
            symbols: reader.number()?,
            exports: reader.number()?,
        })
    }
}

/// Entries of any length, after the offsets of their ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table<'a> {
    bytes: &'a [u8],
    count: usize,
}

/// Writes such a table.
pub(super) fn table<T: AsRef<[u8]>>(entries: &[T]) -> Result<Vec<u8>, MapError> {
    let number = |n: usize| u32::try_from(n).map_err(|_| MapError::TooLarge);
    let mut out = number(entries.len())?.to_le_bytes().to_vec();
    let mut end = 0;
    for entry in entries {
        end += entry.as_ref().len();
        out.extend(number(end)?.to_le_bytes());
    }
    entries.iter().for_each(|entry| out.extend_from_slice(entry.as_ref()));
    Ok(out)
}

impl<'a> Table<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, MapError> {
        let count: u32 = bytes.pread_with(0, LE)?;
        let count = usize::try_from(count).map_err(|_| MapError::TooLarge)?;
        let start = count.checked_mul(4).and_then(|size| size.checked_add(4));
        if start.is_none_or(|start| start > bytes.len()) {
            return Err(MapError::Damaged("table"));
        }
        Ok(Self { bytes, count })
    }

    pub(super) fn len(self) -> usize {
        self.count
    }

    /// The bytes of an entry.
    pub(super) fn get(self, index: usize) -> Result<&'a [u8], MapError> {
        let damaged = MapError::Damaged("table");
        if index >= self.count {
            return Err(damaged);
        }
        let end = |n: usize| {
            let end: u32 = self.bytes.pread_with(n * 4, LE)?;
            usize::try_from(end).map_err(|_| MapError::TooLarge)
        };
        let from = if index == 0 { 0 } else { end(index)? };
        let to = end(index + 1)?;
        let start = (self.count + 1) * 4;
        let range = start.checked_add(from).zip(start.checked_add(to));
        range.and_then(|(from, to)| self.bytes.get(from..to)).ok_or(damaged)
    }
}

/// Added to the number of an order if the addresses are those of a running kernel.
const MOVED: u64 = 4;

/// One object of a map.
#[derive(Debug, Clone, Copy)]
pub(super) struct ObjectEntry<'a> {
    pub(super) name: &'a str,
    /// `None`: the map knows exports of it and no symbols.
    pub(super) order: Option<Order>,
    /// Whether its addresses may all be shifted by one constant.
    pub(super) moved: bool,
    pub(super) build_id: &'a [u8],
    /// Numbers of texts, four bytes each.
    units: &'a [u8],
}

impl<'a> ObjectEntry<'a> {
    pub(super) fn write(
        name: &ObjectName,
        order: Option<Order>,
        moved: bool,
        build_id: Option<&BuildId>,
        units: &[u32],
    ) -> Vec<u8> {
        let mut out = Vec::new();
        put_bytes(&mut out, name.as_str().as_bytes());
        let order = match order {
            None => 0,
            Some(Order::Alphabetical) => 1,
            Some(Order::Loaded) => 2,
            Some(Order::Proven) => 3,
        };
        put(&mut out, order | if moved { MOVED } else { 0 });
        put_bytes(&mut out, build_id.map_or(&[], |id| id.0.as_slice()));
        units.iter().for_each(|unit| out.extend(unit.to_le_bytes()));
        out
    }

    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, MapError> {
        let mut reader = Reader(bytes);
        let name = reader.text()?;
        let order = reader.number()?;
        let moved = order & MOVED != 0;
        let order = match order & !MOVED {
            0 => None,
            1 => Some(Order::Alphabetical),
            2 => Some(Order::Loaded),
            3 => Some(Order::Proven),
            _ => return Err(MapError::Damaged("object")),
        };
        let build_id = reader.bytes()?;
        Ok(Self { name, order, moved, build_id, units: reader.0 })
    }

    pub(super) fn object_name(self) -> Result<ObjectName, MapError> {
        self.name.parse().map_err(|_| MapError::Damaged("object"))
    }

    pub(super) fn build_id(self) -> Option<BuildId> {
        (!self.build_id.is_empty()).then(|| BuildId(self.build_id.to_vec()))
    }

    /// Numbers of the texts of all units.
    pub(super) fn units(self) -> impl Iterator<Item = u32> {
        self.units.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes))
    }

    /// Number of the text of one unit.
    pub(super) fn unit(self, index: u32) -> Result<u32, MapError> {
        let at = usize::try_from(index).ok().and_then(|index| index.checked_mul(4));
        at.and_then(|at| self.units.pread_with(at, LE).ok()).ok_or(MapError::Damaged("unit"))
    }
}
