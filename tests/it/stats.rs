//! `stats`: figures of livepatches, what differs between two, and budgets.

use std::ffi::OsString;
use std::path::Path;

use klp_arch::Rela;
use serde_json::Value;

use crate::gates::converted;
use crate::image::Image;
use crate::machine::{Map, machines};
use crate::tool::{Run, Sandbox, run};

fn stats<S: Into<OsString>>(words: impl IntoIterator<Item = S>) -> Run {
    let words = words.into_iter().map(Into::into);
    run(["stats".into(), "--format".into(), "json".into()].into_iter().chain(words))
}

fn figures(module: &Path) -> Value {
    stats([module]).done().json()["modules"][0]["figures"].clone()
}

#[test]
fn figures_are_those_of_other_readers_and_of_the_load() {
    for machine in machines() {
        for name in ["lp_module_symbols.ko", "lp_many_objects.ko", "lp_two_owners.ko"] {
            let bench = Sandbox::new();
            let bytes = converted(&machine, name);
            let module = bench.file(name, &bytes);
            let figures = figures(&module);
            let image = Image::read(&bytes);
            let klp: usize = image.klp_sections().map(|section| section.relocations.len()).sum();
            assert_eq!(figures["klp.relocations"], klp, "{} {name}", machine.name);
            for section in image.klp_sections() {
                let figure = section.name.replacen(".klp.rela", "klp.relocations", 1);
                assert_eq!(figures[&figure], section.relocations.len(), "{figure}");
            }
            let symbols = image.symbols.iter().filter(|s| s.name.starts_with(".klp.sym."));
            assert_eq!(figures["klp.symbols"], symbols.count(), "{} {name}", machine.name);
            assert_eq!(figures["file"], bytes.len());
            let calls = image.find("__mcount_loc").or(image.find("__patchable_function_entries"));
            let figure = format!("special.{}", calls.unwrap().name);
            assert_eq!(figures[&figure], calls.unwrap().body.len() / 8, "{figure}");

            let words = [OsString::from("load"), module.into(), "--format".into(), "json".into()];
            let loaded = run(words.into_iter().chain(machine.map(Map::Elf))).done().json();
            let (mut all, mut kept) = (0, 0);
            for region in loaded["regions"].as_array().unwrap() {
                let (kind, size) =
                    (region["kind"].as_str().unwrap(), region["size"].as_u64().unwrap());
                assert_eq!(figures[format!("memory.{kind}")], size, "{} {kind}", machine.name);
                all += size;
                kept += if kind.starts_with("init") { 0 } else { size };
            }
            assert_eq!((&figures["memory"], &figures["memory.kept"]), (&all.into(), &kept.into()));
        }
    }
}

#[test]
fn what_stubs_and_slots_take_is_a_figure() {
    for machine in machines() {
        let bench = Sandbox::new();
        let module = bench.file("lp.ko", &converted(&machine, "lp_vmlinux_inferred.ko"));
        let figures = figures(&module);
        // x86_64 has none.
        let expected = match machine.name {
            "ppc64le" => Some("linkage..stubs"),
            "s390x" => Some("linkage.before"),
            "arm64" => Some("linkage..plt"),
            _ => None,
        };
        assert_eq!(figures.get("linkage").is_some(), expected.is_some(), "{}", machine.name);
        if let Some(expected) = expected {
            assert!(figures[expected].as_u64().unwrap() > 0, "{}", machine.name);
        }
    }
}

