//! Relocations that the kernel silently never writes or truncates.
//!
//! The lost pointer is never followed.

use object::elf::SectionType;

use super::good::{Good, retype};
use super::{Lost, Then, Wrong};
use crate::kernel::Machine;
use crate::patch::Patched;

const OF: &str = "lp_two_pointers";
const VMLINUX: &str = ".klp.rela.vmlinux..data";
const TARGET: &str = ".klp.rela.klp_target_a..data";

const fn silent(name: &'static str, lost: Lost, spoil: fn(&Good) -> Patched) -> Wrong {
    Wrong::new(name, OF, Then::Silent(lost), spoil)
}

/// Moves the pointer into the target to another gate.
fn gated_on(good: &Good, gate: &str) -> Patched {
    good.copy().rename_section(TARGET, &format!(".klp.rela.{gate}..data"))
}

pub(super) const ALL: &[Wrong] = &[
    silent("silent/nothing-wrong", Lost::Nothing, Good::copy),
    silent("silent/gate-too-long", Lost::IntoTarget, |good| gated_on(good, &"a".repeat(56))),
    silent("silent/gate-of-nobody", Lost::IntoTarget, |good| gated_on(good, "klp-target-a")),
    silent("silent/gate-not-patched", Lost::IntoTarget, |good| gated_on(good, "klp_target_b")),
    silent("silent/target-not-loaded", Lost::IntoVmlinux, |good| {
        let comment = good.section(".comment");
        good.copy().section(VMLINUX, |s, e| s.sh_info.set(e, comment))
    }),
    silent("silent/annotation-left", Lost::Nothing, |good| {
        good.copy().rename_section(".comment", ".klp.module_relocs.vmlinux")
    }),
    silent("silent/table-of-unknown-type", Lost::Nothing, |good| {
        good.copy().section(".rela.exit.data", |s, e| s.sh_type.set(e, SectionType(0x4000_0014)))
    }),
    silent("silent/table-for-nothing", Lost::Nothing, |good| {
        good.copy().section(".rela.exit.data", |s, e| s.sh_info.set(e, 0))
    }),
    silent("silent/place-misaligned", Lost::IntoTarget, |good| {
        good.copy().relocation(TARGET, 0, |r, e| r.r_offset.set(e, r.r_offset.get(e) + 2))
    })
    .on(&[Machine::Arm64], "the late writer writes to any place"),
    silent("silent/cut-off", Lost::IntoTarget, |good| match good.machine {
        // PC32, which is written unchecked.
        Machine::X86 => retype(good.copy(), (TARGET, 0), 2)
            .relocation(TARGET, 0, |r, e| r.r_addend.set(e, 1 << 40)),
        // ADDR32, too.
        _ => retype(good.copy(), (TARGET, 0), 1),
    })
    .on(&[Machine::X86, Machine::Ppc64le], "the loader checks that values fit"),
];
