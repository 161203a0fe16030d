//! The sections of an object by index, and which of them are compared.

use std::collections::BTreeMap;

use crate::elf::{Module, Section, SectionIndex};
use crate::objdiff::Class;

/// The index of a section in the header table.
pub(super) fn of_slot(section: usize) -> SectionIndex {
    SectionIndex::new(u32::try_from(section).unwrap_or(u32::MAX))
}

/// The relocation sections of each section that has any.
pub(super) fn relocated_by(module: &Module<'_>) -> BTreeMap<usize, Vec<SectionIndex>> {
    let mut tables: BTreeMap<usize, Vec<SectionIndex>> = BTreeMap::new();
    for table in module.relocation_sections() {
        let section = SectionIndex::new(table.sh_info).slot();
        tables.entry(section).or_default().push(table.index);
    }
    tables
}

/// Whether what each section holds is compared.
pub(super) fn compared(module: &Module<'_>, classes: &[Class]) -> Vec<bool> {
    let is_compared = |(section, class): (&Section<'_>, &Class)| match class {
        Class::Code | Class::Constant | Class::Table(..) => true,
        Class::Variable => section.has_body(),
        Class::Left | Class::Merged { .. } | Class::Diagnostic(_) => false,
    };
    module.sections().zip(classes).map(is_compared).collect()
}