#[test]
fn a_comparison_shows_the_figures_that_differ() {
    let machine = &machines()[0];
    let bench = Sandbox::new();
    let old = bench.file("old.ko", &converted(machine, "lp_vmlinux_inferred.ko"));
    let new = bench.file("new.ko", &converted(machine, "lp_many_objects.ko"));
    let said = run(["stats".as_ref(), new.as_os_str(), "--compare".as_ref(), old.as_os_str()]);
    let text = said.done().stdout.clone();
    let line = text.lines().find(|line| line.starts_with("klp.relocations ")).unwrap();
    let count = |bytes: &[u8]| -> usize {
        Image::read(bytes).klp_sections().map(|section| section.relocations.len()).sum()
    };
    let counts = [&old, &new].map(|path| count(&std::fs::read(path).unwrap()).to_string());
    assert_eq!(line.split_whitespace().skip(1).take(2).collect::<Vec<_>>(), counts, "{text}");
    assert!(!text.contains("memory.init-text"), "{text}");
    let same = run(["stats".as_ref(), old.as_os_str(), "--compare".as_ref(), old.as_os_str()]);
    assert_eq!(same.done().stdout, "no figure differs\n");
    let document = stats([old.as_os_str(), "--compare".as_ref(), new.as_os_str()]).done().json();
    assert_eq!(document["modules"][0]["compared"]["klp.relocations"].to_string(), counts[1]);
}

#[test]
fn a_livepatch_over_its_budget_fails() {
    let machine = &machines()[0];
    let bench = Sandbox::new();
    let small = bench.file("small.ko", &converted(machine, "lp_vmlinux_inferred.ko"));
    let large = bench.file("large.ko", &converted(machine, "lp_many_objects.ko"));
    let check = |text: &str| {
        let budget = bench.file("budget.toml", text.as_bytes());
        run([
            "stats".as_ref(),
            "--budget".as_ref(),
            budget.as_os_str(),
            small.as_os_str(),
            large.as_os_str(),
        ])
    };
    check("[all]\n\"memory\" = 1048576\n\"klp.relocations\" = 7\n").done();
    let over = check("[all]\n\"klp.relocations\" = 6\n");
    assert_eq!(over.code, 1, "{}", over.stderr);
    assert!(over.stderr.contains("KLP-E0606"), "{}", over.stderr);
    assert!(over.stderr.contains("large.ko: klp.relocations is 7, 1 more than"), "{}", over.stderr);
    assert!(!over.stderr.contains("small.ko"), "{}", over.stderr);
    // Its own table goes before the one of all.
    check("[all]\n\"klp.relocations\" = 6\n[lp_many_objects]\n\"klp.relocations\" = 7\n").done();
    let wrong = check("[all]\n\"klp.relocation\" = 6\n");
    assert_eq!(wrong.code, 2, "{}", wrong.stderr);
    assert!(wrong.stderr.contains("there is no figure 'klp.relocation'"), "{}", wrong.stderr);
}

#[test]
fn a_file_that_is_no_module_does_not_hide_the_others() {
    let machine = &machines()[0];
    let bench = Sandbox::new();
    let good = bench.file("good.ko", &converted(machine, "lp_vmlinux_inferred.ko"));
    let bad = bench.file("bad.ko", b"not a module");
    let said = stats([&bad, &good]);
    assert_eq!(said.code, 1);
    let document = said.json();
    assert_eq!(document["modules"].as_array().unwrap().len(), 1);
    assert_eq!(document["diagnostics"][0]["code"], "KLP-E0001");
    let missing = stats([&bench.path("missing.ko"), &good]);
    assert_eq!((missing.code, missing.json()["modules"].as_array().unwrap().len()), (2, 1));
}

#[test]
fn relocations_are_counted_as_the_table_has_them() {
    let machine = &machines()[0];
    let bytes = converted(machine, "lp_many_sections.ko");
    let bench = Sandbox::new();
    let module = bench.file("lp.ko", &bytes);
    let image = Image::read(&bytes);
    let of_kernel = image.sections.iter().filter(|section| section.name.starts_with(".rela"));
    let all: usize = of_kernel.map(|section| section.body.len() / Rela::SIZE).sum();
    assert_eq!(figures(&module)["relocations"], all);
}

