//! Sections that are freed after init, and marked to be read-only after it.
//!
//! Source: `kernel/module/main.c:__layout_sections`, for which that is no kind of memory.

use super::region::SHF_RO_AFTER_INIT;
use super::{Loaded, MemoryModel};
use crate::findings::{Consequence, Finding, Stage};
use crate::name::shown;

impl Loaded<'_> {
    /// A section that is freed after init and becomes read-only then: the kernel warns, and lets it be writable.
    pub(super) fn read_only_init(&self) -> Option<Finding> {
        let sections = self.info.object.sections.iter().zip(&self.layout.sections);
        let (section, _) = sections.into_iter().find(|(section, place)| {
            section.has(SHF_RO_AFTER_INIT)
                && place.is_some_and(|(kind, _)| kind.is_init())
                && self.kernel.layouts == MemoryModel::Regions
        })?;
        let name = shown(section.name);
        let why = format!(
            "'{name}' is freed after init, and is to be read-only after it: the kernel warns"
        );
        Some(Finding::unnoticed(Stage::Layout, Consequence::Ignored, why))
    }
}
