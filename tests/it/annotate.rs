//! `klp-convert annotate`, and what is next to symbols whose source file is not known.

use std::ffi::OsString;
use std::fs;

use crate::machine::{Map, machines};
use crate::tool::{Sandbox, run, shell};

/// As `nm` lists a kernel: two of a name, and no source files.
const SYSTEM_MAP: &str = "\
0000000000001000 t first_of_a
0000000000001010 t helper
0000000000001020 t __pfx_last_of_a
0000000000001030 t last_of_a
0000000000001040 t first_of_b
0000000000001050 t twins_too
0000000000001060 t helper
0000000000001070 t twins_too
0000000000001080 t only
";

const LOG: &str = "\
a.c:3:9: error: implicit declaration of function ‘helper’ [-Werror=implicit-function-declaration]
a.c:3:9: error: ‘limit’ undeclared (first use in this function)
a.c:4:9: error: implicit declaration of function ‘show’
a.c:4:9: error: implicit declaration of function ‘absent’
";

fn words<const N: usize>(words: [&str; N]) -> [OsString; N] {
    words.map(OsString::from)
}

#[test]
fn what_a_compiler_does_not_know_becomes_an_include_a_declaration_or_a_choice() {
    let bench = Sandbox::new();
    let tree = bench.path("tree");
    for (file, text) in [
        ("include/linux/show.h", "int show(int a);\n"),
        ("include/net/other.h", "int show(int a);\n#define unrelated limit\n"),
        ("mm/limit.c", "static unsigned long limit[2] __read_mostly = { 1 };\n"),
        ("mm/a.c", "static int helper(int a)\n{\n}\n"),
        ("mm/b.c", "static long helper(struct b *b)\n{\n}\n"),
        ("Documentation/a.c", "static int helper(char wrong)\n{\n}\n"),
    ] {
        let path = tree.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let symbols = "klp-convert-symbol-data.0.2\n*vmlinux\nshow\n-mm/a.c\nhelper\n-mm/b.c\nhelper\n-limit.c\nlimit\n";
    let symbols = bench.file("symbols.klp", symbols.as_bytes());
    let log = bench.file("log", LOG.as_bytes());
    let words: Vec<OsString> = ["annotate", "--errors"]
        .map(OsString::from)
        .into_iter()
        .chain([log.clone().into(), "-s".into(), symbols.clone().into(), "--kernel-source".into()])
        .chain([tree.into()])
        .collect();
    let said = run(&words);
    assert_eq!(said.code, 1, "one name is nowhere: {}", said.stderr);
    let expected = "\
#include <linux/show.h>
/*
 * klp-convert: 'helper' has 2 candidates in 'vmlinux'
";
    assert!(said.stdout.starts_with(expected), "{}", said.stdout);
    for line in [
        " *   KLP_SYMBOL_IN(vmlinux, helper, \"mm/b.c\");",
        " * mm/a.c: extern int helper(int a);",
        " * mm/b.c: extern long helper(struct b *b);",
        "extern unsigned long limit[2];",
        " * klp-convert: 'absent' is not found",
    ] {
        assert!(said.stdout.lines().any(|written| written == line), "no {line}: {}", said.stdout);
    }
    assert!(!said.stdout.contains("wrong"), "{}", said.stdout);
    let json = run(words.iter().cloned().chain(["--format".into(), "json".into()])).json();
    let known: Vec<_> = json.as_array().unwrap().iter().map(|line| line["known"].clone()).collect();
    assert_eq!(known, ["ambiguous", "unique", "unique", "unknown"]);
    // As in a pipe of make's.
    let script = "\"$0\" annotate --errors - -s \"$1\" < \"$2\"";
    let piped = shell(script, &[&symbols, &log]);
    assert!(piped.stdout.contains("/* limit of vmlinux: declare it as its source does */"));
}

#[test]
fn of_a_module_only_the_names_that_need_a_line_are_shown() {
    let machine = machines().remove(0);
    let annotate = |fixture: &str| {
        let words = [OsString::from("annotate"), machine.path(fixture).into()];
        run(words.into_iter().chain(machine.map(Map::Elf)))
    };
    let said = annotate("lp_homonym_unannotated.ko");
    assert!(said.done().stdout.starts_with("/*\n * klp-convert: '"), "{}", said.stdout);
    assert!(said.stdout.contains("\n *   KLP_SYMBOL_IN("), "{}", said.stdout);
    assert!(said.stdout.ends_with("\n */\n"), "{}", said.stdout);
    let said = annotate("lp_vmlinux_inferred.ko");
    assert_eq!(said.done().stdout, "");
    assert!(said.stderr.contains("nothing to write"), "{}", said.stderr);
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let bench = Sandbox::new();
    let map = bench.file("System.map", SYSTEM_MAP.as_bytes());
    let annotate = |further: [&str; 2]| {
        let start: [OsString; 3] = ["annotate".into(), "--system-map".into(), map.clone().into()];
        run(start.into_iter().chain(words(further)))
    };
    annotate(["--errors", "/no/such/log"]).usage_or_io(&["error[KLP-E0601]"]);
    annotate(["/no/such.ko", "-q"]).usage_or_io(&["error[KLP-E0601]"]);
    annotate(["/dev/null", "-q"]).refused(&["error[KLP-E0001]"]);
    run(["annotate", "a.ko"]).usage_or_io(&["required"]);
    let none = run([OsString::from("annotate"), "--system-map".into(), map.into()]);
    none.usage_or_io(&["required"]);
}

#[test]
fn an_ambiguous_name_without_files_shows_its_unique_neighbours() {
    let bench = Sandbox::new();
    let list = bench.file("System.map", SYSTEM_MAP.as_bytes());
    let map = bench.path("kernel.map");
    let build =
        [OsString::from("symbols"), "build".into(), "--system-map".into(), list.clone().into()];
    run(build.into_iter().chain(["-o".into(), map.clone().into()])).done();
    for source in
        [["--system-map".into(), list.into_os_string()], ["-s".into(), map.into_os_string()]]
    {
        let lookup = words(["symbols", "lookup", "helper", "only"]);
        let said = run(lookup.iter().cloned().chain(source.clone()));
        let notes = " helper 1 of vmlinux: between first_of_a and last_of_a, first_of_b\n \
                     helper 2 of vmlinux: between last_of_a, first_of_b and only\n";
        assert!(said.done().stdout.ends_with(notes), "{}", said.stdout);
        let json = words(["--format", "json"]);
        let json = run(lookup.into_iter().chain(source).chain(json)).json();
        assert_eq!(json[0]["candidates"][1]["beside"]["after"], serde_json::json!(["only"]));
        assert!(json[1]["candidates"][0]["beside"].is_null(), "{json}");
    }
}

#[test]
fn a_refusal_shows_the_neighbours_too() {
    let bench = Sandbox::new();
    let machine = machines().remove(0);
    let module = machine.path("lp_homonym_unannotated.ko");
    let list = "0000000000001000 t before_it\n0000000000002000 t twin_helper\n0000000000003000 t set_is_seen\n\
                0000000000004000 t between_them\n0000000000005000 t set_is_seen\n";
    let path = bench.file("System.map", list.as_bytes());
    let maps = ["--system-map".into(), path.into_os_string(), "--allow-stale-map".into()];
    let said = bench.convert_with(&module, maps);
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("at 0x5000, after twin_helper, between_them"), "{}", said.stderr);
}
