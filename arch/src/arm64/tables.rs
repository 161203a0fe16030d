//! Tables in arm64's objects that belong to functions. Source: `arch/arm64/include/asm/alternative-macros.h`.

use crate::object_table::FieldMeaning::{Code, Replacement};
use crate::object_table::{ObjectTable, content, field, shape};

/// On top of those of all machines.
pub(super) const TABLES: &[ObjectTable] =
    &[content(".altinstructions", &[shape(12, &[field(0, Code), field(4, Replacement(11))])])
        .linked_as("__alt_instructions", "__alt_instructions_end")];
