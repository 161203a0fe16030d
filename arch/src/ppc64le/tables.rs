//! Tables in ppc64le's objects that belong to functions. Source: `arch/powerpc/include/asm/feature-fixups.h`.

use crate::object_table::FieldMeaning::{Code, End, Reference};
use crate::object_table::{EntryShape, ObjectTable, content, from_entry, shape};

/// `struct fixup_entry`: a mask, a value, code and its end, and those of what replaces it.
const FEATURE: &[EntryShape] = &[shape(
    48,
    &[from_entry(16, Code), from_entry(24, End), from_entry(32, Reference), from_entry(40, End)],
)];
/// One distance of eight bytes.
const PLACE: &[EntryShape] = &[shape(8, &[from_entry(0, Code)])];

/// On top of those of all machines.
pub(super) const TABLES: &[ObjectTable] = &[
    content("__ftr_fixup", FEATURE),
    content("__mmu_ftr_fixup", FEATURE),
    content("__fw_ftr_fixup", FEATURE),
    content("__lwsync_fixup", PLACE),
    // The linker calls it __spec_barrier_fixup.
    content("__barrier_nospec_fixup", PLACE),
    content("__btb_flush_fixup", &[shape(16, &[from_entry(0, Code), from_entry(8, End)])])
        .linked_as("__start__btb_flush_fixup", "__stop__btb_flush_fixup"),
    content("__rfi_flush_fixup", PLACE),
    content("__entry_flush_fixup", PLACE),
    content("__scv_entry_flush_fixup", PLACE),
    content("__uaccess_flush_fixup", PLACE),
    content("__stf_entry_barrier_fixup", PLACE),
    content("__stf_exit_barrier_fixup", PLACE),
];
