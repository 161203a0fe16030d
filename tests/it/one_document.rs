//! `--format json`: one document on standard output, however a command ends.

use std::ffi::OsString;

use serde_json::Value;

use crate::machine::{Map, machines};
use crate::symbols::{build, given};
use crate::tool::{Run, Sandbox, run};

/// What a call prints, if that is one document and nothing else.
#[track_caller]
fn document(words: impl IntoIterator<Item = OsString>) -> (Run, Value) {
    let words: Vec<_> = words.into_iter().collect();
    let ended = run(words.iter().cloned().chain(["--format".into(), "json".into()]));
    let mut all = serde_json::Deserializer::from_str(&ended.stdout).into_iter::<Value>();
    let first = all.next().unwrap_or_else(|| panic!("{words:?}: {ended:?}"));
    assert!(all.next().is_none(), "{words:?}: {}", ended.stdout);
    assert_eq!(ended.stderr, "", "{words:?}");
    (ended, first.unwrap())
}

fn words(words: &str) -> Vec<OsString> {
    words.split(' ').map(OsString::from).collect()
}

#[test]
fn a_name_that_is_not_found_has_a_diagnostic_in_the_document() {
    let (bench, machine) = (Sandbox::new(), machines().remove(0));
    let map = build(&bench, "map", &machine.map(Map::Elf));
    let call = words("symbols lookup set_is_seen no_such_symbol_xyz seq_printf set_is_sen");
    let (ended, found) = document(call.into_iter().chain(given(&map)));
    assert_eq!(ended.code, 1);
    let found = found.as_array().unwrap().clone();
    assert_eq!(found.len(), 4);
    for found in &found {
        let is_there =
            found["candidates"] != Value::Array(Vec::new()) || !found["export"].is_null();
        let diagnostics = found["diagnostics"].as_array().unwrap();
        assert_eq!(diagnostics.len(), usize::from(!is_there), "{found}");
        if !is_there {
            assert_eq!(diagnostics[0]["code"], "KLP-E0101");
            assert_eq!(diagnostics[0]["file"], found["name"]);
        }
    }
    assert!(found[3]["diagnostics"][0]["help"].to_string().contains("set_is_seen"), "{}", found[3]);
}

/// Every command that prints a document, with input that is missing, of the wrong kind, and refused.
#[test]
fn every_command_fails_with_one_document() {
    let (bench, machine) = (Sandbox::new(), machines().remove(0));
    let maps = machine.map(Map::Elf);
    let path = |name: &str| machine.path(name).into_os_string();
    let text = bench.file("text", b"no module, no map\n").into_os_string();
    let missing: OsString = bench.path("missing").into();
    let below: OsString = bench.path("missing/out").into();
    let old: OsString = build(&bench, "map", &maps).into();
    let with = |call: &str, further: &[&OsString], maps: &[OsString]| {
        let further = further.iter().map(|word| (*word).clone());
        words(call).into_iter().chain(further).chain(maps.iter().cloned()).collect::<Vec<_>>()
    };
    let plain = path("lp_two_owners.ko");
    let o = OsString::from("-o");
    let s = [OsString::from("-s"), text.clone()];
    let m = [OsString::from("-s"), missing.clone()];
    let ambiguous = path("lp_homonym_unannotated.ko");
    let out: OsString = bench.output().into();
    let mut calls = Vec::new();
    for input in [&text, &missing, &ambiguous] {
        calls.push(with("convert", &[input, &o, &out], &maps));
        calls.push(with("check", &[input, &plain], &maps));
        calls.push(with("load", &[input], &maps));
        calls.push(with("annotate --module", &[input], &maps));
    }
    for input in [&text, &missing] {
        calls.push(with("inspect", &[input], &maps));
        calls.push(with("symbols info -s", &[input], &[]));
        calls.push(with("symbols diff", &[&old, input], &[]));
        calls.push(with("symbols diff", &[input, &old], &[]));
        calls.push(with("symbols diff", &[&old, &old, &"--for".into(), input], &[]));
        calls.push(with("symbols build --vmlinux", &[input, &o, &out], &[]));
        calls.push(with("symbols export --vmlinux", &[input, &o, &out], &[]));
        calls.push(with("build --file", &[input], &[]));
        calls.push(with("kbuild --tree", &[input], &[]));
        calls.push(with("kbuild --convert", &[input, &o, &out], &maps));
        calls.push(with("annotate --errors", &[&missing], &maps));
    }
    for maps in [&s, &m] {
        calls.push(with("convert", &[&plain, &o, &out], maps));
        calls.push(with("check", &[&plain], maps));
        calls.push(with("load", &[&plain], maps));
        calls.push(with("inspect", &[&plain], maps));
        calls.push(with("symbols lookup a", &[], maps));
        calls.push(with("symbols export", &[&o, &out], maps));
        calls.push(with("symbols build", &[&o, &out], maps));
        calls.push(with("annotate --module", &[&plain], maps));
    }
    // Outputs that cannot be written.
    calls.push(with("convert", &[&plain, &o, &below], &maps));
    calls.push(with("symbols build", &[&o, &below], &maps));
    calls.push(with("symbols export", &[&o, &below], &maps));
    calls.push(with("load", &[&path("klp_target_a.ko"), &o, &"/proc/no/out".into()], &maps));
    calls.push(with("kbuild", &[&o, &"/proc/no/out".into()], &[]));
    // Arguments that are wrong.
    for call in [
        "relocs vax",
        "explain KLP-E9999",
        "check",
        "convert in.ko",
        "no-such-command",
        "check --no-such-option a.ko",
        "symbols",
        "new lp",
        "check -q -v a.ko",
    ] {
        calls.push(words(call));
    }
    calls.push(with("load --gate nothing", &[&path("klp_target_a.ko")], &maps));
    assert!(calls.len() > 60);
    for call in calls {
        let (ended, document) = document(call.clone());
        assert!([1, 2].contains(&ended.code), "{call:?}: {}", ended.code);
        let text = document.to_string();
        assert!(text.contains(r#""severity":"error""#), "{call:?}: {text}");
    }
    assert_eq!(bench.files(), ["map", "text"]);
}
