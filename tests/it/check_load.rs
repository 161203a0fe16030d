//! The verdict on modules loaded in simulation: what the kernel accepts, what it refuses with which
//! message, and what it would not notice.

use std::path::Path;

use object::elf::{Rela64, RelocationType};
use serde_json::Value;

use crate::image::{Image, SHN_LIVEPATCH};
use crate::machine::{Machine, Map, machines};
use crate::patch::Patched;
use crate::tool::{Run, Sandbox, run, undeclared};

/// Checks a file with a machine's sources.
fn check(machine: &Machine, module: &Path) -> Run {
    let words = ["check".into(), module.as_os_str().to_owned()];
    run(words.into_iter().chain(machine.map(Map::Elf)))
}

/// A converted fixture.
fn converted(machine: &Machine, module: &str) -> (Sandbox, Patched) {
    let bench = Sandbox::new();
    bench.convert(&machine.path(module), machine, Map::Elf).done();
    let patched = Patched::new(bench.written());
    (bench, patched)
}

fn machine(name: &str) -> Machine {
    machines().into_iter().find(|machine| machine.name == name).unwrap()
}

/// The klp section of a gate that has relocations, and the first of them.
fn klp(patched: &Patched, gate: &str) -> (String, usize) {
    let image = Image::read(&patched.bytes);
    let prefix = format!(".klp.rela.{gate}.");
    let section = image.klp_sections().find(|s| s.name.starts_with(&prefix)).unwrap();
    (section.name.clone(), section.relocations.len())
}

#[test]
fn every_fixture_that_the_kernel_loads_is_loaded_everywhere() {
    for machine in machines() {
        for module in machine.convertible() {
            let (bench, _) = converted(&machine, &module);
            let words = ["check".into(), bench.output().into_os_string()];
            let words = words.into_iter().chain(undeclared(Path::new(&module)));
            let ended = run(words.chain(machine.map(Map::Elf)));
            assert!(
                ended.done().stderr.contains(": loads, tried at "),
                "{} {module}: {}",
                machine.name,
                ended.stderr
            );
            assert!(!ended.stderr.contains("error"), "{}", ended.stderr);
        }
    }
}

#[test]
fn ordinary_modules_are_loaded_too() {
    for machine in machines() {
        for module in ["klp_target_a.ko", "klp_target_b.ko"] {
            let ended = check(&machine, &machine.path(module));
            assert!(ended.done().stderr.contains(": loads, tried at "), "{}", ended.stderr);
        }
    }
}

#[test]
fn without_sources_or_addresses_nothing_is_loaded_or_refused() {
    for machine in machines() {
        let (bench, _) = converted(&machine, "lp_two_owners.ko");
        let output = bench.output();
        let words = ["check".into(), output.clone().into_os_string()];
        let bare = run(words.clone());
        assert!(bare.done().stderr.ends_with(": no rule is broken\n"), "{}", bare.stderr);
        let listed = run(words.into_iter().chain(machine.map(Map::List)));
        assert!(
            listed
                .done()
                .stderr
                .contains("not loaded in simulation: no source has the address of '"),
            "{}",
            listed.stderr
        );
    }
}

#[test]
fn the_verdict_is_in_the_json() {
    let machine = machine("x86_64");
    let (bench, _) = converted(&machine, "lp_two_owners.ko");
    let words = ["check", "--format", "json"].map(std::ffi::OsString::from);
    let words = words.into_iter().chain([bench.output().into_os_string()]);
    let verdict = &run(words.chain(machine.map(Map::Elf))).done().json()[0];
    assert_eq!((&verdict["accepted"], &verdict["conclusion"]), (&true.into(), &"loads".into()));
    assert!(verdict["simulated_loads"].as_u64() > Some(1));
    assert_eq!(verdict["diagnostics"], Value::Array(Vec::new()));
}

