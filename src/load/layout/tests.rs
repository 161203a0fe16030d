//! Layout rules, each on the smallest module that shows it.

use std::borrow::Cow;

use klp_arch::object::{SHT_NOBITS, Section, Symbol};
use proptest::prelude::*;

use super::*;

const A: u64 = SHF_ALLOC;
const AX: u64 = SHF_ALLOC | SHF_EXECINSTR;
const WA: u64 = SHF_ALLOC | SHF_WRITE;

/// A machine that frees init sections, and one that does not.
fn backends() -> (&'static Machine, &'static Machine) {
    let all = klp_arch::machines().iter().copied();
    let one = |frees| all.clone().find(|b| b.frees_init_sections == frees).unwrap();
    (one(true), one(false))
}

fn section(name: &'static str, sh_flags: u64, sh_size: u64, sh_addralign: u64) -> Section<'static> {
    let (name, body) = (name.as_bytes(), Cow::Borrowed(&[][..]));
    let sh_type = SHT_NOBITS;
    Section { name, sh_type, sh_flags, sh_size, sh_info: 0, sh_addralign, body, extent: None }
}

/// A module of these sections, with a symbol table of one symbol in front of them.
fn module(sections: &[Section<'static>]) -> LoadInfo<'static> {
    static TABLE: [u8; 24] = [0; 24];
    let table = |name, body: &'static [u8], sh_size| Section {
        sh_type: 2,
        body: Cow::Borrowed(body),
        ..section(name, 0, sh_size, 8)
    };
    let mut all = vec![section("", 0, 0, 0), table(".symtab", &TABLE, 24)];
    all.push(table(".strtab", &[0], 1));
    all.extend_from_slice(sections);
    let percpu = all.iter().position(|s| s.name == b".data..percpu" && s.has(A));
    let object = Object { sections: all, symbols: vec![Symbol::default()], ..Object::default() };
    let name = "m".to_owned();
    LoadInfo { object, name, symtab: 1, strtab: 2, percpu, livepatch: true }
}

fn laid_out(version: &str, sections: &[Section<'static>]) -> Result<Layout, Finding> {
    let (machine, _) = backends();
    let mut kernel = TargetKernel::of_version(machine, version.parse().unwrap());
    kernel.page_size = 4096;
    layout(&mut module(sections), machine, &kernel)
}

/// Where the module's own sections go.
fn section_offsets(version: &str, sections: &[Section<'static>]) -> Vec<Option<(RegionKind, u64)>> {
    laid_out(version, sections).unwrap().sections.split_off(3)
}

#[test]
fn flags_and_names_decide_the_region() {
    let sections = [
        section(".text", AX, 4, 4),
        section(".rodata", A, 4, 4),
        section("__jump_table", WA, 4, 4),
        section(".data", WA, 4, 4),
        section(".init.text", AX, 4, 4),
        section(".init.rodata", A, 4, 4),
        section(".init.data", WA, 4, 4),
        section(".comment", 0, 4, 4),
        section(".exit.text", AX, 4, 4),
    ];
    use RegionKind::{Data, InitData, InitRodata, InitText, RoAfterInit, Rodata, Text};
    let kinds = section_offsets("7.2", &sections);
    let kinds: Vec<_> = kinds.iter().map(|place| place.map(|(kind, _)| kind)).collect();
    let expected = [Text, Rodata, RoAfterInit, Data, InitText, InitRodata, InitData];
    let expected = expected.map(Some).into_iter().chain([None, Some(Text)]);
    assert_eq!(kinds, expected.collect::<Vec<_>>());
}

#[test]
fn a_read_only_section_is_not_read_only_after_init() {
    let place = section_offsets("7.2", &[section("__jump_table", A, 4, 4)]);
    assert_eq!(place, [Some((RegionKind::Rodata, 0))]);
}

#[test]
fn static_call_sites_became_read_only_after_init() {
    let sites = [section(".static_call_sites", WA, 4, 4)];
    assert_eq!(section_offsets("7.2", &sites), [Some((RegionKind::RoAfterInit, 0))]);
    assert_eq!(section_offsets("6.12", &sites), [Some((RegionKind::Data, 0))]);
}

#[test]
fn blocks_start_each_group_on_a_page() {
    let sections = [
        section(".data", WA, 4, 4),
        section(".text", AX, 4, 4),
        section(".rodata", A, 4, 4),
        section(".data..ro_after_init", WA, 4, 4),
        section(".init.text", AX, 4, 4),
    ];
    let core = |page: u64| Some((RegionKind::Core, page * 4096));
    let expected = [core(3), core(0), core(1), core(2), Some((RegionKind::Init, 0))];
    assert_eq!(section_offsets("6.1", &sections), expected);
    assert_eq!(laid_out("6.1", &sections).unwrap().regions[0], (RegionKind::Core, 5 * 4096));
}

#[test]
fn a_machine_that_frees_nothing_has_no_init_sections() {
    let (_, keeps) = backends();
    let kernel = TargetKernel::newest(keeps);
    let mut module = module(&[section(".init.text", AX, 4, 4)]);
    let layout = layout(&mut module, keeps, &kernel).unwrap();
    assert_eq!(layout.sections[3], Some((RegionKind::Text, 0)));
}

#[test]
fn exit_sections_are_init_where_modules_cannot_be_unloaded() {
    let (machine, _) = backends();
    let mut kernel = TargetKernel::newest(machine);
    kernel.configuration.features |= klp_arch::Features::EXIT_IS_INIT;
    let mut module = module(&[section(".exit.text", AX, 4, 4)]);
    let layout = layout(&mut module, machine, &kernel).unwrap();
    assert_eq!(layout.sections[3], Some((RegionKind::InitText, 0)));
}

#[test]
fn empty_sections_count_for_alignment() {
    let sections = [section(".a", WA, 1, 1), section(".b", WA, 0, 64), section(".c", WA, 1, 1)];
    let data = |offset| Some((RegionKind::Data, offset));
    assert_eq!(section_offsets("7.2", &sections), [data(0), data(64), data(64)]);
}

#[test]
fn a_percpu_template_is_separate_and_at_most_a_unit() {
    let percpu = |size| [section(".data..percpu", WA, size, 64)];
    assert_eq!(section_offsets("7.2", &percpu(8)), [Some((RegionKind::Percpu, 0))]);
    let error = laid_out("7.2", &percpu(0x8001)).unwrap_err();
    let message = "m: Could not allocate 32769 bytes percpu data";
    let kernel = error.kernel.unwrap();
    assert_eq!((kernel.errno, &*kernel.message), (Errno::ENOMEM, message));
}

#[test]
fn allocation_tags_are_separate_unless_too_small_for_one() {
    let tags = |size| [section(".codetag.alloc_tags", WA, size, 8)];
    assert_eq!(section_offsets("7.2", &tags(40)), [Some((RegionKind::Codetags, 0))]);
    assert_eq!(section_offsets("7.2", &tags(39)), [Some((RegionKind::Data, 0))]);
    assert_eq!(section_offsets("6.12", &tags(40)), [Some((RegionKind::Data, 0))]);
}

#[test]
fn too_much_memory_is_an_error_not_an_allocation() {
    for (size, align) in [(MEMORY_MAX + 1, 1), (0xffff_fff0, 1), (1, 1 << 31)] {
        let sections = [section(".data", WA, 1, 1), section(".bss", WA, size, align)];
        for version in ["6.1", "7.2"] {
            let error = laid_out(version, &sections).unwrap_err();
            assert_eq!(
                (error.stage(), error.kernel.map(|k| k.errno)),
                (Some(Stage::Layout), Some(Errno::ENOMEM))
            );
        }
    }
    // In 32 bits these are small numbers.
    for (size, align) in [(1 << 40, 1), (u64::MAX, 1), (1, 1 << 40), (1, 1 << 63), (1, u64::MAX)] {
        let sections = [section(".data", WA, 2, 1), section(".bss", WA, size, align)];
        let error = laid_out("7.2", &sections).unwrap_err();
        assert_eq!(error.consequence, Some(Consequence::Corrupted), "{size:#x} {align:#x}");
    }
    let odd = [section(".data", WA, 2, 1), section(".bss", WA, 1, 0x200_0000_0001)];
    assert_eq!(laid_out("7.2", &odd).unwrap().sections[4], Some((RegionKind::Data, 2)));
    let halves = [section(".a", WA, MEMORY_MAX, 1), section(".b", A, MEMORY_MAX, 1)];
    assert!(laid_out("7.2", &halves).is_err());
}

proptest! {
    #[test]
    fn whatever_their_order_sections_keep_their_regions_and_share_no_byte(
        sections in proptest::collection::vec(
            (
                prop::sample::select(vec![".text", ".init.x", ".rodata", ".data", "__jump_table"]),
                prop::sample::select(vec![A, AX, WA]),
                0_u64..200,
                0_u32..8,
            ),
            0..12,
        ).prop_shuffle(),
        old: bool,
    ) {
        let version = if old { "6.1" } else { "7.2" };
        let made = sections.iter().map(|(name, flags, size, align)| {
            section(name, *flags, *size, 1 << align)
        });
        let made: Vec<_> = made.collect();
        let mut reversed = made.clone();
        reversed.reverse();
        let layout = laid_out(version, &made).unwrap();
        let mut other = section_offsets(version, &reversed);
        other.reverse();
        let mut taken = Vec::new();
        for ((section, place), other) in made.iter().zip(&layout.sections[3..]).zip(other) {
            let (kind, offset) = place.unwrap();
            // `__jump_table` is found by its first section in old kernels, all in one block.
            prop_assert_eq!(other.map(|(kind, _)| kind), Some(kind));
            prop_assert!(offset.is_multiple_of(section.sh_addralign));
            let size = layout.regions.iter().find(|(k, _)| *k == kind).map_or(0, |r| r.1);
            prop_assert!(size.is_multiple_of(4096) && offset + section.sh_size <= size);
            if section.sh_size != 0 {
                taken.push((kind, offset, offset + section.sh_size));
            }
        }
        taken.sort_unstable();
        for pair in taken.windows(2) {
            prop_assert!(pair[0].0 != pair[1].0 || pair[0].2 <= pair[1].1);
        }
    }

    #[test]
    fn no_placement_makes_regions_overlap(sizes in proptest::collection::vec(1_u64..100_000, 1..9)) {
        use strum::IntoEnumIterator;
        let regions: Vec<_> = RegionKind::iter().zip(sizes).collect();
        let layout = Layout { regions, ..Layout::default() };
        for machine in klp_arch::machines() {
            let kernel = TargetKernel::newest(machine);
            for placement in crate::load::Placement::extremes(machine, &kernel) {
                prop_assert_eq!(placement.overlap(&layout), None);
                let areas = machine.loader.module_areas(&kernel.image, kernel.version);
                for (base, (_, size)) in placement.of(&layout).into_iter().zip(&layout.regions) {
                    prop_assert!(base.is_multiple_of(kernel.page_size));
                    prop_assert!(areas.iter().any(|a| a.start <= base && base + size <= a.end));
                }
            }
        }
    }
}
