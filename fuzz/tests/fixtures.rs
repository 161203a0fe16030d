//! The seeds for `convert`, `list`, `load`, `map` and `merge` come from the fixtures; `BLESS=1`
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

use klp_convert::convert::convert;
use klp_convert::diagnostic::Code;
use klp_convert::elf::{Module, SymbolSection};
use klp_convert::options::Options;
use klp_convert::symbols::map::build;
use klp_convert::symbols::{ModuleFile, Scope, Sources, Symvers, TextList, Wanted};
use stored::same;

const MACHINES: [&str; 4] = ["x86_64", "ppc64le", "s390x", "arm64"];

fn fixture(machine: &str, name: &str) -> Vec<u8> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    fs::read(fixtures.join(machine).join(name)).unwrap()
}

/// The neighbours in the fixtures' selectors.
const NEIGHBOURS: [&str; 3] = ["set_root", "klp_string.67890", "klp_root_kobj"];

/// The lines of a machine's list with names of a module, and with some more names.
fn cut_list(machine: &str, module: &[u8], more: &[&str]) -> String {
    let module = Module::parse(module).unwrap();
    let undefined = module.symbols_in(SymbolSection::Undefined);
    // An annotated name ends in the symbol's, or in its position.
    let names = undefined.map(|s| std::str::from_utf8(s.name).unwrap());
    let names = names.flat_map(|name| [name, name.rsplit('.').nth(1).unwrap_or("")]);
    let replaced = ["cmdline_proc_show", "klp_target_a_show", "klp_target_b_show"];
    let wanted = Wanted::new(names.chain(more.iter().copied()).chain(replaced));
    let list = String::from_utf8(fixture(machine, "symbols.klp")).unwrap();
    let (header, lines) = list.split_once('\n').unwrap();
    let kept = lines.lines().filter(|line| {
        let symbol = line.trim_start_matches("__ksymtab_");
        line.starts_with('*') || wanted.contains(symbol.as_bytes())
    });
    std::iter::once(header).chain(kept).fold(String::new(), |text, line| text + line + "\n")
}

#[test]
fn seeds_are_what_the_fixtures_give_and_convert() {
    for machine in MACHINES {
        for name in ["lp_homonyms_annotated", "lp_data_pointers"] {
            let module = fixture(machine, &format!("{name}.ko"));
            let list = cut_list(machine, &module, &[]);
            let mut sources = Sources::new();
            sources.push(TextList::from_bytes("list", list.as_bytes()));
            let conversion = convert(&module, &sources, &Options::default());
            let conversion = conversion.unwrap_or_else(|e| panic!("{:?}", e.diagnostics(name)));
            assert!(!conversion.plan.is_empty(), "{machine}: {name} has nothing to convert");
            let seed = [&module, list.as_bytes()].concat();
            same("convert", &format!("{machine}-{name}"), &seed);
            same("list", &format!("{machine}-{name}"), list.as_bytes());
        }
        // A list has no source files: selectors are read and refused.
        for name in ["lp_selector_file", "lp_selector_neighbour"] {
            let module = fixture(machine, &format!("{name}.ko"));
            let list = cut_list(machine, &module, &NEIGHBOURS);
            let mut sources = Sources::new();
            sources.push(TextList::from_bytes("list", list.as_bytes()));
            let failure = convert(&module, &sources, &Options::default()).unwrap_err();
            let said = failure.diagnostics(name);
            assert!(said.iter().any(|d| d.code == Code::FilesUnknown), "{machine}: {said:?}");
            let seed = [&module, list.as_bytes()].concat();
            same("convert", &format!("{machine}-{name}"), &seed);
        }
        let symvers = fixture(machine, "Module.symvers");
        same("list", &format!("{machine}-symvers"), &symvers);
    }
}

