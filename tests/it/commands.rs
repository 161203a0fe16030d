//! The commands: their output and their exit codes.

use std::path::Path;

use object::elf::{SectionFlags, SymbolSection};
use serde_json::Value;

use crate::image::Image;
use crate::machine::{Machine, Map, machines};
use crate::patch::Patched;
use crate::tool::{Sandbox, run, shell};

const COMMANDS: [&str; 9] =
    ["demo", "convert", "check", "load", "inspect", "explain", "relocs", "completions", "man"];

fn first() -> Machine {
    machines().remove(0)
}

/// A converted fixture of the first machine, in a directory of its own.
fn converted() -> (Sandbox, Patched) {
    let (bench, machine) = (Sandbox::new(), first());
    bench.convert(&machine.path("lp_two_owners.ko"), &machine, Map::Elf).done();
    let patched = Patched::new(bench.written());
    (bench, patched)
}

#[track_caller]
fn has_keys(value: &Value, keys: &[&str]) {
    let object = value.as_object().expect("an object");
    let found: Vec<_> = object.keys().map(String::as_str).collect();
    for key in keys {
        assert!(found.contains(key), "no '{key}' in {found:?}");
    }
}

#[test]
fn demo_converts_and_checks_one_module_for_each_machine() {
    let text = run(["demo"]);
    assert_eq!(text.done().stderr, "");
    let lines = run(["demo", "--format", "json"]).done().json();
    assert_eq!(lines.as_array().unwrap().len(), machines().len());
    for (line, machine) in lines.as_array().unwrap().iter().zip(machines()) {
        has_keys(line, &["bytes_before", "bytes_after", "klp_symbols"]);
        assert_eq!(line["machine"], machine.name);
        assert_eq!(line["check"], "loads");
        assert!(line["simulated_loads"].as_u64() > Some(0));
        assert!(line["klp_relocations"].as_u64() > Some(0));
        assert!(text.stdout.contains(machine.name));
    }
}

#[test]
fn a_conversion_prints_nothing_on_stdout_and_one_line_on_stderr() {
    let (bench, machine) = (Sandbox::new(), first());
    let ended = bench.convert(&machine.path("lp_two_owners.ko"), &machine, Map::Elf);
    assert_eq!(ended.done().stdout, "");
    assert!(ended.stderr.ends_with("out.ko: 2 klp symbols, 2 klp relocations\n"));
    assert_eq!(ended.stderr.lines().count(), 1);
}

#[test]
fn quiet_prints_only_errors_and_verbose_every_decision() {
    let (bench, machine) = (Sandbox::new(), first());
    let with = |option: &str, module: &str, map| {
        let further = [vec![option.into()], machine.map(map)].concat();
        bench.convert_with(&machine.path(module), further)
    };
    let warned = with("--quiet", "lp_homonyms_annotated.ko", Map::List);
    assert_eq!((warned.done().stderr.as_str(), warned.stdout.as_str()), ("", ""));
    with("-q", "lp_homonym_unannotated.ko", Map::List).refused(&["error[KLP-E0102]"]);
    let verbose = with("--verbose", "lp_homonyms_annotated.ko", Map::Elf);
    for decision in ["'set_root' → .klp.sym.vmlinux.set_root,2 (annotated)", "remove section"] {
        assert!(verbose.done().stderr.contains(decision), "{}", verbose.stderr);
    }
    for words in [["relocs", "vax", "-q"], ["explain", "KLP-E9999", "-q"]] {
        run(words).usage_or_io(&["is not one of"]);
    }
}

#[test]
fn a_dry_run_prints_the_plan_and_writes_nothing() {
    let (bench, machine) = (Sandbox::new(), first());
    let words = ["convert".into(), machine.path("lp_two_owners.ko").into(), "--dry-run".into()];
    let ended = run(words.into_iter().chain(machine.map(Map::Elf)));
    assert!(ended.done().stdout.contains("section .rela.text → .klp.rela.vmlinux..text"));
    assert_eq!(bench.files(), [""; 0]);
}

#[test]
fn json_of_a_conversion_is_one_document_for_success_and_refusal_alike() {
    let (bench, machine) = (Sandbox::new(), first());
    let further = [vec!["--format".into(), "json".into()], machine.map(Map::List)].concat();
    let ended = bench.convert_with(&machine.path("lp_homonyms_annotated.ko"), further.clone());
    let document = ended.done().json();
    assert_eq!(ended.stderr, "");
    has_keys(&document, &["input", "output", "plan", "diagnostics"]);
    has_keys(&document["plan"], &["symbols", "sections", "removed_sections", "exported"]);
    assert_eq!(document["output"], bench.output().to_str().unwrap());
    assert_eq!(document["diagnostics"][0]["severity"], "warning");

    let ended = bench.convert_with(&machine.path("lp_homonym_unannotated.ko"), further);
    assert_eq!((ended.code, ended.stderr.as_str()), (1, ""));
    let document = ended.json();
    assert_eq!((&document["plan"], &document["output"]), (&Value::Null, &Value::Null));
    let diagnostic = &document["diagnostics"][0];
    has_keys(diagnostic, &["severity", "code", "file", "message", "help"]);
    assert_eq!(
        (&diagnostic["severity"], &diagnostic["code"]),
        (&"error".into(), &"KLP-E0102".into())
    );
}

