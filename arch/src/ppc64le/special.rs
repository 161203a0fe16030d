//! What ppc64le kernels read and change in modules. Sources:
//! `arch/powerpc/kernel/module.c:module_finalize`, `arch/powerpc/lib/feature-fixups.c`,
//! `arch/powerpc/kernel/trace/ftrace.c:ftrace_init_nop`.

use crate::special::{AddressForm, Moment, Span, SpecialSection, Target, first, read, table};

use AddressForm::{Absolute64, FromEntry64, Relative32, Relative64};
use Moment::{Coming, Finish, Ftrace};
use Span::{Bytes, Until};

/// `struct fixup_entry`: mask and value, start and end, start and end of the alternative.
const FIXUP: &[Target] = &[Target { at: 16, named: FromEntry64, before: 0, span: Until(24) }];
const BY: &str = "do_feature_fixups";
/// The instruction before the call, and the call.
const TRACED: &[Target] = &[Target { at: 0, named: Absolute64, before: 4, span: Bytes(4) }];

/// In the order of the kernel, on top of what all machines share.
pub(super) const SPECIAL: &[SpecialSection] = &[
    table("__ftr_fixup", 48, FIXUP, Finish, BY),
    // The alternatives themselves, which are copied over the originals.
    read("__ftr_alt_", Finish, BY).and_longer_names(),
    table("__mmu_ftr_fixup", 48, FIXUP, Finish, BY),
    table("__fw_ftr_fixup", 48, FIXUP, Finish, BY),
    table(
        "__spec_barrier_fixup",
        8,
        &[first(Relative64, Bytes(4))],
        Finish,
        "do_barrier_nospec_fixups_range",
    ),
    table("__lwsync_fixup", 8, &[first(Relative64, Bytes(4))], Finish, "do_lwsync_fixups"),
    table("__mcount_loc", 8, TRACED, Ftrace, "ftrace_init_nop").and_rewritten(),
    table("__patchable_function_entries", 8, TRACED, Ftrace, "ftrace_init_nop").and_rewritten(),
    table("__jump_table", 16, &[first(Relative32, Bytes(4))], Coming, "jump_label_add_module")
        .and_key(),
];
