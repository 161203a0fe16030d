//! Two faults of a module are reported as two, whatever their names; one fault is reported once.

use std::ffi::OsString;

use object::elf::SectionFlags;

use crate::gates::converted;
use crate::image::Image;
use crate::machine::{Machine, Map, machines};
use crate::patch::Patched;
use crate::tool::{Run, Sandbox, run};

/// Checks a module with a machine's sources, where an export is in a namespace.
fn check_with(
    machine: &Machine,
    bench: &Sandbox,
    module: &Patched,
    export: &str,
    ns: &str,
    more: &[&str],
) -> Run {
    let symvers = String::from_utf8(machine.read("Module.symvers")).unwrap();
    let line = symvers.lines().find(|line| line.split('\t').nth(1) == Some(export)).unwrap();
    let symvers = symvers.replace(line, &format!("{}\t{ns}", line.trim_end()));
    let symvers = bench.file("Module.symvers", symvers.as_bytes());
    let module = bench.file("in.ko", &module.bytes);
    let old = OsString::from(machine.path("Module.symvers"));
    let map = machine.map(Map::Elf).into_iter();
    let map = map.map(|word| if word == old { symvers.clone().into() } else { word });
    let words = ["check".into(), module.into_os_string()].into_iter().chain(map);
    run(words.chain(more.iter().map(OsString::from)))
}

/// A module, and an undefined symbol that an export of vmlinux binds.
fn module(machine: &Machine) -> (Patched, usize, &'static str) {
    let bytes = machine.read("klp_target_a.ko");
    let image = Image::read(&bytes);
    let (index, name) = ["seq_printf", "seq_puts", "seq_write"]
        .into_iter()
        .find_map(|name| {
            let found = image.symbols.iter().position(|s| s.section == 0 && s.name == name);
            found.map(|index| (index, name))
        })
        .unwrap();
    (Patched::new(bytes), index, name)
}

const IMPORTED: &str = "remove_proc_entry";

#[test]
fn a_missing_symbol_named_like_a_word_of_a_message_hides_no_other_fault() {
    for machine in machines() {
        for word in ["symbol", "module", "Unknown", "err", "namespace", IMPORTED] {
            let (bench, (module, index, _)) = (Sandbox::new(), module(&machine));
            let name = if word == IMPORTED { "livepatch" } else { word };
            let ended =
                check_with(&machine, &bench, &module.rename(index, name), IMPORTED, "NETWORK", &[]);
            ended.refused(&[
                &format!(
                    "error[KLP-E0101]: {}: '{name}' is not found",
                    bench.path("in.ko").display()
                ),
                &format!("Unknown symbol {name} (err -2)"),
                &format!("module uses symbol ({IMPORTED}) from namespace NETWORK, but does not"),
            ]);
            assert_eq!(ended.stderr.matches("error[").count(), 2, "{}", ended.stderr);
        }
    }
}

#[test]
fn two_rules_of_one_step_are_two() {
    for machine in machines() {
        let bench = Sandbox::new();
        let flags = |patched: Patched, section: &str, more: u64| {
            patched.section(section, |s, e| {
                s.sh_flags.set(e, SectionFlags(s.sh_flags.get(e).0 | more));
            })
        };
        // Both are found in the file check, and the kernel stops at the first.
        let wrong = flags(Patched::new(converted(&machine, "lp_two_owners.ko")), ".text", 1);
        let wrong = wrong.rename_section(".comment", "__version_ext_crcs");
        let wrong = flags(wrong, "__version_ext_crcs", 2);
        let path = bench.file("in.ko", &wrong.bytes).into_os_string();
        let ended = run(["check".into(), path].into_iter().chain(machine.map(Map::Elf)));
        ended.refused(&[
            "[write-execute, refused]",
            "the kernel says: extended version crc+name presence does not match (-ENOEXEC, 8)",
        ]);
        assert_eq!(ended.stderr.matches("error[").count(), 2, "{}", ended.stderr);
    }
}

