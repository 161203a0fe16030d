//! What x86_64 kernels change behind relocation. Source: `arch/x86/kernel/module.c:module_finalize`,
//! `arch/x86/kernel/alternative.c`, `arch/x86/kernel/unwind_orc.c`.

use crate::patched::{Moment, Named, PatchedSection, Span, Target, first};
use crate::row::{Features, When};

use Moment::{Coming, Finish, Ftrace};
use Named::{Absolute64, Relative32};

/// `jmp` and `nop` of two bytes: a jump label is never another short instruction.
const JUMP: Span = Span::Opcode { first: &[0xeb, 0x66], then: 2, otherwise: 5 };
/// A conditional jump, or one with a prefix, is a byte longer.
const SITE: Span = Span::Opcode { first: &[0x0f, 0x2e], then: 6, otherwise: 5 };
/// `endbr64`, and in front of it the preamble that knows a hash.
const SEALED: Target = Target { at: 0, named: Relative32, before: 16, span: Span::Bytes(4) };

/// In the order of the kernel.
pub(super) const PATCHED: &[PatchedSection] = &[
    PatchedSection::table(
        ".retpoline_sites",
        4,
        &[first(Relative32, SITE)],
        Finish,
        "apply_retpolines",
    ),
    PatchedSection::table(
        ".return_sites",
        4,
        &[first(Relative32, Span::Bytes(5))],
        Finish,
        "apply_returns",
    ),
    PatchedSection::table(
        ".call_sites",
        4,
        &[first(Relative32, Span::Bytes(5))],
        Finish,
        "callthunks_patch_module_calls",
    ),
    PatchedSection::table(
        ".altinstructions",
        14,
        &[first(Relative32, Span::Field(12))],
        Finish,
        "apply_alternatives",
    )
    .only(When::Without(Features::SHORT_ALTERNATIVES)),
    PatchedSection::table(
        ".altinstructions",
        12,
        &[first(Relative32, Span::Field(10))],
        Finish,
        "apply_alternatives",
    )
    .only(When::With(Features::SHORT_ALTERNATIVES)),
    PatchedSection::table(
        ".parainstructions",
        16,
        &[first(Absolute64, Span::Field(9))],
        Finish,
        "apply_paravirt",
    ),
    PatchedSection::table(".cfi_sites", 4, &[SEALED], Finish, "apply_fineibt"),
    PatchedSection::table(".ibt_endbr_seal", 4, &[SEALED], Finish, "apply_seal_endbr"),
    PatchedSection::table(
        ".smp_locks",
        4,
        &[first(Relative32, Span::Bytes(1))],
        Finish,
        "alternatives_smp_module_add",
    ),
    PatchedSection::rewritten(".orc_unwind", Finish, "unwind_module_init"),
    PatchedSection::rewritten(".orc_unwind_ip", Finish, "unwind_module_init"),
    PatchedSection::table(
        "__mcount_loc",
        8,
        &[first(Absolute64, Span::Bytes(5))],
        Ftrace,
        "ftrace_process_locs",
    )
    .and_itself(),
    PatchedSection::table(
        "__patchable_function_entries",
        8,
        &[first(Absolute64, Span::Bytes(5))],
        Ftrace,
        "ftrace_process_locs",
    )
    .and_itself(),
    PatchedSection::table(
        ".static_call_sites",
        8,
        &[first(Relative32, SITE)],
        Coming,
        "static_call_add_module",
    )
    .and_itself(),
    PatchedSection::table(
        "__jump_table",
        16,
        &[first(Relative32, JUMP)],
        Coming,
        "jump_label_add_module",
    )
    .and_itself(),
];