#[test]
fn a_missing_klp_symbol_is_refused_once_with_the_kernels_message() {
    for machine in machines() {
        let (bench, good) = converted(&machine, "lp_vmlinux_inferred.ko");
        for (symbol, code, says) in [
            (".klp.sym.vmlinux.nr_processez,0", "KLP-E0101", "symbol 'nr_processez' not found"),
            (
                ".klp.sym.vmlinux.nr_processes,7",
                "KLP-E0104",
                "symbol position 7 for symbol 'nr_processes' in object 'vmlinux' not found",
            ),
        ] {
            let broken =
                good.clone().replace(b".klp.sym.vmlinux.nr_processes,0", symbol.as_bytes());
            let module = bench.file("broken.ko", &broken.bytes);
            let ended = check(&machine, &module);
            let words =
                [&format!("error[{code}]"), "the kernel says: livepatch: ", says, "(-EINVAL, 22)"];
            ended.refused(&words);
            assert_eq!(ended.stderr.matches("error[").count(), 1, "{}", ended.stderr);
        }
    }
}

#[test]
fn an_ambiguous_symbol_is_refused_with_the_kernels_message() {
    for machine in machines() {
        let (bench, good) = converted(&machine, "lp_homonyms_annotated.ko");
        let broken =
            good.replace(b".klp.sym.vmlinux.set_is_seen,1", b".klp.sym.vmlinux.set_is_seen,0");
        let module = bench.file("broken.ko", &broken.bytes);
        check(&machine, &module).refused(&[
            "error[KLP-E0103]",
            "the kernel says: livepatch: unresolvable ambiguity for symbol 'set_is_seen'",
        ]);
    }
}

#[test]
fn an_unknown_symbol_is_refused_with_the_kernels_message() {
    for machine in machines() {
        let bytes = machine.read("klp_target_a.ko");
        let image = Image::read(&bytes);
        let index = image.symbols.iter().position(|s| s.section == 0 && s.name == "seq_write");
        let index = index.or_else(|| image.symbols.iter().position(|s| s.name == "seq_printf"));
        let bench = Sandbox::new();
        let broken = Patched::new(bytes).rename(index.unwrap(), "no_such_export");
        let module = bench.file("broken.ko", &broken.bytes);
        check(&machine, &module).refused(&[
            "error[KLP-E0101]",
            "the kernel says: klp_target_a: Unknown symbol no_such_export (err -2) (-ENOENT, 2)",
        ]);
    }
}

#[test]
fn nonzero_bytes_are_refused_where_the_loader_checks() {
    let machine = machine("x86_64");
    let (bench, good) = converted(&machine, "lp_vmlinux_inferred.ko");
    let (section, _) = klp(&good, "vmlinux");
    let offset = Image::read(&good.bytes).section(&section).relocations[0].offset;
    let offset = usize::try_from(offset).unwrap();
    let broken = good.contents(".text", |text| text[offset] = 1);
    let module = bench.file("broken.ko", &broken.bytes);
    let ended = check(&machine, &module);
    ended.refused(&["[place, refused]", "the kernel says: ", "(-ENOEXEC, 8)"]);
    assert_eq!(ended.stderr.matches("error[").count(), 1, "{}", ended.stderr);
}

#[test]
fn a_call_without_nop_is_refused_where_the_loader_checks() {
    let machine = machine("ppc64le");
    let (bench, good) = converted(&machine, "lp_vmlinux_inferred.ko");
    let image = Image::read(&good.bytes);
    let (section, _) = klp(&good, "vmlinux");
    let call = image.section(&section).relocations.iter().find(|r| r.kind == 10).unwrap();
    let after = usize::try_from(call.offset).unwrap() + 4;
    let broken = good.contents(".text", |text| text[after..after + 4].fill(0));
    let module = bench.file("broken.ko", &broken.bytes);
    check(&machine, &module).refused(&["[place, refused]", "the kernel says: ", "(-ENOEXEC, 8)"]);
}

#[test]
fn a_type_that_the_loader_does_not_know_is_refused_with_its_message() {
    for machine in machines() {
        let (bench, good) = converted(&machine, "lp_vmlinux_inferred.ko");
        let (section, _) = klp(&good, "vmlinux");
        // Type 0 is known everywhere except on ppc64le.
        let kind = if machine.name == "ppc64le" { 0 } else { 200 };
        let broken = good.relocation(&section, 0, |r, e| {
            r.r_info = Rela64::r_info(e, false, r.r_sym(e, false), RelocationType(kind));
        });
        let module = bench.file("broken.ko", &broken.bytes);
        check(&machine, &module).refused(&["[relocation-type, refused]", "the kernel says: "]);
    }
}

