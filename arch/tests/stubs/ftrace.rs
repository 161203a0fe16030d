//! What ftrace puts into a module.

use klp_arch::object::{SHF_ALLOC, SHF_WRITE, Section};
use klp_arch::{Configuration, Fault, Features};

use super::module::*;

const CALLER: u64 = 0xc000_0000_0007_7114;
const REGS_CALLER: u64 = 0xc000_0000_0007_6f48;

#[test]
fn stubs_for_ftrace_follow_those_of_calls() {
    let mut configuration = configuration("6.1");
    configuration.features.remove(Features::STUB_TERMINATOR);
    let mut module = Loading::new(object(0, &[], &[]), &configuration).unwrap();
    module.finish().unwrap();
    // ld r12,16(r13); addis; addi; mtctr r12; bctr, with the distance from the kernel's TOC.
    let distance = (CALLER as u32).wrapping_sub(0x01e7_3100);
    let add = [0x3d8c_0000 | distance.wrapping_add(0x8000) >> 16, 0x398c_0000 | distance & 0xffff];
    let head = [0xe98d_0010, add[0], add[1], 0x7d89_03a6, 0x4e80_0420, 0, 0, 0x7374_7562];
    assert_eq!(module.stub(0), [&head[..], &[0x0007_7114, 0xc000_0000]].concat());
    assert_eq!((module.target(0), module.target(1)), (CALLER, REGS_CALLER));
    assert_eq!((module.stubs(), module.linkage.indeterminate()), ((2, 2), vec![]));
}

#[test]
fn a_call_to_a_ftrace_entry_point_needs_no_nop_and_shares_its_stub() {
    let symbols = [undefined(b"ftrace_caller", CALLER)];
    let calls = vec![call(1, 0, 0)];
    let mut module = Loading::new(object(1, &symbols, &[calls]), &configuration("7.2")).unwrap();
    module.memory.regions[0].bytes[..8].copy_from_slice(&words(&[BL, BL]));
    assert_eq!(module.apply_all(), []);
    module.finish().unwrap();
    assert_eq!(module.stub(0)[0], 0xe98d_0010);
    assert_eq!(module.stubs(), (2, 3));
    assert_eq!(module.memory.regions[0].bytes[4..8], words(&[BL]));
}

#[test]
fn a_kernel_without_a_toc_computes_targets_from_its_start() {
    let features = Features::PCREL | Features::DYNAMIC_FTRACE;
    let mut configuration = bare(features);
    configuration.symbols.insert("ftrace_caller", 0xc000_0001_2345_6788);
    let mut module = Loading::new(object(0, &[], &[]), &configuration).unwrap();
    module.finish().unwrap();
    // paddi r12,r12,0x123456788
    let instructions = [0xe98d_0010, NOP, 0x0601_2345, 0x398c_6788, 0x7d89_03a6, 0x4e80_0420];
    assert_eq!(module.stub(0)[..6], instructions);
}

#[test]
fn what_is_not_configured_is_reported_as_indeterminate() {
    let features = configuration("6.1").features;
    let bare = Configuration { features, ..Configuration::default() };
    let mut module = Loading::new(object(0, &[], &[]), &bare).unwrap();
    module.finish().unwrap();
    let stubs = module.extent(STUBS).address;
    let mut unknown = module.linkage.indeterminate();
    unknown.sort_by_key(|range| range.start);
    let bytes = [0..2, 4..6, 8..10, 32..40, 40..42, 44..46, 48..50, 72..80];
    assert_eq!(unknown, bytes.map(|range| stubs + range.start..stubs + range.end));
    // The rest is there.
    assert_eq!(module.stub(1)[7], 0x7374_7562);
}

/// A module of traced functions at these offsets, listed in this order.
fn traced(offsets: &[u64], configuration: &Configuration) -> Loading {
    let mut object = object(4, &[], &[]);
    let body: Vec<u8> = offsets.iter().flat_map(|offset| (BASE + offset).to_le_bytes()).collect();
    object.sections.push(Section {
        name: b"__patchable_function_entries",
        sh_type: 1,
        sh_flags: SHF_ALLOC | SHF_WRITE,
        sh_size: body.len() as u64,
        sh_addralign: 8,
        body: body.into(),
        ..Section::default()
    });
    Loading::new(object, configuration).unwrap()
}

#[test]
fn each_traced_function_has_a_stub_in_the_order_of_addresses() {
    let mut module = traced(&[0x24, 0x8], &configuration("7.2"));
    // Two stubs for the entries; 48 bytes take two more.
    assert_eq!(module.reserved(), 4);
    module.finish().unwrap();
    assert_eq!(module.stubs(), (4, 4));
    let stubs = module.extent(STUBS).address;
    let expected = |index: u64, site: u64| {
        let stub = stubs + 80 + index * 24;
        let to = |from: u64, to: u64| to.wrapping_sub(from) as u32 & 0x3ff_fffc;
        let call = 0x4800_0001 | to(stub + 12, stubs);
        let back = 0x4800_0000 | to(stub + 20, BASE + site + 4);
        words(&[0x0145_9e40, 0xc000_0000, 0x7c08_02a6, call, 0x7c08_03a6, back])
    };
    let written = &module.memory.bytes(&module.extent(STUBS))[80..128];
    assert_eq!(written, [expected(0, 0x8), expected(1, 0x24)].concat());
}

#[test]
fn ftrace_stops_at_a_function_that_it_does_not_recognise() {
    // The first of the two does not start with a nop.
    let mut module = traced(&[0x24, 0x10], &configuration("7.2"));
    module.finish().unwrap();
    assert!(module.memory.bytes(&module.extent(STUBS))[80..].iter().all(|byte| *byte == 0));
}

#[test]
fn a_late_call_may_be_one_too_many_after_the_stubs_of_functions() {
    let mut module = traced(&[0x8], &configuration("7.2"));
    module.object.symbols.push(undefined(b"late", 0xc008_0000_0100_0000));
    module.finish().unwrap();
    let before = module.memory.clone();
    assert_eq!(module.apply(call(1, 0, 0), true), Err(Fault::NoRoom { reserved: 3 }));
    assert_eq!(module.memory, before);
}
