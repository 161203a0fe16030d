//! What the ppc64le loader reserves and writes for calls that leave a module.
//!
//! Instruction words are those of GNU as 2.40 (`powerpc64le-linux-gnu-as -mpower10`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test may stop at the first surprise"
)]

mod ftrace;
mod kernel;
mod module;
mod properties;

use klp_arch::object::{SHN_ABS, SHN_LIVEPATCH, Section};
use klp_arch::{Errno, Fault, Features, Operands, PPC64LE, Rela, RelocationContext};
use module::*;

const PRINTK: u64 = 0xc000_0000_0012_3450;
const NONE: Features = Features::empty();

fn printk() -> klp_arch::object::Symbol<'static> {
    undefined(b"_printk", PRINTK)
}

#[test]
fn a_call_goes_through_a_stub_and_its_nop_restores_r2() {
    let object = object(1, &[printk()], &[vec![call(1, 0, 0)]]);
    let mut module = Loading::new(object, &bare(NONE)).unwrap();
    assert_eq!(module.apply_all(), []);
    let stubs = module.extent(STUBS).address;
    let distance = stubs.wrapping_sub(module.r2()) as u32;
    let (high, low) = (distance.wrapping_add(0x8000) >> 16, distance & 0xffff);
    let instructions = [0x3d62_0000 | high, 0x396b_0000 | low, 0xf841_0018, 0xe98b_0020];
    let rest = [0x7d89_03a6, 0x4e80_0420, 0, 0x7374_7562, 0x0012_3450, 0xc000_0000];
    assert_eq!(module.stub(0), [&instructions[..], &rest].concat());
    let text = words(&[0x4800_0001 | (stubs - BASE) as u32, 0xe841_0018]);
    assert_eq!(module.memory.regions[0].bytes[..8], text);
    assert_eq!(module.stubs(), (1, 1));
    assert_eq!(module.linkage.indeterminate(), []);
}

#[test]
fn one_address_has_one_stub_whatever_its_symbols() {
    let symbols = [printk(), undefined(b"alias", PRINTK), undefined(b"near", PRINTK - 8)];
    let calls = vec![call(1, 0, 0), call(2, 16, 0), call(3, 32, 8), call(1, 48, 0)];
    let mut module = Loading::new(object(4, &symbols, &[calls]), &bare(NONE)).unwrap();
    assert_eq!((module.apply_all(), module.reserved()), (vec![], 3));
    assert_eq!(module.stubs(), (1, 3));
}

#[test]
fn a_table_is_applied_from_the_highest_symbol_down() {
    let symbols = [printk(), undefined(b"kfree", PRINTK + 64), undefined(b"kmalloc", PRINTK + 96)];
    let calls = vec![call(1, 0, 0), call(3, 16, 0), call(2, 32, 4), call(2, 48, 8)];
    let mut module = Loading::new(object(4, &symbols, &[calls]), &bare(NONE)).unwrap();
    assert_eq!(module.apply_all(), []);
    let targets = [0, 1, 2, 3].map(|slot| module.target(slot) - PRINTK);
    assert_eq!(targets, [96, 72, 68, 0]);
}

#[test]
fn negative_addends_count_each_time_and_local_calls_also_count() {
    let mut local = printk();
    local.st_shndx = TEXT as u16;
    let calls = |addend| [call(1, 0, addend), call(1, 16, addend), call(2, 32, addend)].to_vec();
    for (addend, reserved) in [(8, 2), (-8, 3), (0x1_0000_0008, 3)] {
        let object = object(3, &[printk(), local], &[calls(addend)]);
        let module = Loading::new(object, &bare(NONE)).unwrap();
        assert_eq!(module.reserved(), reserved, "{addend}");
    }
}

#[test]
fn addends_that_the_kernel_confuses_leave_it_without_room() {
    let calls = vec![call(1, 0, 0x1_0000_0008), call(1, 16, 8)];
    let mut module = Loading::new(object(2, &[printk()], &[calls]), &bare(NONE)).unwrap();
    assert_eq!(module.apply_all(), [Fault::NoRoom { reserved: 1 }]);
    assert_eq!(module.target(0), PRINTK + 0x1_0000_0008);
}

#[test]
fn a_call_of_symbol_0_has_no_room_of_its_own() {
    let module = object(1, &[], &[vec![call(0, 0, 0)]]);
    let mut module = Loading::new(module, &bare(NONE)).unwrap();
    assert_eq!(module.apply_all(), [Fault::NoRoom { reserved: 0 }]);
}