#[test]
fn json_of_a_failure_is_one_document_with_its_diagnostics() {
    let machine = first();
    let plain = machine.path("lp_two_owners.ko");
    let plain = plain.to_str().unwrap();
    let out = "no/such/directory/out.ko";
    for (words, code, name) in [
        (&["inspect", "Cargo.toml"][..], 1, "KLP-E0001"),
        (&["inspect", "no/such.ko"], 2, "KLP-E0601"),
        (&["convert", "no/such.ko", "--module", plain, "-o", out], 2, "KLP-E0601"),
        (&["convert", plain, "--vmlinux", "no/such", "-o", out], 2, "KLP-E0601"),
        (&["convert", plain, "--module", plain, "-o", plain], 2, "KLP-E0602"),
    ] {
        let ended = run(words.iter().copied().chain(["--format", "json"]));
        assert_eq!((ended.code, ended.stderr.as_str()), (code, ""), "{words:?}");
        let document = ended.json();
        assert_eq!(document["diagnostics"].as_array().unwrap().len(), 1, "{words:?}");
        assert_eq!(document["diagnostics"][0]["code"], name, "{words:?}");
    }
    let verdicts = run(["check", "no/such.ko", "--format", "json"]);
    assert_eq!((verdicts.code, verdicts.stderr.as_str()), (2, ""));
    assert_eq!(verdicts.json()[0]["diagnostics"][0]["code"], "KLP-E0601");
    for words in [["relocs", "vax"], ["explain", "KLP-E9999"]] {
        let ended = run(words.into_iter().chain(["--format", "json"]));
        assert_eq!((ended.code, ended.stderr.as_str()), (2, ""));
        let diagnostic = &ended.json()["diagnostics"][0];
        assert_eq!(diagnostic["code"], "KLP-E0604");
        assert!(diagnostic["message"].as_str().unwrap().contains("is not one of"), "{diagnostic}");
    }
}

#[test]
fn a_demo_without_a_temporary_directory_is_an_io_error_in_text_and_json() {
    let script = r#"TMPDIR=/no/such/directory exec "$0" demo --format "#;
    shell(&format!("{script} text"), &[]).usage_or_io(&["error[KLP-E0602]", "/no/such/directory"]);
    let ended = shell(&format!("{script} json"), &[]);
    assert_eq!((ended.code, ended.stderr.as_str()), (2, ""));
    assert_eq!(ended.json()["diagnostics"][0]["code"], "KLP-E0602");
}

#[test]
fn everything_unresolved_is_reported_in_one_run() {
    for machine in machines() {
        let bench = Sandbox::new();
        let bytes = machine.read("lp_vmlinux_inferred.ko");
        let image = Image::read(&bytes);
        let index = |name: &str| image.symbols.iter().position(|s| s.name == name).unwrap();
        let patched = Patched::new(bytes)
            .rename(index("nr_processes"), "no_such_function")
            .rename(index("saved_command_line"), "set_is_seen");
        let input = bench.file("in.ko", &patched.bytes);
        bench.refuses(
            &input,
            machine.map(Map::Elf),
            &["KLP-E0101", "'no_such_function' is not found", "KLP-E0102", "'set_is_seen' has 2"],
        );
    }
}

#[test]
fn check_accepts_a_conversion_with_and_without_a_map() {
    let (bench, _) = converted();
    let output = bench.output();
    let ended = run(["check".as_ref(), output.as_os_str()]);
    assert_eq!(ended.done().stdout, "");
    assert!(ended.stderr.ends_with("out.ko: no rule is broken\n"), "{}", ended.stderr);
    let quiet = run(["check".as_ref(), output.as_os_str(), "-q".as_ref()]);
    assert_eq!(quiet.done().stderr, "");
}

