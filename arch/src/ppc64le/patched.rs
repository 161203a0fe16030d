//! What ppc64le kernels change behind relocation. Sources:
//! `arch/powerpc/kernel/module.c:module_finalize`, `arch/powerpc/lib/feature-fixups.c`,
//! `arch/powerpc/kernel/trace/ftrace.c:ftrace_init_nop`.

use crate::patched::{Moment, Named, PatchedSection, Span, Target, first};

use Moment::{Coming, Finish, Ftrace};
use Named::{Absolute64, FromEntry64, Relative32, Relative64};

/// `struct fixup_entry`: mask and value, start and end, start and end of the alternative.
const FIXUP: &[Target] = &[Target { at: 16, named: FromEntry64, before: 0, span: Span::Until(24) }];
const BY: &str = "do_feature_fixups";
/// The instruction in front of the call, and the call.
const TRACED: &[Target] = &[Target { at: 0, named: Absolute64, before: 4, span: Span::Bytes(4) }];

/// In the order of the kernel.
pub(super) const PATCHED: &[PatchedSection] = &[
    PatchedSection::table("__ftr_fixup", 48, FIXUP, Finish, BY),
    PatchedSection::table("__mmu_ftr_fixup", 48, FIXUP, Finish, BY),
    PatchedSection::table("__fw_ftr_fixup", 48, FIXUP, Finish, BY),
    PatchedSection::table(
        "__spec_barrier_fixup",
        8,
        &[first(Relative64, Span::Bytes(4))],
        Finish,
        "do_barrier_nospec_fixups_range",
    ),
    PatchedSection::table(
        "__lwsync_fixup",
        8,
        &[first(Relative64, Span::Bytes(4))],
        Finish,
        "do_lwsync_fixups",
    ),
    PatchedSection::table("__mcount_loc", 8, TRACED, Ftrace, "ftrace_init_nop").and_itself(),
    PatchedSection::table("__patchable_function_entries", 8, TRACED, Ftrace, "ftrace_init_nop")
        .and_itself(),
    PatchedSection::table(
        "__jump_table",
        16,
        &[first(Relative32, Span::Bytes(4))],
        Coming,
        "jump_label_add_module",
    )
    .and_itself(),
];
