//! Relocations that the machine's loader refuses, in plain tables and in klp tables.
//!
//! The refused values come from absolute symbols, or from distances within one section, so they do
//! not depend on the module's address.

use super::good::{Good, entry, relocate, retype};
use super::{Then, Wrong};
use crate::kernel::Machine;
use crate::patch::Patched;

const OF: &str = "lp_vmlinux_inferred";
const OF_GATED: &str = "lp_module_symbols";

const fn refused(name: &'static str, spoil: fn(&Good) -> Patched) -> Wrong {
    Wrong::new(name, OF, Then::Refused, spoil)
}

const fn at_gate(name: &'static str, spoil: fn(&Good) -> Patched) -> Wrong {
    Wrong::new(name, OF_GATED, Then::RefusedAtGate, spoil)
}

/// An address of 64 bits in data.
const WORD: (&str, usize) = (".rela.data", 0);

/// A type that no loader knows, not one that a machine knows and refuses.
fn unknown(good: &Good) -> u32 {
    if good.machine == Machine::Ppc64le { 0 } else { 200 }
}

/// Gives the word in data another type, a symbol of value 0 and an addend.
fn absolute(good: &Good, kind: u32, addend: i64) -> Patched {
    relocate(good.copy(), WORD, kind, good.absolute(), addend)
}

/// Gives the word in data another type, and a target this far from the start of its section.
fn near(good: &Good, kind: u32, addend: i64) -> Patched {
    relocate(good.copy(), WORD, kind, good.section_symbol(".data"), addend)
}

pub(super) const ALL: &[Wrong] = &[
    refused("relocation/unknown-type", |good| retype(good.copy(), WORD, unknown(good))),
    refused("relocation/unknown-type-klp", |good| {
        retype(good.copy(), (&good.first_klp().name, 0), unknown(good))
    }),
    at_gate("relocation/unknown-type-late", |good| {
        retype(good.copy(), (&good.first_klp().name, 0), unknown(good))
    }),
    refused("relocation/dynamic-type", |good| retype(good.copy(), WORD, 9))
        .on(&[Machine::S390x], "the loader says of no type that it only knows it"),
    refused("relocation/32-bits", |good| absolute(good, 10, 1 << 32))
        .on(&[Machine::X86], "a type of x86_64"),
    refused("relocation/32-bits-signed", |good| absolute(good, 11, 1 << 31))
        .on(&[Machine::X86], "a type of x86_64"),
    refused("relocation/place-not-zero", |good| {
        let place = good.image.section(WORD.0).relocations[WORD.1].offset;
        let place = usize::try_from(place).unwrap();
        good.copy().contents(".data", |data| data[place] = 1)
    })
    .on(&[Machine::X86], "a location may contain anything")
    .placed("the kernel reports the location"),
    refused("relocation/place-twice", |good| {
        let place = good.image.section(WORD.0).relocations[1].offset;
        relocate(good.copy(), WORD, 1, good.absolute(), 1)
            .relocation(WORD.0, WORD.1, |r, e| r.r_offset.set(e, place))
    })
    .on(&[Machine::X86], "a location may be written twice")
    .placed("the kernel reports the location"),
    at_gate("relocation/place-not-zero-late", |good| {
        let place = usize::try_from(good.first_klp().relocations[0].offset).unwrap();
        good.copy().contents(".text", |text| text[place] = 1)
    })
    .on(&[Machine::X86], "a location may contain anything")
    .placed("the kernel reports the location"),
    refused("relocation/no-nop", |good| no_nop(good, "vmlinux"))
        .on(&[Machine::Ppc64le], "calls need not be followed by a nop")
        .placed("the kernel reports the address of the call"),
    at_gate("relocation/no-nop-late", |good| no_nop(good, "klp_target_a"))
        .on(&[Machine::Ppc64le], "calls need not be followed by a nop"),
    refused("relocation/rel32", |good| near(good, 26, 1 << 32))
        .on(&[Machine::Ppc64le], "a type of ppc64le"),
    refused("relocation/rel24", |good| near(good, 10, 1 << 26))
        .on(&[Machine::Ppc64le], "a type of ppc64le"),
    refused("relocation/rel24-misaligned", |good| near(good, 10, 2))
        .on(&[Machine::Ppc64le], "a type of ppc64le"),
    refused("relocation/toc16", |good| toc(good, 47, 1 << 20))
        .on(&[Machine::Ppc64le], "a type of ppc64le"),
    refused("relocation/toc16-ds", |good| toc(good, 63, 2))
        .on(&[Machine::Ppc64le], "a type of ppc64le"),
    refused("relocation/toc16-lo-ds", |good| toc(good, 64, 1))
        .on(&[Machine::Ppc64le], "a type of ppc64le"),
    refused("relocation/16-bits", |good| absolute(good, 3, 1 << 16))
        .on(&[Machine::S390x], "a type of s390x"),
    refused("relocation/20-bits", |good| absolute(good, 57, -(1 << 19) - 1))
        .on(&[Machine::S390x], "a type of s390x"),
    refused("relocation/32-bits-s390x", |good| absolute(good, 4, 1 << 32))
        .on(&[Machine::S390x], "a type of s390x"),
    refused("relocation/halfwords", |good| near(good, 19, 3))
        .on(&[Machine::S390x], "a type of s390x"),
    refused("relocation/halfwords-far", |good| near(good, 19, 1 << 32))
        .on(&[Machine::S390x], "a type of s390x"),
    refused("relocation/halfwords-far-klp", |good| {
        let section = good.first_klp();
        let (at, found) = entry(section, |r| r.kind == 19 || r.kind == 20);
        relocate(good.copy(), (&section.name, at), 17, found.symbol, 0)
    })
    .on(&[Machine::S390x], "a type of s390x")
    .placed("the kernel reports the distance between symbol and module"),
    refused("relocation/abs32", |good| absolute(good, 258, 1 << 32))
        .on(&[Machine::Arm64], "a type of arm64"),
    refused("relocation/abs16", |good| absolute(good, 259, 1 << 16))
        .on(&[Machine::Arm64], "a type of arm64"),
    refused("relocation/movw", |good| absolute(good, 263, 1 << 16))
        .on(&[Machine::Arm64], "a type of arm64"),
    refused("relocation/page", |good| absolute(good, 275, 1 << 33))
        .on(&[Machine::Arm64], "a type of arm64"),
    refused("relocation/test-branch", |good| absolute(good, 279, 1 << 20))
        .on(&[Machine::Arm64], "a type of arm64"),
];

/// Removes the nop after a call.
fn no_nop(good: &Good, gate: &str) -> Patched {
    let (_, call) = entry(good.klp(gate), |r| r.kind == 10);
    let nop = usize::try_from(call.offset).unwrap() + 4;
    good.copy().contents(".text", |text| text[nop..nop + 4].fill(0))
}

/// Gives a TOC-relative relocation another type, and a target in `.toc`.
fn toc(good: &Good, kind: u32, addend: i64) -> Patched {
    let symbol = good.section_symbol(".toc");
    let (at, _) = entry(good.image.section(".rela.text"), |r| matches!(r.kind, 63 | 64));
    relocate(good.copy(), (".rela.text", at), kind, symbol, addend)
}