#[test]
fn check_names_the_rule_that_a_module_breaks() {
    let section = ".klp.rela.vmlinux..text";
    let (bench, good) = converted();
    let image = Image::read(&good.bytes);
    let klp = image.symbols.iter().position(|s| s.name == ".klp.sym.vmlinux.klp_root_kobj,0");
    let klp = klp.unwrap();
    let relocation = image.section(section).relocations[0];
    let flags = |patched: Patched, flags: u64| {
        patched.section(section, |s, e| s.sh_flags.set(e, SectionFlags(flags)))
    };
    let cases = [
        ("section-loaded, corrupted", flags(good.clone(), 0x0010_0040)),
        ("section-shape, corrupted", flags(good.clone(), 0x42)),
        (
            "symbol-marked, refused",
            good.clone().symbol(klp, |s, e| s.st_shndx.set(e, SymbolSection(0))),
        ),
        ("symbol-name, refused", good.clone().rename(klp, ".klp.sym.vmlinux.klp_root_kobj")),
        (
            "vmlinux-symbol, refused",
            good.clone().replace(
                b".klp.sym.klp_target_a.klp_root_kobj,0",
                b".klp.sym.vmlinux.0000_klp_root_kobj,0",
            ),
        ),
        (
            "plain-relocation, corrupted",
            good.clone().relocation(".rela.text", 0, |r, e| {
                let kind = r.r_type(e, false);
                let symbol = u32::try_from(klp).unwrap();
                r.r_info = object::elf::Rela64::r_info(e, false, symbol, kind);
            }),
        ),
        (
            "place-twice, refused",
            good.clone().relocation(".rela.text", 0, |r, e| {
                r.r_offset.set(e, relocation.offset);
            }),
        ),
        (
            "target-loaded, ignored",
            good.clone().section(section, |s, e| {
                let comment = image.sections.iter().position(|s| s.name == ".comment").unwrap();
                s.sh_info.set(e, u32::try_from(comment).unwrap());
            }),
        ),
        ("livepatch-marker, refused", good.clone().replace(b"\0livepatch=Y\0", b"\0livepotch=Y\0")),
    ];
    for (rule, broken) in cases {
        let module = bench.file("broken.ko", &broken.bytes);
        let ended = run(["check".as_ref(), module.as_os_str()]);
        ended.refused(&["error[KLP-E0401]", &format!("[{rule}]")]);
        run(["explain", rule.split(',').next().unwrap()]).done();
    }
}

#[test]
fn check_looks_klp_symbols_up_in_the_kernel() {
    let (bench, good) = converted();
    let machine = first();
    let broken =
        good.replace(b".klp.sym.vmlinux.klp_root_kobj,0", b".klp.sym.vmlinux.klp_root_kobj,7");
    let module = bench.file("broken.ko", &broken.bytes);
    run(["check".as_ref(), module.as_os_str()]).done();
    let words = ["check".into(), module.into_os_string()];
    let ended = run(words.into_iter().chain(machine.map(Map::Elf)));
    ended.refused(&["error[KLP-E0104]", "position 7, but 'vmlinux' has 1 of them"]);
}

#[test]
fn check_exits_with_the_worst_of_its_modules_and_reports_each() {
    let (bench, _) = converted();
    let (good, bad) = (bench.output(), first().path("lp_two_owners.ko"));
    let json = |modules: &[&Path]| {
        let words = ["check", "--format", "json"].map(std::ffi::OsStr::new);
        run(words.into_iter().chain(modules.iter().map(|m| m.as_os_str())))
    };
    let ended = json(&[&good, &bad, &good]);
    assert_eq!((ended.code, ended.stderr.as_str()), (1, ""));
    let verdicts = ended.json();
    let accepted: Vec<_> = verdicts.as_array().unwrap().iter().map(|v| &v["accepted"]).collect();
    assert_eq!(accepted, [true, false, true]);
    has_keys(&verdicts[1], &["module", "accepted", "diagnostics"]);
    assert_eq!(json(&[&bad, Path::new("no/such.ko"), &good]).code, 2);
}

#[test]
fn inspect_shows_a_module_before_and_after() {
    for machine in machines() {
        let bench = Sandbox::new();
        let module = machine.path("lp_two_owners.ko");
        bench.convert(&module, &machine, Map::Elf).done();
        let before = run(["inspect".as_ref(), module.as_os_str()]);
        assert!(before.done().stdout.contains("annotations (2)"), "{}", before.stdout);
        let output = bench.output();
        let after = run(["inspect".as_ref(), output.as_os_str(), "--format=json".as_ref()]);
        let after = after.done().json();
        has_keys(&after, &["name", "livepatch", "signature", "annotations", "undefined"]);
        assert_eq!(after["machine"], machine.name);
        assert_eq!(after["klp_sections"].as_array().unwrap().len(), 2);
        assert_eq!(after["klp_symbols"].as_array().unwrap().len(), 2);
    }
    run(["inspect", "Cargo.toml"]).refused(&["error[KLP-E0001]", "Cargo.toml"]);
    run(["inspect", "no/such.ko"]).usage_or_io(&["error[KLP-E0601]", "no/such.ko"]);
}