#[test]
fn where_stubs_are_not_counted_one_that_goes_to_0_is_replaced() {
    // A weak symbol that nothing defines.
    let symbols = [printk(), undefined(b"weak", 0)];
    let calls = vec![call(1, 0, 0), call(2, 16, 0)];
    let module = |features| {
        let object = object(2, &symbols, std::slice::from_ref(&calls));
        let mut module = Loading::new(object, &bare(features)).unwrap();
        assert_eq!(module.apply_all(), []);
        (module.target(0), module.target(1), module.reserved())
    };
    assert_eq!(module(NONE), (0, PRINTK, 2));
    assert_eq!(module(Features::STUB_TERMINATOR), (PRINTK, 0, 3));
}

#[test]
fn a_late_call_takes_the_next_stub_and_stops_at_the_end() {
    let mut late = undefined(b".klp.sym.ext4.f,0", 0);
    late.st_shndx = SHN_LIVEPATCH;
    let object = object(2, &[printk(), late], &[vec![call(1, 0, 0), call(2, 16, 0)]]);
    let mut module = Loading::new(object, &bare(NONE)).unwrap();
    module.apply(call(1, 0, 0), false).unwrap();
    module.finish().unwrap();
    module.object.symbols[2].st_value = 0xc008_0000_0100_0000;
    module.apply(call(2, 16, 0), true).unwrap();
    assert_eq!(module.target(1), 0xc008_0000_0100_0000);
    // Its object was reloaded at the same address, then elsewhere.
    module.apply(call(2, 16, 0), true).unwrap();
    let before = module.memory.clone();
    module.object.symbols[2].st_value = 0xc008_0000_0200_0000;
    assert_eq!(module.apply(call(2, 16, 0), true), Err(Fault::NoRoom { reserved: 2 }));
    assert_eq!(module.memory, before);
}

#[test]
fn an_older_kernel_refuses_a_reloaded_object() {
    let object = object(1, &[printk()], &[vec![call(1, 0, 0)]]);
    let mut module = Loading::new(object, &bare(Features::RESTORES_R2_ONCE)).unwrap();
    module.apply(call(1, 0, 0), false).unwrap();
    let refusal = Fault::NoNopAfterCall { found: 0xe841_0018 };
    assert_eq!(module.apply(call(1, 0, 0), true), Err(refusal));
}

#[test]
fn the_toc_pointer_is_given_to_the_symbol_of_that_name() {
    let symbols = [undefined(b".TOC.", 0), undefined(b"..f", 0)];
    let module = Loading::new(object(0, &symbols, &[]), &bare(NONE)).unwrap();
    let [_, toc, f] = module.object.symbols[..] else { panic!("two symbols") };
    assert_eq!((toc.name, toc.st_shndx, toc.st_value), (&b"TOC."[..], SHN_ABS, module.r2()));
    assert_eq!((f.name, f.st_shndx), (&b".f"[..], 0));
    let section = &module.object.sections[TOC];
    assert_eq!((section.sh_addralign, module.r2()), (8, (section.address() & !0xff) + 0x8000));
}

#[test]
fn names_of_versions_lose_a_leading_dot() {
    let mut object = object(0, &[], &[]);
    let mut version = vec![0; 8];
    version.extend_from_slice(b".f");
    version.resize(64, 0);
    let body = [version.clone(), version].concat().into();
    object.sections.push(Section { name: b"__versions", body, ..Section::default() });
    let body = b"g\0.f\0..h\0"[..].into();
    object.sections.push(Section { name: b"__version_ext_names", body, ..Section::default() });
    PPC64LE.loader.reserve(&mut object, &bare(NONE)).unwrap();
    let [versions, names] = &object.sections[TABLES..] else { panic!("two sections") };
    assert_eq!(versions.body[8..11], *b"f\0\0");
    assert_eq!(versions.body[72..75], *b"f\0\0");
    assert_eq!(names.body[..], *b"g\0f\0.h\0\0\0");
}

