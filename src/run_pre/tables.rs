//! An object's tables, such as `__ex_table`, whose entries are parts of the code that they are of.

use std::ops::Range;

use klp_arch::Machine;
use klp_arch::object_table::{FieldMeaning, ObjectTable};

use super::references::{Reference, Target};
use super::sections::relocated_by;
use super::sites::{Form, ShapeAndForm};
use crate::elf::Module;
use crate::objdiff::{Class, entry_shape};

/// A table of an object.
#[derive(Debug)]
pub(super) struct Table {
    /// Index of the section.
    pub(super) section: usize,
    pub(super) table: &'static ObjectTable,
    pub(super) shape: ShapeAndForm,
    /// By code, and then by offset.
    pub(super) entries: Vec<Entry>,
}

/// An entry of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    /// The code that it is of: section and offset.
    pub(super) site: (usize, u64),
    /// Its own offset in the table.
    pub(super) offset: u64,
}

/// The tables of an object whose entries can be told apart.
pub(super) fn tables(
    module: &Module<'_>,
    machine: &'static Machine,
    classes: &[Class],
    references: &[Reference],
) -> Vec<Table> {
    let relocated = relocated_by(module);
    let read = |(section, class): (usize, &Class)| {
        let Class::Table(table, _) = *class else { return None };
        let shape = entry_shape(module, machine, classes, relocated.get(&section)?, section)?;
        let field = shape.fields.iter().find(|field| field.means == FieldMeaning::Code)?;
        let first = references.partition_point(|reference| reference.section < section);
        let own = references.get(first..)?.iter().take_while(|r| r.section == section);
        let own = own.filter(|reference| reference.offset % shape.size == field.at);
        let mut form = None;
        let mut entries = Vec::new();
        for reference in own {
            let Target::Section { section, offset } = reference.means else { return None };
            form = Form::of(reference.row?);
            let site = u64::try_from(offset.wrapping_add(field.bias)).ok()?;
            let offset = reference.offset.checked_sub(field.at)?;
            entries.push(Entry { site: (section, site), offset });
        }
        entries.sort_unstable();
        Some(Table { section, table, shape: (shape, form?), entries })
    };
    classes.iter().enumerate().filter_map(read).collect()
}

impl Table {
    /// Its entries of the code in a part of a section.
    pub(super) fn entries_of(&self, section: usize, span: &Range<u64>) -> &[Entry] {
        let at = |offset: u64| self.entries.partition_point(|entry| entry.site < (section, offset));
        self.entries.get(at(span.start)..at(span.end)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_a_part_are_those_of_its_code() {
        let entry = |site, offset| Entry { site, offset };
        let entries =
            vec![entry((1, 4), 8), entry((1, 8), 0), entry((1, 8), 16), entry((2, 0), 24)];
        let machine = klp_arch::by_name("x86_64").unwrap();
        let table = machine.object_tables().find(|table| table.name == ".smp_locks").unwrap();
        let klp_arch::object_table::TableUse::Content([shape]) = table.holds else { panic!() };
        let table = Table { section: 3, table, shape: (shape, Form::ShortDistance), entries };
        let offsets = |section, span| -> Vec<u64> {
            table.entries_of(section, &span).iter().map(|entry| entry.offset).collect()
        };
        assert_eq!(offsets(1, 0..8), [8]);
        assert_eq!(offsets(1, 8..12), [0, 16]);
        assert_eq!(offsets(2, 0..1), [24]);
        assert!(offsets(2, 1..9).is_empty());
    }
}
