//! Where a kernel has the entries of an object's tables.
//!
//! The kernel has them in another order: its build sorts some tables. So an entry is where the kernel's table has one of
//! the same code.

use std::collections::BTreeSet;
use std::sync::Arc;

use klp_arch::object_table::ObjectTable;

use super::kernel::ShippedKernel;
use super::mismatch::{Mismatch, Unknown};
use super::object::Object;
use super::parts::Part;
use super::placed::Placed;
use super::sites::Sites;

/// A table of a linked kernel.
#[derive(Debug)]
pub(super) struct KernelTable {
    /// The index of the object's own in its list, if it has one.
    own: Option<usize>,
    table: &'static ObjectTable,
    /// `None`: the kernel does not list where it is.
    sites: Option<Arc<Sites>>,
    /// Whether the object has one whose entries cannot be told apart.
    is_unread: bool,
}

/// The kernel's tables: those that an object has as well, and others that it could have.
pub(super) fn kernel_tables(object: &Object<'_>, kernel: &ShippedKernel) -> Vec<KernelTable> {
    let mut all = Vec::new();
    for (index, own) in object.tables.iter().enumerate() {
        let name = std::str::from_utf8(object.section_name(own.section)).unwrap_or_default();
        let sites = kernel.sites(own.table, name, Some(own.shape));
        // In a module the linker leaves out nothing.
        let is_left_out = !kernel.is_module() && sites.as_ref().is_some_and(|s| s.is_left_out());
        if !is_left_out {
            all.push(KernelTable { own: Some(index), table: own.table, sites, is_unread: false });
        }
    }
    for table in object.machine.object_tables() {
        if !object.tables.iter().any(|own| own.table.name == table.name) {
            let sites = kernel.sites(table, table.name, None);
            let mut sections = object.module.sections();
            let is_unread =
                sections.any(|section| table.has_name(section.name) && section.sh_size > 0);
            all.push(KernelTable { own: None, table, sites, is_unread });
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
            for entry in table.entries_of(part.section, &part.span) {
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
                if theirs.is_unread {
                    return Err(Mismatch::Unknown(Unknown::Table {
                        at,
                        table: name(theirs.table),
                    }));
                }
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
