//! Functions to replace that the livepatch core does not find, or that ftrace cannot hook.

use super::good::Good;
use super::{Then, Wrong};
use crate::kernel::Machine;
use crate::patch::Patched;

const OF: &str = "lp_vmlinux_inferred";
const OLD_NAME: &str = "cmdline_proc_show";
const OF_GATED: &str = "lp_module_symbols";
const OLD_NAME_GATED: &str = "klp_target_a_show";

/// Makes a livepatch replace another function, whose name is not longer.
fn replaces(good: &Good, old: &str, new: &str) -> Patched {
    let text = |name: &str| {
        let mut text = name.as_bytes().to_vec();
        text.resize(old.len() + 1, 0);
        text
    };
    good.copy().replace(&text(old), &text(new))
}

const fn refused(name: &'static str, spoil: fn(&Good) -> Patched) -> Wrong {
    Wrong::new(name, OF, Then::Refused, spoil)
}

const fn at_gate(name: &'static str, spoil: fn(&Good) -> Patched) -> Wrong {
    Wrong::new(name, OF_GATED, Then::RefusedAtGate, spoil).after_others().on(
        &[Machine::Ppc64le, Machine::S390x, Machine::Arm64],
        "insmod tries twice, and the second attempt finds what the first one wrote",
    )
}

pub(super) const ALL: &[Wrong] = &[
    refused("replaced/not-found", |good| replaces(good, OLD_NAME, "no_such_function")),
    refused("replaced/data", |good| replaces(good, OLD_NAME, "init_task")),
    // Assembly, or `notrace`, on every machine.
    refused("replaced/no-call-site", |good| replaces(good, OLD_NAME, "memcpy")),
    at_gate("replaced/not-found-late", |good| replaces(good, OLD_NAME_GATED, "no_such")),
    at_gate("replaced/ambiguous-late", |good| replaces(good, OLD_NAME_GATED, "klp_homonym")),
    at_gate("replaced/data-late", |good| replaces(good, OLD_NAME_GATED, "klp_string.12345")),
];
