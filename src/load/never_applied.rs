//! Relocations that load and are silently never applied.
//!
//! Found after the load: gates that no module can be called, and tables that the loader skips.
//! Sources: `kernel/livepatch/core.c:klp_write_section_relocs`,
//! `kernel/module/main.c:apply_relocations`.

use klp_arch::object::{SHF_ALLOC, SHT_RELA};

use super::resolve::VMLINUX;
use super::{Loaded, scan};
use crate::elf::SectionIndex;
use crate::findings::{Consequence, Finding, Stage};
use crate::name::{KLP_RELA_PREFIX, OBJECT_NAME_MAX};
use crate::rules;

impl Loaded<'_> {
    /// Relocations of the module that the kernel will never apply.
    pub(super) fn ignored(&self) -> Vec<Finding> {
        let mut ignored: Vec<Finding> =
            self.klp_sections().filter_map(|index| self.ignored_klp(index)).collect();
        ignored.extend(self.ignored_percpu());
        ignored.extend(rules::passed_over(self.module).map(|table| {
            let why = table.to_string();
            let error = Finding::unnoticed(Stage::Apply, Consequence::Ignored, why);
            error.about_table(table.section)
        }));
        ignored
    }

    fn ignored_klp(&self, index: usize) -> Option<Finding> {
        let name = self.section_name(index);
        let because = |why: &str| Some(self.never(index, why));
        let Some(gate) = scan::gate(name) else {
            return because("its name is malformed, but what it patches is not loaded");
        };
        if gate == VMLINUX {
            let passed_over = self.is_passed_over(index);
            return if passed_over { because("what it patches is not loaded") } else { None };
        }
        let whole = name.get(KLP_RELA_PREFIX.len()..)?.split(|&byte| byte == b'.').next()?;
        if whole.len() > OBJECT_NAME_MAX {
            let gate = String::from_utf8_lossy(gate);
            return because(&format!(
                "the kernel truncates its gate to {OBJECT_NAME_MAX} bytes, '{gate}'"
            ));
        }
        if scan::object(gate).is_none() {
            let gate = String::from_utf8_lossy(gate);
            return because(&format!("no module is called '{gate}'"));
        }
        if !self.info.livepatch {
            return because("the module is not marked as a livepatch module");
        }
        None
    }

    /// Before Linux 6.15 the percpu template is copied without relocation.
    fn ignored_percpu(&self) -> Option<Finding> {
        let percpu = u32::try_from(self.info.percpu?).ok()?;
        let sections = self.info.object.sections.iter();
        let table = sections.clone().position(|s| {
            s.sh_type == SHT_RELA && s.sh_info == percpu && !s.body.is_empty() && !s.has(SHF_ALLOC)
        })?;
        self.is_passed_over(table)
            .then(|| self.never(table, "this kernel does not relocate the percpu template"))
    }

    fn never(&self, index: usize, why: &str) -> Finding {
        let name = String::from_utf8_lossy(self.section_name(index));
        let explanation = format!("section {index} '{name}' is never applied: {why}");
        let table = SectionIndex::new(u32::try_from(index).unwrap_or(u32::MAX));
        Finding::unnoticed(Stage::Apply, Consequence::Ignored, explanation).about_table(table)
    }
}
