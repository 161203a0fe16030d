//! A linked kernel's tables, by the code that their entries are of.

use std::ops::{Range, RangeInclusive};
use std::sync::{Arc, PoisonError};

use klp_arch::object_table::{EntryShape, FieldMeaning, ObjectTable, TableUse};
use klp_arch::{Calc, Row};
use scroll::Pread;

use super::kernel::ShippedKernel;

/// Entries from which on a table tells by itself what shape it has.
const TELLING: usize = 8;

/// The entries of a table: the code that each is of, and its own address. Sorted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sites(Vec<(u64, u64)>);

impl Sites {
    /// Whether the linker has left out all of it, as it does what nothing refers to and no `KEEP` names.
    pub(super) fn is_left_out(&self) -> bool {
        self.0.is_empty()
    }

    /// The entries of code at these addresses.
    pub(super) fn of(&self, code: RangeInclusive<u64>) -> &[(u64, u64)] {
        let start = self.0.partition_point(|(site, _)| site < code.start());
        let end = self.0.partition_point(|(site, _)| site <= code.end());
        self.0.get(start..end).unwrap_or_default()
    }
}

/// How a field says where code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Form {
    /// The distance from the field, in 4 bytes.
    ShortDistance,
    /// The same in 8.
    Distance,
    /// The address.
    Pointer,
}

impl Form {
    /// Those that the field for an entry's code may have.
    fn fitting(shape: &EntryShape) -> &'static [Self] {
        const ALL: &[Form] = &[Form::ShortDistance, Form::Distance, Form::Pointer];
        // The next field says how wide it is; without one it may be anything.
        match shape.fields {
            [first, next, ..] if next.at.saturating_sub(first.at) == 4 => &[Self::ShortDistance],
            [_, _, ..] => &[Self::Distance, Self::Pointer],
            _ if shape.size < 8 => &[Self::ShortDistance],
            _ => ALL,
        }
    }

    /// That of a relocation's field.
    pub(super) fn of(row: &Row) -> Option<Self> {
        match (row.calc, row.field.size()) {
            (Calc::Relative, 4) => Some(Self::ShortDistance),
            (Calc::Relative, 8) => Some(Self::Distance),
            (Calc::Absolute, 8) => Some(Self::Pointer),
            _ => None,
        }
    }
}

/// The shape of a table's entries, and the form of the field for their code.
pub(super) type ShapeAndForm = (&'static EntryShape, Form);

/// Tables that were asked for, by their address, the size of an entry and the form of its code.
pub(super) type KnownSites = rustc_hash::FxHashMap<(u64, Option<(u64, Form)>), Option<Arc<Sites>>>;

impl ShippedKernel {
    /// The kernel's entries of a table, which objects have in a section of this name. `None`: it does not say where they are,
    /// or, without a `shape`, which one they have.
    pub(super) fn sites(
        &self,
        table: &ObjectTable,
        section: &str,
        shape: Option<ShapeAndForm>,
    ) -> Option<Arc<Sites>> {
        let (start, end) = table.bounds(section);
        let range = self.table(section, &start, &end)?;
        let key = (range.start, shape.map(|(shape, form)| (shape.size, form)));
        let mut known = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        let read = || {
            let sites = match shape {
                Some(shape) => self.read_sites(shape, &range),
                None => self.learned(table, &range),
            };
            sites.map(Arc::new)
        };
        known.entry(key).or_insert_with(read).clone()
    }

    fn read_sites(&self, (shape, form): ShapeAndForm, range: &Range<u64>) -> Option<Sites> {
        let field = shape.fields.iter().find(|field| field.means == FieldMeaning::Code)?;
        let endian = self.machine?.endian;
        let start = range.start;
        let bytes = self.memory.within(range)?;
        let stride = usize::try_from(shape.size).ok()?;
        let entry = |(number, bytes): (usize, &[u8])| {
            let address = start.checked_add(u64::try_from(number.checked_mul(stride)?).ok()?)?;
            let place = address.checked_add(field.at)?;
            let at = usize::try_from(field.at).ok()?;
            let code = match form {
                Form::ShortDistance => {
                    place.wrapping_add_signed(bytes.pread_with::<i32>(at, endian).ok()?.into())
                }
                Form::Distance => place.wrapping_add_signed(bytes.pread_with(at, endian).ok()?),
                Form::Pointer => match self.memory.late_pointer(place) {
                    Some(pointer) => pointer,
                    None => bytes.pread_with(at, endian).ok()?,
                },
            };
            Some((code.wrapping_add_signed(field.bias), address))
        };
        let mut sites: Vec<_> = bytes.chunks(stride).enumerate().filter_map(entry).collect();
        sites.sort_unstable();
        Some(Sites(sites))
    }

    /// A table of which no object says what shape it has: all entries of the right one are of code.
    fn learned(&self, table: &ObjectTable, range: &Range<u64>) -> Option<Sites> {
        let (TableUse::Content(shapes) | TableUse::Boot(shapes)) = table.holds else { return None };
        let size = range.end.checked_sub(range.start)?;
        let fitting = shapes.iter().filter(|shape| size.is_multiple_of(shape.size));
        let tries =
            fitting.flat_map(|shape| Form::fitting(shape).iter().map(move |form| (shape, *form)));
        let read = tries.filter_map(|shape| Some((shape.0.size, self.read_sites(shape, range)?)));
        let is_it = |sites: &Sites| {
            sites.0.len() >= TELLING && sites.0.iter().all(|(site, _)| self.is_code(*site))
        };
        // A larger one may meet only other fields that refer to code; a smaller one meets something else.
        let found = read.filter(|(_, sites)| is_it(sites)).min_by_key(|(size, _)| *size);
        found.map(|(_, sites)| sites)
    }
}
