//! What s390x kernels change behind relocation. Sources: `arch/s390/kernel/module.c:module_finalize`,
//! `arch/s390/kernel/ftrace.c`, `arch/s390/kernel/nospec-branch.c`.

use crate::patched::{Moment, Named, PatchedSection, Span, first};
use crate::row::{Features, When};

use Moment::{Coming, Finish, Ftrace};
use Named::{Absolute64, Relative32};

/// In the order of the kernel.
pub(super) const PATCHED: &[PatchedSection] = &[
    PatchedSection::table(
        ".altinstructions",
        13,
        &[first(Relative32, Span::Field(12))],
        Finish,
        "apply_alternatives",
    )
    .only(When::Without(Features::SHORT_ALTERNATIVES)),
    PatchedSection::table(
        ".altinstructions",
        11,
        &[first(Relative32, Span::Field(10))],
        Finish,
        "apply_alternatives",
    )
    .only(When::With(Features::SHORT_ALTERNATIVES)),
    PatchedSection::table(
        ".s390_indirect",
        4,
        &[first(Relative32, Span::Bytes(6))],
        Finish,
        "nospec_revert",
    )
    .and_longer_names(),
    PatchedSection::table(
        ".s390_return",
        4,
        &[first(Relative32, Span::Bytes(6))],
        Finish,
        "nospec_revert",
    )
    .and_longer_names(),
    PatchedSection::table(
        "__stack_protector_loc",
        8,
        &[first(Absolute64, Span::Bytes(6))],
        Finish,
        "stack_protector_apply",
    )
    .and_longer_names(),
    PatchedSection::table(
        "__mcount_loc",
        8,
        &[first(Absolute64, Span::Bytes(6))],
        Ftrace,
        "ftrace_init_nop",
    )
    .and_itself(),
    PatchedSection::table(
        "__jump_table",
        16,
        &[first(Relative32, Span::Bytes(6))],
        Coming,
        "jump_label_add_module",
    )
    .and_itself(),
];
