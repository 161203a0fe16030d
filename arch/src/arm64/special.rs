//! What arm64 kernels read and change in modules. Sources:
//! `arch/arm64/kernel/module.c:module_finalize`, `arch/arm64/kernel/ftrace.c`.

use crate::row::{Features, When};
use crate::special::{AddressForm, Moment, Span, SpecialSection, first, read, rewritten, table};

use AddressForm::{Absolute64, Relative32};
use Moment::{Coming, Finish, Ftrace};
use Span::{Bytes, Field};

/// In the order of the kernel, on top of what all machines share.
pub(super) const SPECIAL: &[SpecialSection] = &[
    table(
        ".altinstructions",
        12,
        &[first(Relative32, Field(10))],
        Finish,
        "apply_alternatives_module",
    ),
    // The replacements, which are copied over the originals.
    read(".altinstr_", Finish, "apply_alternatives_module").and_longer_names(),
    read(".init.eh_frame", Finish, "scs_patch"),
    rewritten(".text.ftrace_trampoline", Finish, "module_init_ftrace_plt"),
    rewritten(".init.text.ftrace_trampoline", Finish, "module_init_ftrace_plt"),
    // `mov x9, x30` and the branch.
    table(
        "__patchable_function_entries",
        8,
        &[first(Absolute64, Bytes(8))],
        Ftrace,
        "ftrace_init_nop",
    )
    .and_rewritten()
    .only(When::Without(Features::DYNAMIC_FTRACE_WITH_CALL_OPS)),
    // The pointer before the function, a landing pad, and those two.
    table(
        "__patchable_function_entries",
        8,
        &[first(Absolute64, Bytes(20))],
        Ftrace,
        "ftrace_init_nop",
    )
    .and_rewritten()
    .only(When::With(Features::DYNAMIC_FTRACE_WITH_CALL_OPS)),
    table("__jump_table", 16, &[first(Relative32, Bytes(4))], Coming, "jump_label_add_module")
        .and_key(),
];