#[test]
fn a_history_grows_by_a_line_for_each_module_and_is_drawn() {
    let machine = &machines()[0];
    let bench = Sandbox::new();
    let one = bench.file("one.ko", &converted(machine, "lp_vmlinux_inferred.ko"));
    let two = bench.file("two.ko", &converted(machine, "lp_many_objects.ko"));
    let (history, page) = (bench.path("history.jsonl"), bench.path("page.html"));
    let add = |label: &str, modules: &[&Path]| {
        let words =
            ["stats".as_ref(), "--history".as_ref(), history.as_os_str(), "--label".as_ref()];
        let modules = modules.iter().map(|module| module.as_os_str());
        run(words.into_iter().chain([label.as_ref()]).chain(modules))
    };
    add("v1", &[&one, &two]).done();
    add("v2", &[&one]).done();
    // Again: in the place of the old line.
    add("v1", &[&one, &two]).done();
    let text = std::fs::read_to_string(&history).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let named: Vec<_> = lines.iter().map(|l| [l["label"].as_str(), l["name"].as_str()]).collect();
    let (first, second) = (Some("lp_vmlinux_inferred"), Some("lp_many_objects"));
    assert_eq!(named, [[Some("v1"), first], [Some("v1"), second], [Some("v2"), first]]);
    assert_eq!(lines[1]["figures"], figures(&two));

    let draw = [
        "stats".as_ref(),
        "--history".as_ref(),
        history.as_os_str(),
        "--page".as_ref(),
        page.as_os_str(),
    ];
    run(draw).done();
    let drawn = std::fs::read_to_string(&page).unwrap();
    let charts = lines.iter().flat_map(|line| line["figures"].as_object().unwrap().keys());
    let charts: std::collections::BTreeSet<_> = charts.collect();
    assert_eq!(drawn.matches("<svg").count(), charts.len());
    for figure in charts {
        assert!(drawn.contains(&format!("<figcaption>{figure}</figcaption>")), "{figure}");
    }
    assert!(drawn.contains("lp_many_objects, v1: ") && !drawn.contains("http"), "{drawn}");
    assert_eq!(std::fs::read_to_string(&history).unwrap(), text);
}

#[test]
fn a_history_is_not_lost() {
    let machine = &machines()[0];
    let bench = Sandbox::new();
    let module = bench.file("one.ko", &converted(machine, "lp_vmlinux_inferred.ko"));
    let history = bench.file("history.jsonl", b"{\"label\":\"v1\"}\n");
    let stats = |words: &[&std::ffi::OsStr]| {
        run([std::ffi::OsStr::new("stats")].into_iter().chain(words.iter().copied()))
    };
    let (option, label) = (std::ffi::OsStr::new("--history"), std::ffi::OsStr::new("--label"));
    let wrong = stats(&[option, history.as_os_str(), label, "v2".as_ref(), module.as_os_str()]);
    wrong.usage_or_io(&["KLP-E0608", "line 1: missing field"]);
    assert_eq!(std::fs::read(&history).unwrap(), b"{\"label\":\"v1\"}\n");
    stats(&[option, history.as_os_str(), module.as_os_str()])
        .usage_or_io(&["--history needs --label"]);
    let page = std::ffi::OsStr::new("--page");
    std::fs::write(&history, "").unwrap();
    stats(&[option, history.as_os_str(), page, history.as_os_str()])
        .usage_or_io(&["the same file as the history"]);
    let bytes = std::fs::read(&module).unwrap();
    stats(&[option, module.as_os_str(), label, "v2".as_ref(), module.as_os_str()])
        .usage_or_io(&["the same file as the module"]);
    assert_eq!(std::fs::read(&module).unwrap(), bytes);
    let missing = bench.path("missing.jsonl");
    stats(&[option, missing.as_os_str(), page, bench.path("page.html").as_os_str()])
        .usage_or_io(&["KLP-E0601", "missing.jsonl"]);
    assert!(!bench.path("page.html").exists());
}