/// Converted livepatches: with relocations that wait for nothing, and for modules.
#[test]
fn seeds_of_loads_are_converted_fixtures() {
    for machine in MACHINES {
        let list = fixture(machine, "symbols.klp");
        for name in ["lp_homonyms_annotated", "lp_module_symbols", "lp_many_sections"] {
            let module = fixture(machine, &format!("{name}.ko"));
            let mut sources = Sources::new();
            sources.push(TextList::from_bytes("list", list.as_slice()));
            let conversion = convert(&module, &sources, &Options::default());
            let conversion = conversion.unwrap_or_else(|e| panic!("{:?}", e.diagnostics(name)));
            assert!(!conversion.plan.is_empty(), "{machine}: {name} has nothing to convert");
            same("load", &format!("{machine}-{name}"), &conversion.bytes);
        }
        let target = fixture(machine, "klp_target_a.ko");
        same("load", &format!("{machine}-klp_target_a"), &target);
    }
}

/// A PKCS#7 message: the outer structure that the kernel's decoder asks for, with or without certificates.
fn message(certificates: bool, last: u8) -> Vec<u8> {
    let element =
        |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
    let optional: &[u8] = if certificates { &[0xa0, 0] } else { &[] };
    let data = [b"\x02\x01\x01\x31\x00\x30\x00", optional, &[last, 0]].concat();
    let kind = element(6, &[42, 134, 72, 134, 247, 13, 1, 7, 2]);
    element(0x30, &[kind, element(0xa0, &element(0x30, &data))].concat())
}

/// Modules with a signature: of the right form, with certificates, without the last part, and not PKCS#7.
#[test]
fn seeds_of_loads_are_signed_too() {
    let module = fixture("x86_64", "klp_target_b.ko");
    for (name, message, kind) in [
        ("signed", message(false, 0x31), 2),
        ("signed-certificates", message(true, 0x31), 2),
        ("signed-wrongly", message(false, 0x30), 2),
        ("signed-pgp", vec![0x99; 16], 0),
    ] {
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        let info = [&[0, 0, kind, 0, 0, 0, 0, 0][..], &length].concat();
        let signed = [&module, &message, &info, klp_convert::elf::SIGNATURE_MARKER].concat();
        same("load", &format!("x86_64-{name}"), &signed);
    }
}

#[test]
fn seeds_of_maps_are_what_the_fixtures_give() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for machine in MACHINES {
        let folder = root.join("../tests/fixtures").join(machine);
        let mut sources = Sources::new();
        sources.push(ModuleFile::new(folder.join("klp_target_a.ko")));
        sources.push(ModuleFile::new(folder.join("klp_target_b.ko")));
        sources.push(Symvers::new(folder.join("Module.symvers")));
        let (merged, errors) = sources.gather(Scope::All, |_, _| ());
        assert!(errors.is_empty(), "{errors:?}");
        same("map", machine, &build(&merged).unwrap());
    }
}

/// Half of the bytes is common to all sources, the rest is each one's own: exports, a build-id, or
/// anything.
#[test]
fn seeds_of_merges_are_sources_that_agree_and_others() {
    for seed in 0..8_u32 {
        let mut state = seed;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        let mut bytes: Vec<u8> = (0..60).map(|_| random()).collect();
        for n in 0..12 {
            let what = match seed % 4 {
                0 => 8,
                1 => u8::from(n < 4),
                2 => 9,
                _ => random(),
            };
            bytes.extend([what, random(), random(), random(), random()]);
        }
        same("merge", &format!("{seed}"), &bytes);
    }
}

#[test]
fn seeds_of_pairs_and_of_what_is_shipped_are_modules_and_an_edit() {
    for machine in MACHINES {
        for name in ["klp_target_b", "lp_data_pointers", "lp_static_key_module"] {
            let mut seed = fixture(machine, &format!("{name}.ko"));
            seed.extend([0x40, 1, 0, 0, 1, 0, 3, 0, 0, 4]);
            same("pairs", &format!("{machine}-{name}"), &seed);
            same("shipped", &format!("{machine}-{name}"), &seed);
        }
    }
}
