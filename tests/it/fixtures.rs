//! Every committed livepatch is converted as its author meant, or refused for the right reason, on
//! every machine and with every kind of map.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use crate::image::Image;
use crate::machine::{Expected, Machine, Map, machines};
use crate::tool::{Sandbox, run, undeclared};

#[test]
fn every_livepatch_is_converted_or_refused_as_expected_with_maps_from_elf_files() {
    machines().iter().for_each(|machine| as_expected(machine, Map::Elf));
}

#[test]
fn every_livepatch_is_converted_or_refused_as_expected_with_a_historical_list() {
    machines().iter().for_each(|machine| as_expected(machine, Map::List));
}

#[test]
fn a_historical_list_alone_has_exports_too() {
    machines().iter().for_each(|machine| as_expected(machine, Map::ListAlone));
}

fn as_expected(machine: &Machine, map: Map) {
    let expected = machine.expected();
    let livepatches = machine.livepatches();
    assert!(!livepatches.is_empty());
    assert!(expected.keys().eq(&livepatches), "{}: expect.txt is of other files", machine.name);
    for name in &livepatches {
        let bench = Sandbox::new();
        let ended = bench.convert(&machine.path(name), machine, map);
        let context = format!("{} {name} {map:?}: {}", machine.name, ended.stderr);
        match &expected[name] {
            Expected::Klp(_) if map != Map::Elf && machine.needs_files(name) => {
                ended.refused(&["error[KLP-E0110]", "no symbol source records source files"]);
                assert_eq!(bench.files(), [""; 0], "{context}");
            }
            Expected::Klp(klp) => {
                assert_eq!(ended.code, 0, "{context}");
                assert_eq!(&klp_of(&Image::read(&bench.written())), klp, "{context}");
            }
            Expected::Refused(code, symbol) => {
                ended.refused(&[&format!("error[{code}]"), symbol]);
                assert_eq!(bench.files(), [""; 0], "{context}");
            }
        }
    }
}

/// Number of relocations by klp section and klp symbol.
fn klp_of(image: &Image) -> BTreeMap<(String, String), usize> {
    let mut klp = BTreeMap::new();
    for section in image.klp_sections() {
        for relocation in &section.relocations {
            let symbol = image.symbol_of(relocation).to_owned();
            *klp.entry((section.name.clone(), symbol)).or_default() += 1;
        }
    }
    klp
}

#[test]
fn readelf_of_binutils_and_llvm_see_the_same_klp_relocations() {
    for tool in ["readelf", "llvm-readelf"] {
        if !installed(tool) {
            continue;
        }
        for machine in machines() {
            for name in machine.convertible() {
                let bench = Sandbox::new();
                bench.convert(&machine.path(&name), &machine, Map::Elf).done();
                let seen = listed(tool, &bench.output());
                let expected = &machine.expected()[&name];
                assert_eq!(expected, &Expected::Klp(seen), "{tool} {} {name}", machine.name);
            }
        }
    }
}

/// Whether a program is installed; in CI it must be.
pub(crate) fn installed(tool: &str) -> bool {
    let there = Command::new(tool).arg("--version").output().is_ok_and(|o| o.status.success());
    if !there {
        let package = match tool.strip_suffix("-gcc") {
            Some(target) => format!("gcc-{target}"),
            None if ["depmod", "modprobe"].contains(&tool) => "kmod".to_owned(),
            None if tool.starts_with("llvm") => "llvm".to_owned(),
            None if tool == "cc" => "gcc".to_owned(),
            None if tool == "strace" => "strace".to_owned(),
            None => "binutils".to_owned(),
        };
        assert!(std::env::var_os("CI").is_none(), "{tool} is missing: apt install {package}");
        eprintln!("skipped: {tool} is missing: apt install {package}");
    }
    there
}

/// Number of relocations by klp section and klp symbol, as a program lists them.
fn listed(tool: &str, file: &Path) -> BTreeMap<(String, String), usize> {
    let output = Command::new(tool).arg("-rW").arg(file).output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let (mut klp, mut section) = (BTreeMap::new(), String::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("Relocation section '") {
            section = rest.split('\'').next().unwrap().into();
        } else if section.starts_with(".klp.rela.") && line.contains(".klp.sym.") {
            let symbol = line.split_whitespace().find(|w| w.starts_with(".klp.sym.")).unwrap();
            *klp.entry((section.clone(), symbol.to_owned())).or_default() += 1;
        }
    }
    klp
}