#[test]
fn explain_knows_codes_in_any_case_and_rules() {
    let page = run(["explain", "KLP-E0102"]);
    assert!(page.done().stdout.starts_with("KLP-E0102 "));
    assert_eq!(run(["explain", "klp-e0102"]).done().stdout, page.stdout);
    let document = run(["explain", "target-consumed", "--format", "json"]).done().json();
    has_keys(&document, &["name", "explanation"]);
    run(["explain", "KLP-E9999"])
        .usage_or_io(&["'KLP-E9999' is not one of the codes", "KLP-E0102"]);
}

#[test]
fn relocs_shows_one_machine_or_all() {
    let all = run(["relocs", "--format", "json"]).done().json();
    let all = all.as_array().unwrap();
    has_keys(&all[0], &["machine", "number", "name", "calculation", "check", "field", "source"]);
    let mut rows = 0;
    for machine in machines() {
        let text = run(["relocs", machine.name]).done().stdout.clone();
        let of_machine = all.iter().filter(|row| row["machine"] == machine.name).count();
        assert!(of_machine > 5);
        assert_eq!(text.lines().count(), of_machine + 1, "a header and a line for each");
        rows += of_machine;
    }
    assert_eq!(rows, all.len());
    run(["relocs", "vax"]).usage_or_io(&["'vax' is not one of", "s390x"]);
}

#[test]
fn completion_scripts_know_every_command() {
    for name in ["bash", "zsh", "fish"] {
        let script = run(["completions", name]).done().stdout.clone();
        for command in COMMANDS {
            assert!(script.contains(command), "{name}: no {command}");
        }
    }
    shell(r#""$0" completions bash | bash -n"#, &[]).done();
    run(["completions", "cmd.exe"]).usage_or_io(&["invalid value"]);
}

#[test]
fn the_manual_page_has_every_command() {
    let page = run(["man"]).done().stdout.clone();
    assert!(page.contains(".TH klp-convert 1"));
    for command in COMMANDS {
        assert!(page.contains(&format!(".SH COMMAND {}", command.to_uppercase())), "{command}");
    }
}

#[test]
fn every_command_has_help() {
    for command in COMMANDS {
        let help = run([command, "--help"]);
        assert!(help.done().stdout.contains("Usage: klp-convert"), "{command}: {}", help.stdout);
    }
    assert!(run(["--help"]).done().stdout.contains("Historical calls"));
    assert!(run(["--version"]).done().stdout.starts_with("klp-convert "));
}

#[test]
fn only_the_sources_of_symbols_are_under_their_heading() {
    for command in ["convert", "check"] {
        let help = run([command, "-h"]).done().stdout.clone();
        let (others, symbols) = help.split_once("\nKernel symbols:\n").unwrap();
        let symbols = symbols.split("\n\n").next().unwrap();
        let starts = symbols.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
        let options: Vec<_> =
            starts.filter_map(|line| line.split("--").nth(1)?.split(' ').next()).collect();
        let sources = ["symbols", "kernel", "image", "vmlinux", "module", "symvers"];
        assert_eq!(options[..6], sources, "{help}");
        assert_eq!(options[6..], ["system-map", "kallsyms"], "{help}");
        assert!(others.contains("--target-kernel"), "{help}");
    }
}

#[test]
fn usage_errors_end_with_2() {
    for (words, said) in [
        (&["convert", "in.ko", "-o", "out.ko"][..], "--vmlinux <FILE>"),
        (&["convert", "in.ko", "-s", "list"], "--output <OUT.ko>"),
        (&["convert", "in.ko", "-s", "list", "-o", "out.ko", "--in-place"], "cannot be used with"),
        (&["convert", "in.ko", "-s", "list", "-o", "out.ko", "--object", "a.b"], "contains '.'"),
        (&["check"], "<MODULE.ko>"),
        (&["convert", "--no-such-option"], "unexpected argument"),
        (&["--format", "xml", "demo"], "invalid value 'xml'"),
        (&["check", "-q", "-v", "in.ko"], "cannot be used with"),
        // It has no verbose output.
        (&["demo", "-v"], "unexpected argument '-v'"),
    ] {
        run(words).usage_or_io(&[said]);
    }
}

#[test]
fn a_result_that_cannot_be_printed_is_an_io_error() {
    for command in ["relocs", "relocs --format json", "man", "completions bash"] {
        let script = format!(r#""$0" {command} >/dev/full"#);
        shell(&script, &[]).usage_or_io(&["error: stdout: No space left on device"]);
    }
}
