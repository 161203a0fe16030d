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
    ),
    content(".parainstructions", &[shape(16, &[field(0, Code)])]),
    content(".retpoline_sites", SITES),
    content(".return_sites", SITES),
    content(".call_sites", SITES),
    content(".cfi_sites", SITES),
    content(".ibt_endbr_seal", SITES),
    content(".kcfi_traps", SITES),
    content(".smp_locks", SITES),
    derived(".orc_unwind").and_longer_names(),
    derived(".orc_header"),
];