#[test]
fn converted_livepatches_pass_the_check_against_the_same_kernel() {
    for machine in machines() {
        for name in machine.convertible() {
            let bench = Sandbox::new();
            bench.convert(&machine.path(&name), &machine, Map::Elf).done();
            let words = ["check".into(), bench.output().into_os_string()];
            let words = words.into_iter().chain(undeclared(Path::new(&name)));
            let checked = run(words.chain(machine.map(Map::Elf)));
            assert_eq!(checked.code, 0, "{} {name}: {}", machine.name, checked.stderr);
        }
    }
}

#[test]
fn unconverted_livepatches_fail_the_check() {
    for machine in machines() {
        for name in machine.livepatches() {
            let words = ["check".into(), machine.path(&name).into_os_string()];
            run(words.into_iter().chain(machine.map(Map::Elf))).refused(&["error[KLP-E"]);
        }
    }
}

#[test]
fn the_fixtures_cover_every_use_case_on_every_machine() {
    let cases = [
        ("a vmlinux symbol, inferred", "lp_vmlinux_inferred.ko"),
        ("the same, annotated in an array", "lp_vmlinux_annotated_array.ko"),
        ("the same, annotated by name", "lp_vmlinux_annotated_name.ko"),
        ("homonyms 1 and 2, annotated", "lp_homonyms_annotated.ko"),
        ("a homonym that is not annotated", "lp_homonym_unannotated.ko"),
        ("two positions of one name", "lp_two_positions.ko"),
        ("one name in two objects", "lp_two_owners.ko"),
        ("a module's symbols, exported and not", "lp_module_symbols.ko"),
        ("a symbol of module B in code that patches module A", "lp_cross_module.ko"),
        ("names with dots", "lp_dotted_names.ko"),
        ("pointers in .data, .rodata and __ro_after_init", "lp_data_pointers.ko"),
        ("one symbol used from many sections", "lp_many_sections.ko"),
        ("several object files in one module", "lp_many_objects.ko"),
        ("a static key of vmlinux", "lp_static_key_vmlinux.ko"),
        ("a static key of a module", "lp_static_key_module.ko"),
    ];
    for machine in machines() {
        let there: BTreeSet<_> = machine.livepatches().into_iter().collect();
        for (case, file) in cases {
            assert!(there.contains(file), "{}: {case}: no {file}", machine.name);
        }
        let calls_need_nops = machine.name == "ppc64le";
        for file in ["lp_call_without_nop.ko", "lp_without_toc.ko"] {
            assert_eq!(there.contains(file), calls_need_nops, "{}: {file}", machine.name);
        }
    }
}

#[test]
fn an_ambiguous_name_is_refused_with_every_candidate_and_the_lines_to_paste() {
    for machine in machines() {
        let bench = Sandbox::new();
        let input = machine.path("lp_homonym_unannotated.ko");
        let ended = bench.convert(&input, &machine, Map::Elf);
        ended.refused(&[
            "against 'set_is_seen': 'set_is_seen' has 2 candidates in 'vmlinux'",
            "(lp_show+0x",
            "vmlinux: set_is_seen, position 1, at 0x",
            "from pid.c",
            "KLP_MODULE_RELOC(vmlinux) klp_vmlinux_set_is_seen[] = { KLP_SYMPOS(set_is_seen, 1) };",
            "vmlinux: set_is_seen, position 2, at 0x",
            "from ucount.c",
            "KLP_MODULE_RELOC(vmlinux) klp_vmlinux_set_is_seen[] = { KLP_SYMPOS(set_is_seen, 2) };",
        ]);
        assert!(!ended.stderr.contains("position 0"), "{}", ended.stderr);
    }
}

#[test]
fn a_position_from_a_list_gets_a_warning_and_one_from_addresses_none() {
    for machine in machines() {
        let bench = Sandbox::new();
        let input = machine.path("lp_homonyms_annotated.ko");
        let ended = bench.convert(&input, &machine, Map::List);
        assert!(ended.done().stderr.contains("warning[KLP-W0701]"), "{}", ended.stderr);
        let ended = bench.convert(&input, &machine, Map::Elf);
        assert!(!ended.done().stderr.contains("warning"), "{}", ended.stderr);
    }
}
