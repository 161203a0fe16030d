//! What every generated livepatch has, for any machine: the sections that the kernel requires, its
//! declarations, and names that a list has.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "modules are made here, a surprise stops the run"
)]

#[allow(dead_code, reason = "the builder has more than livepatches need")]
#[path = "../../tests/elf/builder/mod.rs"]
pub(crate) mod builder;

use crate::choices::Choices;
use builder::{Builder, NOBITS, Section};
use klp_arch::{Calc, Field, Machine, Row};
use scroll::Endian;

/// The kernel of generated livepatches: objects with names that only one of them has, and others.
pub(crate) const LIST: &str = "klp-convert-symbol-data.0.1\n\
    *vmlinux\nalpha\nbeta\nbeta\nshared\n__ksymtab_delta\ndelta\nfoo.isra.0\n\
    *target\ngamma\nshared\ntwice\ntwice\n\
    *other\nomega\nshared\n";
pub(crate) const OBJECTS: [&str; 3] = ["vmlinux", "target", "other"];
pub(crate) const NAMES: [&str; 10] = [
    "alpha",
    "beta",
    "delta",
    "foo.isra.0",
    "gamma",
    "twice",
    "omega",
    "shared",
    "missing",
    "alphA",
];

/// What the list has: names of one object, and the least position of one of them.
pub(crate) const KNOWN: [(&str, &str, u32); 9] = [
    ("vmlinux", "alpha", 0),
    ("vmlinux", "beta", 1),
    ("vmlinux", "beta", 2),
    ("vmlinux", "shared", 0),
    ("vmlinux", "foo.isra.0", 0),
    ("target", "gamma", 0),
    ("target", "twice", 1),
    ("target", "shared", 0),
    ("other", "omega", 0),
];

/// An object, a name and a position; mostly what the list has. `only`: mostly of this object.
pub(crate) fn named(
    choices: &mut Choices<'_>,
    only: Option<&str>,
) -> (&'static str, &'static str, u32) {
    if choices.byte() >= 0xe0 {
        let position = u32::from(choices.byte() % 4);
        return (choices.pick(&OBJECTS), choices.pick(&NAMES), position);
    }
    let known = KNOWN.iter().filter(|(object, ..)| only.is_none_or(|only| only == *object));
    let known: Vec<_> = known.collect();
    known.get(choices.below(known.len())).map_or(KNOWN[0], |known| **known)
}

/// Flags of sections: allocated, with instructions, writable.
pub(crate) const CODE: u64 = 6;
pub(crate) const DATA: u64 = 3;
pub(crate) const READ_ONLY: u64 = 2;

/// A module with the sections that the kernel requires.
pub(crate) fn module(machine: &Machine, declarations: &[u8]) -> Builder {
    let mut builder = Builder::new(machine.endian == Endian::Big);
    let mut this = vec![0; 128];
    this[24..33].copy_from_slice(b"generated");
    section(&mut builder, ".gnu.linkonce.this_module", DATA, this);
    builder.progbits(".modinfo", declarations);
    let trampolines = [".text.ftrace_trampoline", ".init.text.ftrace_trampoline"];
    for name in machine.required_sections.iter().chain(&trampolines) {
        let name = (*name).to_owned();
        builder.section(Section {
            name,
            sh_type: NOBITS,
            flags: CODE,
            align: 8,
            ..Section::default()
        });
    }
    builder
}

/// Tables of versions in one of their forms, and marks of what the compiler did; often none.
pub(crate) fn tables(builder: &mut Builder, machine: &Machine, choices: &mut Choices<'_>) {
    let dot = if choices.byte() & 1 == 0 { "" } else { "." };
    match choices.byte() % 4 {
        0 => {
            let mut body = Vec::new();
            for name in NAMES {
                body.extend(builder.u64(0x1234));
                let text = format!("{dot}{name}");
                body.extend(text.bytes().chain(std::iter::repeat(0)).take(56));
            }
            section(builder, "__versions", READ_ONLY, body);
        }
        1 => {
            let crcs = NAMES.iter().flat_map(|_| builder.u32(0x1234)).collect();
            let names = NAMES.iter().flat_map(|name| format!("{dot}{name}\0").into_bytes());
            section(builder, "__version_ext_crcs", READ_ONLY, crcs);
            section(builder, "__version_ext_names", READ_ONLY, names.collect());
        }
        _ => {}
    }
    if let Some(pad) = machine.landing_pad.filter(|_| choices.byte() & 1 == 1) {
        section(builder, pad.marker, READ_ONLY, vec![0; 8]);
    }
    if choices.byte() & 1 == 1 {
        section(builder, ".mygot", DATA, vec![0; 8]);
    }
    if choices.byte() % 4 == 3 {
        section(builder, ".data..percpu", DATA, vec![0; 64]);
    }
}

pub(crate) fn section(builder: &mut Builder, name: &str, flags: u64, body: Vec<u8>) -> u32 {
    let name = name.to_owned();
    builder.section(Section { name, sh_type: 1, flags, align: 8, body, ..Section::default() })
}

/// Instructions that the loaders accept where they write a call.
pub(crate) fn calls(machine: &Machine, count: usize) -> Vec<u8> {
    let mut pair = [0; 16];
    if !machine.needs_untouched_place && machine.endian == Endian::Little {
        pair[..4].copy_from_slice(&0x4800_0001_u32.to_le_bytes());
        pair[4..8].copy_from_slice(&0x6000_0000_u32.to_le_bytes());
    }
    pair.repeat(count)
}

/// The relocation of a pointer in data.
pub(crate) fn pointer(machine: &Machine) -> u32 {
    let is = |row: &&Row| row.calc == Calc::Absolute && row.field == Field::BITS64;
    machine.rows.iter().find(is).unwrap().number
}

/// The relocation of a call.
pub(crate) fn call(machine: &Machine) -> u32 {
    let call = |row: &&Row| row.calc.may_detour() || row.calc == Calc::Relative;
    machine.rows.iter().filter(call).find(|row| row.field.size() == 4).unwrap().number
}

/// The file, of this machine.
pub(crate) fn file(builder: &Builder, machine: &Machine) -> Vec<u8> {
    let mut file = builder.build();
    file[18..20].copy_from_slice(&builder.u16(machine.e_machines[0]));
    // ELFv2, if the machine checks it.
    let flags = builder.u32(if machine.check_header(0).is_err() { 2 } else { 0 });
    file[48..52].copy_from_slice(&flags);
    file
}