#[test]
fn a_plain_relocation_against_a_klp_symbol_is_found() {
    for machine in machines() {
        let (bench, good) = converted(&machine, "lp_two_owners.ko");
        let image = Image::read(&good.bytes);
        let klp = image.symbols.iter().position(|s| s.section == SHN_LIVEPATCH).unwrap();
        let broken = good.relocation(".rela.text", 0, |r, e| {
            let symbol = u32::try_from(klp).unwrap();
            r.r_info = Rela64::r_info(e, false, symbol, r.r_type(e, false));
        });
        let module = bench.file("broken.ko", &broken.bytes);
        check(&machine, &module).refused(&["[plain-relocation, corrupted]"]);
    }
}

#[test]
fn a_gate_whose_name_the_kernel_truncates_never_arrives() {
    for machine in machines() {
        let (bench, good) = converted(&machine, "lp_module_symbols.ko");
        let (section, _) = klp(&good, "klp_target_a");
        let long = format!(".klp.rela.{}..text", "a".repeat(80));
        let broken = good.rename_section(&section, &long);
        let module = bench.file("broken.ko", &broken.bytes);
        let ended = check(&machine, &module);
        ended.refused(&["error[KLP-"]);
        assert!(
            ended.stderr.contains("[section-name, ignored]")
                || ended.stderr.contains("error[KLP-E0804]"),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn compressed_modules_are_checked_as_they_are() {
    use std::io::Write;
    let machine = machine("x86_64");
    let (bench, good) = converted(&machine, "lp_two_owners.ko");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&good.bytes).unwrap();
    let module = bench.file("lp.ko.gz", &gzip.finish().unwrap());
    assert!(check(&machine, &module).done().stderr.contains("lp.ko.gz: loads, tried at "));
    let module = bench.file("cut.ko.gz", b"\x1f\x8b\x08\0\0\0\0\0");
    check(&machine, &module).refused(&["cut.ko.gz"]);
}

#[test]
fn a_value_that_the_kernel_truncates_is_reported() {
    let machine = machine("x86_64");
    let (bench, good) = converted(&machine, "lp_vmlinux_inferred.ko");
    let (section, _) = klp(&good, "vmlinux");
    let broken = good.relocation(&section, 0, |r, e| r.r_addend.set(e, 1 << 40));
    let module = bench.file("broken.ko", &broken.bytes);
    let ended = check(&machine, &module);
    ended.refused(&["error[KLP-E0803]", "is truncated to", ": would load incorrectly"]);
    assert_eq!(ended.stderr.matches("error[").count(), 1, "{}", ended.stderr);
}

#[test]
fn a_function_without_landing_pad_is_reported_where_modules_have_them() {
    let machine = machine("x86_64");
    let bytes = machine.read("lp_vmlinux_inferred.ko");
    let bench = Sandbox::new();
    let check = |bytes: &[u8]| {
        let module = bench.file("lp.ko", bytes);
        run(["check".as_ref(), module.as_os_str()])
    };
    // The fixtures' kernel is not built with landing pads.
    assert!(!check(&bytes).stderr.contains("KLP-W0811"));
    let marked = Patched::new(bytes).rename_section(".comment", ".ibt_endbr_seal");
    let ended = check(&marked.bytes);
    for function in ["lp_show", "init_module", "cleanup_module"] {
        let said = format!("takes the address of '{function}', which does not start with endbr64");
        assert_eq!(ended.stderr.matches(&said).count(), 1, "{function}: {}", ended.stderr);
    }
    assert_eq!(ended.stderr.matches("warning[KLP-W0811]").count(), 3, "{}", ended.stderr);
}

#[test]
fn an_unused_symbol_of_a_module_is_reported_and_a_used_one_is_not() {
    let machine = machine("x86_64");
    let (bench, good) = converted(&machine, "lp_vmlinux_inferred.ko");
    let image = Image::read(&good.bytes);
    // Nothing refers to a file's symbol.
    let file = image.symbols.iter().position(|s| s.info & 0xf == 4).unwrap();
    let undefined = good.rename(file, "klp_target_a_exported").symbol(file, |s, e| {
        s.st_shndx.set(e, object::elf::SymbolSection(0));
        s.set_st_info(object::elf::STB_WEAK, object::elf::STT_NOTYPE);
    });
    let module = bench.file("lp.ko", &undefined.bytes);
    let ended = check(&machine, &module);
    assert!(
        ended.stderr.contains("warning[KLP-W0812]: ",)
            && ended.stderr.contains("'klp_target_a_exported' is undefined and unused"),
        "{}",
        ended.stderr
    );
    let used = check(&machine, &machine.path("klp_target_a.ko"));
    assert!(!used.stderr.contains("KLP-W0812"));
}

#[test]
fn what_happens_rarely_is_a_warning() {
    let rare = |name: &str, module: &str, words: &[&str]| {
        let machine = machine(name);
        let (bench, _) = converted(&machine, module);
        let ended = check(&machine, &bench.output());
        for word in words {
            assert!(ended.done().stderr.contains(word), "no '{word}' in {}", ended.stderr);
        }
    };
    // A late call that is too far would need a stub, in text that is read-only by then.
    let far = ["warning[KLP-W0813]", "a late plain store into read-only memory faults"];
    rare("arm64", "lp_module_symbols.ko", &far);
}

#[test]
fn a_gate_that_the_livepatch_does_not_patch_is_wrong_even_without_sources() {
    for machine in machines() {
        let (bench, good) = converted(&machine, "lp_module_symbols.ko");
        let check = |patched: &Patched| {
            let module = bench.file("broken.ko", &patched.bytes);
            run(["check".into(), module.into_os_string()])
        };
        check(&good).done();
        // The name in its klp_object.
        let broken = good.replace(b"\0klp_target_a\0", b"\0klp_target_x\0");
        let waits = "waits for 'klp_target_a', which this livepatch does not patch";
        let other = check(&broken);
        other.refused(&["KLP-E0302", waits, "would load incorrectly"]);
        // Once, however many relocations wait.
        assert_eq!(other.stderr.matches(waits).count(), 1, "{}", other.stderr);
    }
}

#[test]
fn an_overflowing_position_is_reported_as_the_kernel_reads_it() {
    let machine = machine("x86_64");
    let (bench, good) = converted(&machine, "lp_vmlinux_inferred.ko");
    let image = Image::read(&good.bytes);
    let klp = image.symbols.iter().position(|s| s.section == SHN_LIVEPATCH).unwrap();
    let (name, _) = image.symbols[klp].name.rsplit_once(',').unwrap();
    let broken = good.rename(klp, &format!("{name},18446744073709551617"));
    let ended = check(&machine, &bench.file("broken.ko", &broken.bytes));
    let says = "the kernel says: livepatch: symbol position 18446744073709551615 for symbol '";
    ended.refused(&["[symbol-name, refused]", says]);
}

#[test]
fn a_livepatch_without_the_marker_is_refused_with_the_kernels_message_gated_or_not() {
    for machine in machines() {
        for name in ["lp_vmlinux_inferred", "lp_module_symbols"] {
            let (bench, good) = converted(&machine, &format!("{name}.ko"));
            let broken = good.replace(b"\0livepatch=", b"\0livepatcx=");
            let ended = check(&machine, &bench.file("broken.ko", &broken.bytes));
            let says = format!("livepatch: module {name} is not marked as a livepatch module");
            ended.refused(&["[livepatch-marker, refused]", &says, "(-EINVAL, 22)"]);
            assert_eq!(ended.stderr.matches("error[").count(), 1, "{}", ended.stderr);
        }
    }
}

#[test]
fn what_the_kernel_does_depends_on_how_a_rule_is_broken() {
    for machine in machines() {
        let (bench, good) = converted(&machine, "lp_vmlinux_inferred.ko");
        let (section, _) = klp(&good, "vmlinux");
        let check = |patched: Patched| {
            let module = bench.file("broken.ko", &patched.bytes);
            check(&machine, &module)
        };
        let nameless = check(good.clone().rename_section(&section, ".klp.rela..text"));
        nameless.refused(&["[section-name, refused]", "has an incorrectly formatted name"]);
        let annotated = good.rename_section(".comment", ".klp.module_relocs.vmlinux");
        check(annotated).refused(&["[annotation, ignored]", "would load incorrectly"]);
    }
    let machine = machine("arm64");
    let (bench, good) = converted(&machine, "lp_module_symbols.ko");
    let (section, count) = klp(&good, "klp_target_a");
    let odd = good.relocation(&section, count - 1, |r, e| r.r_offset.set(e, r.r_offset.get(e) + 2));
    let ended = check(&machine, &bench.file("broken.ko", &odd.bytes));
    ended.refused(&["a late write is skipped [place, ignored]", "would load incorrectly"]);
}
