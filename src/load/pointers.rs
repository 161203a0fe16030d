//! What entries of a table point to: the keys of static branches, names of parameters, trace events.
//!
//! It may be another object's. Sources: `kernel/jump_label.c:jump_entry_key`,
//! `kernel/module/main.c:find_module_sections`, and the functions that the rows name.

use std::collections::BTreeSet;

use klp_arch::object::{SHF_WRITE, SHN_LIVEPATCH, SHN_UNDEF};
use klp_arch::{Calc, Pointer, SpecialSection};
use scroll::Pread;

use super::Loaded;
use crate::findings::{Consequence, Finding, Stage};
use crate::name::shown;

/// Bits of a distance that are flags.
const FLAGS: u64 = 3;

impl Loaded<'_> {
    /// The first pointer of each table that leads neither into the module nor, as a whole field, to another object.
    pub(super) fn astray(&self) -> impl Iterator<Item = Finding> {
        let special = self.special_sections().filter(|(_, _, row)| !row.pointers.is_empty());
        // The first row of each section.
        let mut last = None;
        let special = special.filter(move |(index, ..)| last.replace(*index) != Some(*index));
        special.filter_map(move |(index, section, row)| {
            let mut fields = row.pointers.iter();
            let (pointer, astray) = fields
                .find_map(|pointer| Some((pointer, self.first_astray(index, row, pointer)?)))?;
            let what = if pointer.relative { "whole distance to a variable" } else { "pointer" };
            let does = if pointer.changes { "changed" } else { "read" };
            let why = format!(
                "'{}' has no {what} at {astray:#x}: other memory is {does} ({})",
                shown(section.name),
                row.by
            );
            Some(Finding::unnoticed(Stage::Finish, Consequence::Corrupted, why))
        })
    }

    /// The offset of the first such field, in the table.
    fn first_astray(&self, section: usize, row: &SpecialSection, pointer: &Pointer) -> Option<u64> {
        let object = &self.info.object;
        let extent = object.sections.get(section)?.extent?;
        let whole = self.whole_fields(section, pointer.relative);
        // A part of an entry does not count.
        let entries = self.memory.bytes(&extent).chunks_exact(row.entry.max(1));
        let fields = entries.zip((pointer.at..).step_by(row.entry.max(1)));
        let mut astray = fields.filter_map(|(entry, at)| {
            let value = entry.pread_with::<u64>(pointer.at, object.endian()).ok()?;
            let at = u64::try_from(at).ok()?;
            let place = extent.address.wrapping_add(at);
            let address = if pointer.relative { place.wrapping_add(value & !FLAGS) } else { value };
            let is_null = pointer.null && address == 0;
            let leads = self.memory.at(address).is_some()
                && !(pointer.changes && self.is_protected(address));
            (!is_null && !leads && !whole.contains(&at)).then_some(at)
        });
        astray.next()
    }

    /// Whether an address is in a section that the kernel cannot write to any more.
    fn is_protected(&self, address: u64) -> bool {
        let section = self.section_at(address).map(|(index, ..)| index);
        let section = section.and_then(|index| self.info.object.sections.get(index));
        self.kernel.strict_module_rwx && section.is_some_and(|section| !section.has(SHF_WRITE))
    }

    /// Offsets of the fields of a section that get an address, or a distance, of 64 bits of another object's symbol.
    fn whole_fields(&self, section: usize, relative: bool) -> BTreeSet<u64> {
        let object = &self.info.object;
        let calc = if relative { Calc::Relative } else { Calc::Absolute };
        let relas = self.tables_for(section).flat_map(|table| object.relas(table));
        let whole = relas.filter(|rela| {
            let symbol = usize::try_from(rela.symbol).ok();
            let symbol = symbol.and_then(|symbol| object.symbols.get(symbol));
            let elsewhere = [SHN_UNDEF, SHN_LIVEPATCH];
            symbol.is_some_and(|symbol| elsewhere.contains(&symbol.st_shndx))
                && self
                    .machine
                    .row(rela.kind)
                    .is_some_and(|row| row.calc == calc && row.field.size() == size_of::<u64>())
        });
        whole.map(|rela| rela.offset).collect()
    }
}
