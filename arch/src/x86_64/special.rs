//! What x86_64 kernels read and change in modules. Sources:
//! `arch/x86/kernel/module.c:module_finalize`, `arch/x86/kernel/alternative.c`,
//! `arch/x86/kernel/unwind_orc.c`.

use crate::row::{Features, When};
use crate::special::{
    AddressForm, Moment, Span, SpecialSection, Target, first, read, rewritten, table,
};

use AddressForm::{Absolute64, Relative32};
use Moment::{Coming, Finish, Ftrace};
use Span::{Bytes, Field, Opcode};

/// `jmp` and `nop` of two bytes: a jump label is never another short instruction.
const JUMP: Span = Opcode { first: &[0xeb, 0x66], then: 2, otherwise: 5 };
/// A conditional jump, or one with a prefix, is a byte longer.
const SITE: Span = Opcode { first: &[0x0f, 0x2e], then: 6, otherwise: 5 };
/// `endbr64`, and before it the preamble that checks a hash.
const SEALED: Target = Target { at: 0, named: Relative32, before: 16, span: Bytes(4) };

/// In the order of the kernel, on top of what all machines share.
pub(super) const SPECIAL: &[SpecialSection] = &[
    table(".retpoline_sites", 4, &[first(Relative32, SITE)], Finish, "apply_retpolines"),
    table(".return_sites", 4, &[first(Relative32, Bytes(5))], Finish, "apply_returns"),
    table(
        ".call_sites",
        4,
        &[first(Relative32, Bytes(5))],
        Finish,
        "callthunks_patch_module_calls",
    ),
    table(".altinstructions", 14, &[first(Relative32, Field(12))], Finish, "apply_alternatives")
        .only(When::Without(Features::SHORT_ALTERNATIVES)),
    table(".altinstructions", 12, &[first(Relative32, Field(10))], Finish, "apply_alternatives")
        .only(When::With(Features::SHORT_ALTERNATIVES)),
    // The replacements, which are copied over the originals.
    read(".altinstr_", Finish, "apply_alternatives").and_longer_names(),
    table(".parainstructions", 16, &[first(Absolute64, Field(9))], Finish, "apply_paravirt"),
    table(".cfi_sites", 4, &[SEALED], Finish, "apply_fineibt"),
    table(".ibt_endbr_seal", 4, &[SEALED], Finish, "apply_seal_endbr"),
    table(".smp_locks", 4, &[first(Relative32, Bytes(1))], Finish, "alternatives_smp_module_add"),
    rewritten(".orc_unwind", Finish, "unwind_module_init").and_read(),
    rewritten(".orc_unwind_ip", Finish, "unwind_module_init").and_read().beside(
        4,
        ".orc_unwind",
        6,
    ),
    table("__mcount_loc", 8, &[first(Absolute64, Bytes(5))], Ftrace, "ftrace_process_locs")
        .and_rewritten(),
    table(
        "__patchable_function_entries",
        8,
        &[first(Absolute64, Bytes(5))],
        Ftrace,
        "ftrace_process_locs",
    )
    .and_rewritten(),
    table(".static_call_sites", 8, &[first(Relative32, SITE)], Coming, "static_call_add_module"),
    table("__jump_table", 16, &[first(Relative32, JUMP)], Coming, "jump_label_add_module")
        .and_key(),
];
