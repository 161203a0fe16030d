//! The seeds for `verdict` come from the fixtures: modules, each followed by the map of its kernel; `BLESS=1`
//! writes them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod stored;

use std::fs;
use std::path::Path;

use klp_convert::elf::{Edits, Module, NewBody, NewSection, SectionFlags, SectionIndex, rewrite};
use klp_convert::symbols::map::build;
use klp_convert::symbols::{ModuleFile, Scope, Sources, Symvers, Vmlinux};

const MACHINES: [&str; 4] = ["x86_64", "ppc64le", "s390x", "arm64"];

/// Livepatches before their conversion, and one that is patched, each with the map of its kernel.
#[test]
fn seeds_of_verdicts_are_modules_with_maps_that_have_addresses() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    for machine in MACHINES {
        let folder = fixtures.join(machine);
        let mut sources = Sources::new();
        sources.push(Vmlinux::new(folder.join("vmlinux.cut")));
        sources.push(ModuleFile::new(folder.join("klp_target_a.ko")));
        sources.push(ModuleFile::new(folder.join("klp_target_b.ko")));
        sources.push(Symvers::new(folder.join("Module.symvers")));
        let (merged, errors) = sources.gather(Scope::All, |_, _| ());
        assert!(errors.is_empty(), "{errors:?}");
        let map = build(&merged).unwrap();
        for name in [
            "klp_target_a",
            "lp_cross_module",
            "lp_data_pointers",
            "lp_many_sections",
            "lp_module_symbols",
            "lp_selector_file",
            "lp_selector_neighbour",
            "lp_static_key_module",
            "lp_two_owners",
        ] {
            let module = fs::read(folder.join(format!("{name}.ko"))).unwrap();
            stored::same("verdict", &format!("{machine}-{name}"), &[module, map.clone()].concat());
        }
    }
}

/// Type information whose strings follow this many bytes of vmlinux's: a structure, and a function of its own.
fn btf(base: u32) -> Vec<u8> {
    let (structure, prototype, function) = (4 << 24 | 2, 13 << 24 | 1, 12 << 24);
    let structure = [base, structure, 4, 7, 1, 0, base + 4, 1, 0];
    let others = [0, prototype, 4, base, 1, base + 6, function, 4];
    let types: Vec<u8> = structure.into_iter().chain(others).flat_map(u32::to_le_bytes).collect();
    let (length, strings) = (u32::try_from(types.len()).unwrap(), b"own\0m\0run\0");
    let size = u32::try_from(strings.len()).unwrap();
    let header = [24, 0, length, length, size].map(u32::to_le_bytes).concat();
    [b"\x9f\xeb\x01\x00", &header[..], &types, strings].concat()
}

/// A module with one more section.
fn with(module: &[u8], name: &str, flags: SectionFlags, body: Vec<u8>) -> Vec<u8> {
    let mut edits = Edits::new();
    edits.add_section(NewSection {
        name: name.into(),
        sh_type: object::elf::SHT_PROGBITS,
        sh_flags: flags,
        link: SectionIndex::NULL,
        info: SectionIndex::NULL,
        sh_addralign: 8,
        sh_entsize: 0,
        body: NewBody::Bytes(body),
    });
    rewrite(&Module::parse(module).unwrap(), &edits).unwrap().into_owned()
}

/// What other modules prove about the kernel: type information, and room for per-CPU variables.
#[test]
fn seeds_of_verdicts_have_evidence_and_sections_that_the_kernel_treats_specially() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/x86_64");
    let fixture = |name: &str| fs::read(folder.join(name)).unwrap();
    let (loaded, data) = (SectionFlags::ALLOC, SectionFlags::ALLOC | SectionFlags::WRITE);
    let sibling = with(&fixture("klp_target_a.ko"), ".BTF", SectionFlags::empty(), btf(1000));
    let mut sources = Sources::new();
    sources.push(Vmlinux::new(folder.join("vmlinux.cut")));
    sources.push(ModuleFile::from_bytes("klp_target_a.ko", sibling));
    sources.push(Symvers::new(folder.join("Module.symvers")));
    let (merged, errors) = sources.gather(Scope::All, |_, _| ());
    assert!(errors.is_empty(), "{errors:?}");
    let map = build(&merged).unwrap();
    let module = fixture("klp_target_b.ko");
    for (name, module) in [
        ("btf", with(&module, ".BTF", SectionFlags::empty(), btf(1000))),
        ("btf-of-another", with(&module, ".BTF", SectionFlags::empty(), btf(999))),
        ("btf-damaged", with(&module, ".BTF", SectionFlags::empty(), vec![0x9f, 0xeb, 1, 0, 24])),
        ("per-cpu", with(&module, ".data..percpu", data, vec![0; 64])),
        ("per-cpu-large", with(&module, ".data..percpu", data, vec![0; 16384])),
        ("versions", with(&module, "__versions", loaded, vec![0; 64])),
    ] {
        stored::same("verdict", &format!("x86_64-{name}"), &[module, map.clone()].concat());
    }
}
