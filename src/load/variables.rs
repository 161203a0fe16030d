//! Variables that the kernel changes, and that entries of a table name by their distance: the keys of static branches.
//!
//! They may be another object's. Source: `kernel/jump_label.c:jump_label_add_module`, `jump_entry_key`.

use std::collections::BTreeSet;

use klp_arch::Calc;
use klp_arch::object::{SHN_LIVEPATCH, SHN_UNDEF, SHT_RELA};
use scroll::Pread;

use super::Loaded;
use crate::findings::{Consequence, Finding, Stage};
use crate::name::shown;

/// Bits of the distance that are flags.
const FLAGS: u64 = 3;

impl Loaded<'_> {
    /// The first entry whose variable is neither in the module nor in another object, at a distance of the whole field.
    pub(super) fn without_variable(&self) -> Option<Finding> {
        let object = &self.info.object;
        let features = self.kernel.configuration.features;
        object.sections.iter().enumerate().find_map(|(index, section)| {
            let extent = section.extent?;
            let mut rows =
                self.machine.special_sections().filter(|row| row.matches(section.name, features));
            let (entry, at) = rows.find_map(|row| Some((row.entry, row.variable?)))?;
            let whole = self.whole_fields(index);
            let table = self.memory.bytes(&extent);
            let mut fields = (at..table.len()).step_by(entry.max(1));
            let astray = fields.find(|field| {
                let Ok(distance) = table.pread_with::<u64>(*field, object.endian()) else {
                    return false;
                };
                let field = u64::try_from(*field).unwrap_or(u64::MAX);
                let variable = extent.address.wrapping_add(field).wrapping_add(distance & !FLAGS);
                self.memory.at(variable).is_none() && !whole.contains(&field)
            })?;
            let why = format!(
                "'{}' has no whole distance to a variable at {astray:#x}: other memory is changed",
                shown(section.name)
            );
            Some(Finding::unnoticed(Stage::Finish, Consequence::Corrupted, why))
        })
    }

    /// Offsets of the fields of a section that get a distance of 64 bits to a symbol of another object.
    fn whole_fields(&self, section: usize) -> BTreeSet<u64> {
        let object = &self.info.object;
        let tables = object.sections.iter().enumerate().filter(|(_, table)| {
            table.sh_type == SHT_RELA && usize::try_from(table.sh_info) == Ok(section)
        });
        let relas = tables.flat_map(|(table, _)| object.relas(table));
        let whole = relas.filter(|rela| {
            let symbol = usize::try_from(rela.symbol).ok();
            let symbol = symbol.and_then(|symbol| object.symbols.get(symbol));
            let elsewhere = [SHN_UNDEF, SHN_LIVEPATCH];
            symbol.is_some_and(|symbol| elsewhere.contains(&symbol.st_shndx))
                && self.machine.row(rela.kind).is_some_and(|row| {
                    row.calc == Calc::Relative && row.field.size() == size_of::<u64>()
                })
        });
        whole.map(|rela| rela.offset).collect()
    }
}
