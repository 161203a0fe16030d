//! The sections of an object by index, and which of them are compared.

use crate::elf::SectionIndex;
use crate::objdiff::Class;

/// The index of a section in the header table.
pub(super) fn of_slot(section: usize) -> SectionIndex {
    SectionIndex::new(u32::try_from(section).unwrap_or(u32::MAX))
}

/// Whether what a section holds is compared.
pub(super) fn is_compared(class: Class) -> bool {
    matches!(class, Class::Code | Class::Constant | Class::Table(..))
}
