//! Per-CPU variables of modules lie near the kernel's, which relative references must reach.

use object::elf::{Rela64, RelocationType};

use crate::image::Image;
use crate::machine::{Machine, Map, machines};
use crate::patch::Patched;
use crate::tool::{Run, Sandbox, run};

/// Module A with its data as per-CPU variables, and the first relocation of type `from` in its code
/// changed to type `to` against them.
fn made(machine: &Machine, from: u32, to: u32) -> Patched {
    let patched = Patched::new(machine.read("klp_target_a.ko"));
    let image = Image::read(&patched.bytes);
    let data = image.sections.iter().position(|section| section.name == ".data").unwrap();
    let symbol = image.symbols.iter().position(|symbol| usize::from(symbol.section) == data);
    let symbol = u32::try_from(symbol.unwrap()).unwrap();
    let relocations = &image.section(".rela.text").relocations;
    let entry = relocations.iter().position(|relocation| relocation.kind == from).unwrap();
    patched.rename_section(".data", ".data..percpu").relocation(".rela.text", entry, |r, e| {
        r.r_info = Rela64::r_info(e, false, symbol, RelocationType(to));
        r.r_addend.set(e, 0);
    })
}

fn check(machine: &Machine, from: u32, to: u32, more: &[&str]) -> Run {
    let bench = Sandbox::new();
    let module = bench.file("per_cpu.ko", &made(machine, from, to).bytes);
    let words = ["check".into(), module.into_os_string()].into_iter();
    run(words.chain(machine.map(Map::Elf)).chain(more.iter().map(Into::into)))
}

fn machine(name: &str) -> Machine {
    machines().into_iter().find(|machine| machine.name == name).unwrap()
}

const OLD: [&str; 2] = ["--target-kernel", "6.1"];

#[track_caller]
fn loads(run: &Run) {
    assert!(run.done().stderr.contains(": loads, tried at "), "{}", run.stderr);
    assert!(!run.stderr.contains("warning"), "{}", run.stderr);
}

#[test]
fn a_short_distance_does_not_reach_and_a_page_distance_does_on_arm64() {
    let machine = machine("arm64");
    // R_AARCH64_ADR_PREL_PG_HI21, and R_AARCH64_LD_PREL_LO19, R_AARCH64_ADR_PREL_LO21.
    loads(&check(&machine, 275, 275, &[]));
    for kind in [273, 274] {
        let says = format!("overflow in relocation type {kind} val ");
        check(&machine, 275, kind, &[]).refused(&["error[KLP-E0801]", &says, "(-ENOEXEC, 8)"]);
    }
}

#[test]
fn the_toc_is_too_far_away_on_ppc64le() {
    let machine = machine("ppc64le");
    // R_PPC64_TOC16_HA, R_PPC64_REL16_HA: silently truncated.
    for kind in [50, 252] {
        let words = ["error[KLP-E0803]", "is truncated to", ": would load incorrectly"];
        check(&machine, 50, kind, &[]).refused(&words);
    }
    // R_PPC64_REL32.
    let words = ["error[KLP-E0801]", "REL32 ", " out of range!", "(-ENOEXEC, 8)"];
    check(&machine, 50, 26, &[]).refused(&words);
}

#[test]
fn modules_are_near_them_on_s390x_because_the_kernel_lies_above_modules() {
    let machine = machine("s390x");
    // R_390_PC32DBL, R_390_PC16DBL.
    loads(&check(&machine, 19, 19, &[]));
    let words = ["error[KLP-E0801]", "relocation error for symbol", "(-ENOEXEC, 8)"];
    check(&machine, 19, 17, &[]).refused(&words);
    check(&machine, 19, 19, &OLD).refused(&words);
}

#[test]
fn on_x86_64_they_used_to_be_small_numbers() {
    let machine = machine("x86_64");
    // R_X86_64_PC32 and R_X86_64_32S always reach, R_X86_64_32 while they were small.
    for kind in [2, 11] {
        loads(&check(&machine, 2, kind, &[]));
        loads(&check(&machine, 2, kind, &OLD));
    }
    let words = ["error[KLP-E0801]", "overflow in relocation type 10 val ffffffff8"];
    check(&machine, 2, 10, &[]).refused(&words);
    loads(&check(&machine, 2, 10, &OLD));
}