#[test]
fn a_kernel_without_a_toc_loads_far_per_cpu_addresses_from_slots() {
    let mut percpu = undefined(b"counter", 0x10);
    percpu.st_shndx = PERCPU as u16;
    let near = undefined(b"near", BASE + 0x1000);
    let relas = vec![
        Rela { offset: 0, symbol: 1, kind: 132, addend: 8 },
        Rela { offset: 16, symbol: 2, kind: 132, addend: 0 },
        Rela { offset: 32, symbol: 2, kind: 133, addend: 4 },
        Rela { offset: 48, symbol: 3, kind: 116, addend: 0 },
    ];
    let object = object(4, &[percpu, near, printk()], &[relas]);
    let mut module = Loading::new(object, &bare(Features::PCREL)).unwrap();
    // pla and pld; the last one is a call without a nop.
    let text = [0x0610_0000, 0x3860_0000, 0, 0, 0x0610_0000, 0x3860_0000, 0, 0];
    let text = [&text[..], &[0x0410_0000, 0xe460_0000, 0, 0, BL, BL]].concat();
    module.memory.regions[0].bytes[..56].copy_from_slice(&words(&text));
    assert_eq!(module.apply_all(), []);
    let got = module.extent(GOT);
    let slots = [BASE + 0x1004, 0x18, 0].into_iter().flat_map(u64::to_le_bytes);
    assert_eq!(module.memory.bytes(&got), slots.collect::<Vec<_>>());
    let far = got.address + 8 - BASE;
    assert!(far < 0x8000 && module.extent(STUBS).size == 40);
    let written = &module.memory.regions[0].bytes;
    assert_eq!(written[..8], words(&[0x0410_0000, 0xe460_0000 | far as u32]));
    assert_eq!(written[16..24], words(&[0x0610_0000, 0x3860_0000 | (0x1000 - 16)]));
    assert_eq!(written[52..56], words(&[BL]));
    let stub = [0x0410_0000, 0xe580_0020, 0x7d89_03a6, 0x4e80_0420, 0, 0, 0, 0x7374_7562];
    assert_eq!(module.stub(0)[..8], stub);
}

#[test]
fn a_module_without_stubs_is_refused_in_the_kernels_words() {
    let mut object = object(0, &[], &[]);
    object.sections[STUBS].name = b".studs";
    let mut body = vec![0; 0x500];
    body[24..29].copy_from_slice(b"patch");
    let name = b".gnu.linkonce.this_module";
    object.sections.push(Section { name, body: body.into(), ..Section::default() });
    let error = PPC64LE.loader.reserve(&mut object, &bare(NONE)).unwrap_err();
    assert_eq!(error.to_string(), "module_64: patch: doesn't contain .stubs. -ENOEXEC");
}

#[test]
fn a_refused_relocation_is_reported_in_the_kernels_words() {
    let at = |kind| RelocationContext {
        module: "patch",
        section: 4,
        entry: 7,
        kind,
        symbol: b"_printk",
        place: 0xc008_0000_0000_0010,
        next_word: None,
        value: 0,
        operands: Operands::default(),
        features: NONE,
    };
    let message = |kind, fault| PPC64LE.loader.kernel_error(&at(kind), &fault).to_string();
    let overflow = |value| Fault::Overflow { value, min: -0x8000, max: 0x7fff };
    let far = Fault::Overflow { value: 1 << 40, min: -(1 << 31), max: (1 << 31) - 1 };
    let nop = "module_64: patch: Expected nop after call, got 38600000 at 0xc008000000000014";
    let unknown = |number| format!("module_64: patch: Unknown ADD relocation: {number} -ENOEXEC");
    let lines = [
        (message(0, Fault::UnknownType { number: 0 }), unknown(0)),
        (message(132, Fault::NotOnThisKernel { number: 132 }), unknown(132)),
        (message(REL24, Fault::NoNopAfterCall { found: 0x3860_0000 }), format!("{nop} -ENOEXEC")),
        (
            message(REL24, overflow(-0x200_0004)),
            "module_64: patch: REL24 -33554436 out of range! -ENOEXEC".into(),
        ),
        (
            message(26, overflow(1 << 31)),
            "module_64: patch: REL32 2147483648 out of range! -ENOEXEC".into(),
        ),
        (
            message(132, overflow(1 << 33)),
            "module_64: patch: REL34 8589934592 out of range! -ENOEXEC".into(),
        ),
        (
            message(47, overflow(-0x8001)),
            "module_64: patch: bad TOC16 relocation (0xffffffffffff7fff) -ENOEXEC".into(),
        ),
        (
            message(63, overflow(0x8000)),
            "module_64: patch: bad TOC16_DS relocation (0x8000) -ENOEXEC".into(),
        ),
        (
            message(64, Fault::MisalignedValue { value: 2, align: 4 }),
            "module_64: patch: bad TOC16_LO_DS relocation (0x2) -ENOEXEC".into(),
        ),
    ];
    for (said, expected) in lines {
        assert_eq!(said, expected);
    }
    assert_eq!(PPC64LE.loader.kernel_error(&at(REL24), &far).errno, Errno::ENOENT);
}
