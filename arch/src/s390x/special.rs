//! What s390x kernels read and change in modules. Sources:
//! `arch/s390/kernel/module.c:module_finalize`, `arch/s390/kernel/ftrace.c`,
//! `arch/s390/kernel/nospec-branch.c`.

use crate::row::{Features, When};
use crate::special::{AddressForm, Moment, Span, SpecialSection, first, read, table};

use AddressForm::{Absolute64, Relative32};
use Moment::{Coming, Finish, Ftrace};
use Span::{Bytes, Field};

/// In the order of the kernel, on top of what all machines share.
pub(super) const SPECIAL: &[SpecialSection] = &[
    table(".altinstructions", 13, &[first(Relative32, Field(12))], Finish, "apply_alternatives")
        .only(When::Without(Features::SHORT_ALTERNATIVES)),
    table(".altinstructions", 11, &[first(Relative32, Field(10))], Finish, "apply_alternatives")
        .only(When::With(Features::SHORT_ALTERNATIVES)),
    // The replacements, which are copied over the originals.
    read(".altinstr_", Finish, "apply_alternatives").and_longer_names(),
    table(".s390_indirect", 4, &[first(Relative32, Bytes(6))], Finish, "nospec_revert")
        .and_longer_names(),
    table(".s390_return", 4, &[first(Relative32, Bytes(6))], Finish, "nospec_revert")
        .and_longer_names(),
    table(
        "__stack_protector_loc",
        8,
        &[first(Absolute64, Bytes(6))],
        Finish,
        "stack_protector_apply",
    )
    .and_longer_names(),
    table("__mcount_loc", 8, &[first(Absolute64, Bytes(6))], Ftrace, "ftrace_init_nop")
        .and_rewritten(),
    table("__jump_table", 16, &[first(Relative32, Bytes(6))], Coming, "jump_label_add_module")
        .and_key(),
];
