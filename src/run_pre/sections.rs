//! The sections of an object by index, and which of them are compared.

use crate::elf::{Module, Section, SectionIndex};
use crate::kmod;
use crate::objdiff::Class;

/// The index of a section in the header table.
pub(super) fn of_slot(section: usize) -> SectionIndex {
    SectionIndex::new(u32::try_from(section).unwrap_or(u32::MAX))
}

/// Whether what each section holds is compared. Per-CPU variables are linked elsewhere than their first values are.
pub(super) fn compared(module: &Module<'_>, classes: &[Class]) -> Vec<bool> {
    let is_compared = |(section, class): (&Section<'_>, &Class)| match class {
        Class::Code | Class::Constant | Class::Table(..) => true,
        Class::Variable => section.has_body() && !section.name.starts_with(kmod::PERCPU),
        Class::Left | Class::Merged { .. } | Class::Diagnostic(_) => false,
    };
    module.sections().zip(classes).map(is_compared).collect()
}
