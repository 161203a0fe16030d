//! Tables that the kernel sorts, or marks, when the module's memory is protected already.
//!
//! Sources: `kernel/module/main.c:complete_formation`, which protects it, `prepare_coming_module`, which has tables
//! written.

use klp_arch::object::SHF_WRITE;

use super::Loaded;
use crate::findings::{Consequence, Finding, Stage};
use crate::name::shown;

impl Loaded<'_> {
    /// A table that is not writable, and that the kernel writes to.
    pub(super) fn read_only_table(&self) -> Option<Finding> {
        let sections = self.info.object.sections.iter();
        let features = self.kernel.configuration.features;
        let mut read_only = sections.filter(|section| {
            let is_there = section.extent.is_some() && section.sh_size != 0;
            self.kernel.strict_module_rwx && is_there && !section.has(SHF_WRITE)
        });
        let (section, row) = read_only.find_map(|section| {
            let mut rows = self.machine.special_sections();
            let row = rows.find(|row| row.needs_write && row.matches(section.name, features))?;
            Some((section, row))
        })?;
        let name = shown(section.name);
        let why = format!("'{name}' is not in writable memory, where {} writes to it", row.by);
        Some(Finding::unnoticed(Stage::Finish, Consequence::Corrupted, why))
    }
}