#[test]
fn each_of_two_missing_symbols_gets_its_own_kernel_message() {
    for machine in machines() {
        let (bench, (module, index, _)) = (Sandbox::new(), module(&machine));
        let image = Image::read(&module.bytes);
        let other = image.symbols.iter().position(|s| s.name == IMPORTED).unwrap();
        let wrong = module.rename(index, "symbol").rename(other, "Unknown");
        let path = bench.file("in.ko", &wrong.bytes).into_os_string();
        let ended = run(["check".into(), path].into_iter().chain(machine.map(Map::Elf)));
        ended.refused(&["Unknown symbol symbol (err -2)", "Unknown symbol Unknown (err -2)"]);
        assert_eq!(ended.stderr.matches("error[").count(), 2, "{}", ended.stderr);
        assert_eq!(ended.stderr.matches("the kernel says: ").count(), 2, "{}", ended.stderr);
    }
}

#[test]
fn the_line_that_imports_a_namespace_fits_the_target_kernel() {
    for machine in machines() {
        for (version, line) in [
            ("7.2", r#"MODULE_IMPORT_NS("NETWORK");"#),
            ("6.13", r#"MODULE_IMPORT_NS("NETWORK");"#),
            ("6.12", "MODULE_IMPORT_NS(NETWORK);"),
        ] {
            let (bench, (module, ..)) = (Sandbox::new(), module(&machine));
            let target = ["--target-kernel", version];
            let ended = check_with(&machine, &bench, &module, IMPORTED, "NETWORK", &target);
            ended.refused(&["but does not import it.", line]);
        }
        let (bench, (module, ..)) = (Sandbox::new(), module(&machine));
        let ended = check_with(&machine, &bench, &module, IMPORTED, "module:kvm", &[]);
        ended.refused(&["use it through a klp symbol"]);
        assert!(!ended.stderr.contains("MODULE_IMPORT_NS"), "{}", ended.stderr);
    }
}

#[test]
fn one_cause_is_reported_once_with_the_other_locations() {
    for machine in machines() {
        let bench = Sandbox::new();
        // The name in its klp_object.
        let module = Patched::new(machine.read("lp_cross_module.ko"));
        let module = module.replace(b"\0klp_target_a\0", b"\0klp_target_x\0");
        let module = bench.file("in.ko", &module.bytes);
        let ended = bench.convert(&module, &machine, Map::Elf);
        ended.refused(&[
            "error[KLP-E0302]",
            "  also: .rela",
            "add a klp_object for 'klp_target_a'",
        ]);
        assert_eq!(ended.stderr.matches("KLP-E0302").count(), 1, "{}", ended.stderr);
        assert_eq!(ended.stderr.matches("add a klp_object").count(), 1, "{}", ended.stderr);
        let words = ["--format", "json"].map(OsString::from);
        let further = words.into_iter().chain(machine.map(Map::Elf));
        let ended = bench.convert_with(&module, further);
        let document: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        let also = document["diagnostics"][0]["also"].as_array().unwrap().len();
        assert!(also >= 1, "{}: {also}", machine.name);
    }
}

#[test]
fn verbose_check_prints_the_kernel_and_placements_that_it_assumes() {
    for machine in machines() {
        let path = machine.path("klp_target_a.ko").into_os_string();
        let check = |words: &[&str]| {
            let words = words.iter().map(OsString::from);
            let words = ["check".into(), path.clone()].into_iter().chain(words);
            run(words.chain(machine.map(Map::Elf))).done().stderr.clone()
        };
        let said = check(&["-v"]);
        let kernel = format!("kernel: {}, Linux 7.2 (vermagic)\n", machine.name);
        for word in
            [&kernel, "features: pages of ", "(symbols of vmlinux)", "placements: usually from 0x"]
        {
            assert!(said.contains(word), "{said}");
        }
        assert!(said.ends_with(&check(&[])), "{said}");
        let asked = check(&["-v", "--target-kernel", "6.12"]);
        assert!(asked.contains("Linux 6.12 (asked for)\n"), "{asked}");
        let bare = run(["check".into(), path.clone(), OsString::from("-v")]);
        assert!(bare.done().stderr.contains("(usual for its version)"), "{}", bare.stderr);
    }
}
