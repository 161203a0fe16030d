//! Properties of exports that the kernel checks and the sources do not have: reported, not assumed.

use klp_convert::check::{Conclusion, Verdict, check};
use klp_convert::options::Options;
use klp_convert::symbols::{Sources, Symvers, SystemMap, Vmlinux};

use crate::dependencies::{versions, with_sections};
use crate::gates::converted;
use crate::load_other_refusals::says;
use crate::machine::{Machine, machines};
use crate::patch::Patched;
use crate::tool::Sandbox;

const NAME: &str = "klp_target_a.ko";
const IMPORT: &str = "proc_create_single_data";

/// The verdict on a module, with a `Module.symvers` whose lines were changed.
fn judged(machine: &Machine, module: &[u8], change: impl Fn(&mut Vec<&str>)) -> Verdict {
    let exports = String::from_utf8(machine.read("Module.symvers")).unwrap();
    let lines = exports.lines().map(|line| {
        let mut fields: Vec<_> = line.split('\t').collect();
        change(&mut fields);
        fields.join("\t") + "\n"
    });
    let bench = Sandbox::new();
    let symvers = bench.file("Module.symvers", lines.collect::<String>().as_bytes());
    let mut sources = Sources::new();
    sources.push(Vmlinux::new(machine.path("vmlinux.cut")));
    sources.push(Symvers::new(symvers));
    check(module, &sources, &Options::default()).unwrap()
}

/// Claims that a module loads with one warning for each of these words.
#[track_caller]
fn loads(machine: &Machine, verdict: &Verdict, words: &[&str]) {
    let said = says(verdict);
    assert_eq!(verdict.conclusion(), Conclusion::Loads, "{}: {said}", machine.name);
    assert_eq!(said.matches("KLP-W0824").count(), words.len(), "{}: {said}", machine.name);
    assert!(words.iter().all(|word| said.contains(word)), "{}: {said}", machine.name);
}

#[test]
fn a_namespace_that_no_source_has_is_reported_as_unknown() {
    for machine in machines() {
        let module = machine.read(NAME);
        loads(&machine, &judged(&machine, &module, |_| {}), &[]);
        // The fifth column is the namespace.
        let four = judged(&machine, &module, |fields| fields.truncate(4));
        loads(&machine, &four, &["no source has the namespace of '"]);
        let one = judged(&machine, &module, |fields| {
            fields.truncate(if fields[1] == IMPORT { 4 } else { 5 });
        });
        let words =
            format!("the namespace of '{IMPORT}': the kernel refuses a module that does not");
        loads(&machine, &one, &[&words]);
        let unused = judged(&machine, &module, |fields| {
            fields.truncate(if fields[1] == "klp_target_b_exported" { 4 } else { 5 });
        });
        loads(&machine, &unused, &[]);
    }
}

#[test]
fn a_crc_that_no_source_has_is_reported_as_unknown_if_the_module_has_one() {
    for machine in machines() {
        let crc = |fields: &mut Vec<&str>| {
            if fields[1] == IMPORT {
                fields[0] = "0x01020304";
            }
        };
        let tables = versions(&machine, &[IMPORT]);
        for tables in [&tables[..1], &tables[1..]] {
            let module = with_sections(&machine.read(NAME), tables);
            let words = format!("no source has the CRC of '{IMPORT}': the kernel refuses");
            loads(&machine, &judged(&machine, &module, |_| {}), &[&words]);
            loads(&machine, &judged(&machine, &module, crc), &[]);
        }
        // Without versions nothing is compared, so it does not matter.
        loads(&machine, &judged(&machine, &machine.read(NAME), |_| {}), &[]);
    }
}

#[test]
fn a_crc_of_another_kernel_is_explained_and_a_livepatch_may_have_a_klp_symbol() {
    for machine in machines() {
        let livepatch = converted(&machine, "lp_vmlinux_inferred.ko");
        for (bytes, import, name) in [
            (machine.read(NAME), IMPORT, "klp_target_a"),
            (livepatch, "klp_enable_patch", "lp_vmlinux_inferred"),
        ] {
            let other = |fields: &mut Vec<&str>| {
                if fields[1] == import {
                    fields[0] = "0x0badcafe";
                }
            };
            let tables = versions(&machine, &[import]);
            for tables in [&tables[..1], &tables[1..]] {
                let module = with_sections(&bytes, tables);
                let verdict = judged(&machine, &module, other);
                let said = says(&verdict);
                assert_eq!(verdict.conclusion(), Conclusion::Refused, "{}: {said}", machine.name);
                let klp = format!("KLP_SYMPOS({import}, 0) }};");
                for words in [
                    &format!("{name}: disagrees about version of symbol {import}"),
                    "built against another kernel's Module.symvers",
                    "rebuild it against the headers of this kernel",
                ] {
                    assert!(said.contains(words), "no '{words}' in {said}");
                }
                assert_eq!(said.contains(&klp), import == "klp_enable_patch", "{said}");
                assert!(!said.contains("convert the module, or give the symbols"), "{said}");
            }
            // One that the table does not have is another matter.
            let module = with_sections(&bytes, &versions(&machine, &["other"])[..1]);
            let said = says(&judged(&machine, &module, other));
            assert!(said.contains(&format!("no symbol version for {import}")), "{said}");
            assert!(!said.contains("headers of this kernel"), "{said}");
        }
    }
}

#[test]
fn a_system_map_alone_does_not_show_what_is_gpl_only() {
    for machine in machines() {
        let list = system_map(&machine);
        let bench = Sandbox::new();
        let mut sources = Sources::new();
        sources.push(SystemMap::new(bench.file("System.map", list.as_bytes())));
        let gpl = machine.read(NAME);
        let other =
            Patched::new(gpl.clone()).replace(b"license=Dual MIT/GPL", b"license=Dual MIT/XPL");
        let namespace = "the namespace of '";
        let verdict = check(&gpl, &sources, &Options::default()).unwrap();
        loads(&machine, &verdict, &[namespace]);
        let verdict = check(&other.bytes, &sources, &Options::default()).unwrap();
        loads(&machine, &verdict, &[namespace, "no source has the licence of '"]);
    }
}

/// A `System.map` of vmlinux's exports.
fn system_map(machine: &Machine) -> String {
    let exports = String::from_utf8(machine.read("Module.symvers")).unwrap();
    let lines = exports.lines().filter(|line| line.contains("\tvmlinux\t"));
    let names = lines.filter_map(|line| line.split('\t').nth(1));
    let base: u64 = match machine.name {
        "x86_64" => 0xffff_ffff_8100_0000,
        "arm64" => 0xffff_8000_8001_0000,
        "ppc64le" => 0xc000_0000_0000_0000,
        _ => 0x10_0000,
    };
    let mut list = vec![(base, "T", "_stext".to_owned()), (base, "T", "_text".to_owned())];
    for (at, name) in (base + 0x1000..).step_by(16).zip(names) {
        list.push((at, "T", name.to_owned()));
        list.push((at + 0x80_0000, "r", format!("__ksymtab_{name}")));
    }
    list.sort();
    list.iter().map(|(address, letter, name)| format!("{address:016x} {letter} {name}\n")).collect()
}
