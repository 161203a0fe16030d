//! Tables in s390x's objects that belong to functions. Sources: `arch/s390/include/asm/alternative.h`, `nospec-insn.h`.

use crate::object_table::FieldMeaning::{Code, Replacement};
use crate::object_table::{ObjectTable, SITES, content, field, shape};

/// On top of those of all machines.
pub(super) const TABLES: &[ObjectTable] = &[
    content(
        ".altinstructions",
        &[
            shape(13, &[field(0, Code), field(4, Replacement(12))]),
            shape(12, &[field(0, Code), field(4, Replacement(11))]),
            shape(11, &[field(0, Code), field(4, Replacement(10))]),
        ],
    )
    .linked_as("__alt_instructions", "__alt_instructions_end"),
    content(".s390_indirect", SITES)
        .and_longer_names()
        .linked_as("__nospec_call_start", "__nospec_call_end"),
    content(".s390_return", SITES)
        .and_longer_names()
        .linked_as("__nospec_return_start", "__nospec_return_end"),
    content("__stack_protector_loc", &[shape(8, &[field(0, Code)])])
        .linked_as("__stack_prot_start", "__stack_prot_end"),
];
