//! Tables that belong together, entry by entry, and have another number of entries each.
//!
//! The kernel counts one of them and reads the other as far. Source: `arch/x86/kernel/unwind_orc.c:unwind_module_init`.

use super::Loaded;
use crate::findings::{Consequence, Finding, Stage};
use crate::name::shown;

impl Loaded<'_> {
    /// The first table that has another number of entries than the one that it belongs to.
    pub(super) fn uneven(&self) -> Option<Finding> {
        let sections = &self.info.object.sections;
        let features = self.kernel.configuration.features;
        // Of several of a name the kernel takes the last one.
        let last = |name: &[u8]| sections.iter().skip(1).rfind(|section| section.name == name);
        let rows = self.machine.special_sections().filter(|row| row.when.holds(features));
        rows.into_iter().find_map(|row| {
            let (other, other_entry) = row.beside?;
            let (section, other) = (last(row.name.as_bytes())?, last(other.as_bytes())?);
            let entries = |size: u64, entry: usize| {
                let entry = u64::try_from(entry).ok().filter(|entry| *entry != 0)?;
                Some(size / entry).filter(|_| size.is_multiple_of(entry))
            };
            let (ours, theirs) =
                (entries(section.sh_size, row.entry), entries(other.sh_size, other_entry));
            if ours.is_some() && ours == theirs {
                return None;
            }
            let why = format!(
                "'{}' and '{}' do not have the same number of entries: {} warns, and reads on",
                shown(section.name),
                shown(other.name),
                row.by
            );
            Some(Finding::unnoticed(Stage::Finish, Consequence::Corrupted, why))
        })
    }
}
