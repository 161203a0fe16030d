//! Tables in x86_64's objects that belong to functions. Sources: `arch/x86/include/asm/alternative.h`,
//! `arch/x86/include/asm/paravirt_types.h`, and `tools/objtool/check.c`, which makes the lists of sites.

use crate::object_table::FieldMeaning::{Code, Replacement};
use crate::object_table::{ObjectTable, SITES, content, derived, field, shape};

/// On top of those of all machines.
pub(super) const TABLES: &[ObjectTable] = &[
    content(
        ".altinstructions",
        &[
            shape(14, &[field(0, Code), field(4, Replacement(13))]),
            shape(13, &[field(0, Code), field(4, Replacement(11))]),
            shape(12, &[field(0, Code), field(4, Replacement(11))]),
        ],
    )
    .linked_as("__alt_instructions", "__alt_instructions_end"),
    content(".parainstructions", &[shape(16, &[field(0, Code)])])
        .linked_as("__parainstructions", "__parainstructions_end"),
    content(".retpoline_sites", SITES)
        .linked_as("__retpoline_sites", "__retpoline_sites_end")
        .completed(),
    content(".return_sites", SITES).linked_as("__return_sites", "__return_sites_end").completed(),
    content(".call_sites", SITES).linked_as("__call_sites", "__call_sites_end").completed(),
    content(".cfi_sites", SITES).linked_as("__cfi_sites", "__cfi_sites_end").completed(),
    content(".ibt_endbr_seal", SITES)
        .linked_as("__ibt_endbr_seal", "__ibt_endbr_seal_end")
        .completed(),
    content(".kcfi_traps", SITES).linked_as("__start___kcfi_traps", "__stop___kcfi_traps"),
    content(".smp_locks", SITES).linked_as("__smp_locks", "__smp_locks_end"),
    derived(".orc_unwind").and_longer_names(),
    derived(".orc_header"),
];
