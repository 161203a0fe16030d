//! What arm64 kernels change behind relocation. Sources: `arch/arm64/kernel/module.c:module_finalize`,
//! `arch/arm64/kernel/ftrace.c`.

use crate::patched::{Moment, Named, PatchedSection, Span, first};
use crate::row::{Features, When};

use Moment::{Coming, Finish, Ftrace};
use Named::{Absolute64, Relative32};

/// In the order of the kernel.
pub(super) const PATCHED: &[PatchedSection] = &[
    PatchedSection::table(
        ".altinstructions",
        12,
        &[first(Relative32, Span::Field(10))],
        Finish,
        "apply_alternatives_module",
    ),
    PatchedSection::rewritten(".text.ftrace_trampoline", Finish, "module_init_ftrace_plt"),
    PatchedSection::rewritten(".init.text.ftrace_trampoline", Finish, "module_init_ftrace_plt"),
    // `mov x9, x30` and the branch.
    PatchedSection::table(
        "__patchable_function_entries",
        8,
        &[first(Absolute64, Span::Bytes(8))],
        Ftrace,
        "ftrace_init_nop",
    )
    .and_itself()
    .only(When::Without(Features::DYNAMIC_FTRACE_WITH_CALL_OPS)),
    // The pointer in front of the function, a landing pad, and the two.
    PatchedSection::table(
        "__patchable_function_entries",
        8,
        &[first(Absolute64, Span::Bytes(20))],
        Ftrace,
        "ftrace_init_nop",
    )
    .and_itself()
    .only(When::With(Features::DYNAMIC_FTRACE_WITH_CALL_OPS)),
    PatchedSection::table(
        "__jump_table",
        16,
        &[first(Relative32, Span::Bytes(4))],
        Coming,
        "jump_label_add_module",
    )
    .and_itself(),
];
