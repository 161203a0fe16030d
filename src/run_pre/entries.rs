//! Entries of tables, such as `__ex_table`: each is part of the code that it is of.
//!
//! The kernel has them in another order: its build sorts some tables. So an entry is where the kernel's table has one of
//! the same code.

use std::collections::BTreeSet;
use std::sync::Arc;

use klp_arch::Machine;
use klp_arch::object_table::{FieldMeaning, ObjectTable};

use super::kernel::ShippedKernel;
use super::mismatch::{Mismatch, Unknown};
use super::object::Object;
use super::parts::Part;
use super::placed::Placed;
use super::references::{Reference, Target};
use super::sections::relocated_by;
use super::sites::{Form, ShapeAndForm, Sites};
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
    /// Its entries of the code in a part.
    pub(super) fn entries_of(&self, part: &Part) -> &[Entry] {
        let at =
            |offset: u64| self.entries.partition_point(|entry| entry.site < (part.section, offset));
        self.entries.get(at(part.span.start)..at(part.span.end)).unwrap_or_default()
    }
}

/// A table of a linked kernel.
#[derive(Debug)]
pub(super) struct KernelTable {
    /// The index of the object's own in its list, if it has one.
    own: Option<usize>,
    table: &'static ObjectTable,
    /// `None`: the kernel does not list where it is.
    sites: Option<Arc<Sites>>,
}

/// The kernel's tables: those that an object has as well, and others that it could have.
pub(super) fn kernel_tables(object: &Object<'_>, kernel: &ShippedKernel) -> Vec<KernelTable> {
    let mut all = Vec::new();
    for (index, own) in object.tables.iter().enumerate() {
        let name = std::str::from_utf8(object.section_name(own.section)).unwrap_or_default();
        let sites = kernel.sites(own.table, name, Some(own.shape));
        if !sites.as_ref().is_some_and(|sites| sites.is_left_out()) {
            all.push(KernelTable { own: Some(index), table: own.table, sites });
        }
    }
    for table in object.machine.object_tables() {
        if !object.tables.iter().any(|own| own.table.name == table.name) {
            let sites = kernel.sites(table, table.name, None);
            all.push(KernelTable { own: None, table, sites });
        }
    }
    all
}

impl Placed<'_, '_> {
    /// Finds where the kernel has the entries of code whose place is known.
    pub(super) fn place_entries(&mut self) {
        for theirs in &self.kernel_tables {
            let own = theirs.own.and_then(|own| self.object.tables.get(own));
            let Some((table, sites)) = own.zip(theirs.sites.as_ref()) else { continue };
            for entries in table.entries.chunk_by(|one, next| one.site == next.site) {
                let Some((section, offset)) = entries.first().map(|entry| entry.site) else {
                    continue;
                };
                let Some(base) = self.base_at(section, offset) else { continue };
                let site = base.wrapping_add(offset);
                for (entry, (_, address)) in entries.iter().zip(sites.of(site..=site)) {
                    let base = address.wrapping_sub(entry.offset);
                    self.entries.insert((table.section, entry.offset), base);
                }
            }
        }
    }

    /// The entries of the code in a part, by the index of their own parts, or the first that only one side has.
    pub(super) fn entries_of(&self, part: &Part) -> Result<Vec<usize>, Mismatch> {
        let (mut parts, mut addresses) = (Vec::new(), BTreeSet::new());
        let name = |table: &ObjectTable| table.name.to_owned();
        let own = |theirs: &KernelTable| {
            Some((self.object.tables.get(theirs.own?)?, theirs.sites.is_some()))
        };
        for (table, is_listed) in self.kernel_tables.iter().filter_map(own) {
            for entry in table.entries_of(part) {
                let at = entry.site.1.saturating_sub(part.span.start);
                if !is_listed {
                    return Err(Mismatch::Unknown(Unknown::Table { at, table: name(table.table) }));
                }
                let Some(base) = self.entries.get(&(table.section, entry.offset)) else {
                    return Err(Mismatch::OnlyInObject { at, table: name(table.table) });
                };
                addresses.insert(base.wrapping_add(entry.offset));
                parts.extend(self.object.part_at(table.section, entry.offset));
            }
        }
        let Some(base) = self.base_at(part.section, part.span.start) else { return Ok(parts) };
        let (start, end) = (base.wrapping_add(part.span.start), base.wrapping_add(part.span.end));
        let compared = |theirs: &&KernelTable| part.is_function && !theirs.table.is_completed;
        for theirs in self.kernel_tables.iter().filter(compared) {
            let Some(sites) = &theirs.sites else { continue };
            let mut all = sites.of(start..=end.wrapping_sub(1)).iter();
            if let Some((site, _)) = all.find(|(_, address)| !addresses.contains(address)) {
                let at = site.wrapping_sub(start);
                return Err(Mismatch::OnlyInKernel { at, table: name(theirs.table) });
            }
        }
        Ok(parts)
    }

    /// Whether a section is a table whose entries the kernel has by their code.
    pub(super) fn is_listed(&self, section: usize) -> bool {
        self.kernel_tables.iter().any(|theirs| {
            let own = theirs.own.and_then(|own| self.object.tables.get(own));
            theirs.sites.is_some() && own.is_some_and(|own| own.section == section)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_a_part_are_those_of_its_code() {
        let part = |section, span| Part {
            section,
            span,
            symbol: None,
            is_function: true,
            references: 0..0,
        };
        let entry = |site, offset| Entry { site, offset };
        let entries =
            vec![entry((1, 4), 8), entry((1, 8), 0), entry((1, 8), 16), entry((2, 0), 24)];
        let machine = klp_arch::by_name("x86_64").unwrap();
        let table = machine.object_tables().find(|table| table.name == ".smp_locks").unwrap();
        let klp_arch::object_table::TableUse::Content([shape]) = table.holds else { panic!() };
        let table = Table { section: 3, table, shape: (shape, Form::ShortDistance), entries };
        let offsets = |part: &Part| -> Vec<u64> {
            table.entries_of(part).iter().map(|entry| entry.offset).collect()
        };
        assert_eq!(offsets(&part(1, 0..8)), [8]);
        assert_eq!(offsets(&part(1, 8..12)), [0, 16]);
        assert_eq!(offsets(&part(2, 0..1)), [24]);
        assert_eq!(offsets(&part(2, 1..9)), []);
    }
}
