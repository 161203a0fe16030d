//! The calls of the tools' own last steps: their words, their names, their exit codes.

use std::path::Path;
use std::process::Command;

use super::{Generation, is_big, kpatch, objtool};
use crate::gates::converted;
use crate::image::Image;
use crate::machine::{Machine, Map, machines};
use crate::tool::{Run, Sandbox, run};

const NAME: &str = "lp_module_symbols.ko";

fn of_objtool(machine: &Machine) -> Vec<u8> {
    objtool(machine, &converted(machine, NAME), Generation::Gate, is_big(machine))
}

fn of_kpatch(machine: &Machine) -> Vec<u8> {
    kpatch(machine, &converted(machine, NAME), is_big(machine))
}

/// Calls a link to the program.
fn called(link: &Path, words: &[&Path]) -> Run {
    if !link.exists() {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_klp-convert"), link).unwrap();
    }
    Run::of(Command::new(link).args(words).env("NO_COLOR", "1").output().unwrap())
}

#[test]
fn post_link_replaces_its_file_once_and_for_all() {
    for machine in machines() {
        let bench = Sandbox::new();
        let file = bench.file("lp.ko", &of_objtool(&machine));
        let ended = run(["post-link".as_ref(), file.as_os_str()]);
        assert_eq!(ended.code, 0, "{}: {}", machine.name, ended.stderr);
        let finished = std::fs::read(&file).unwrap();
        let image = Image::read(&finished);
        assert!(image.klp_sections().next().is_some() && image.find("__klp_relocs").is_none());
        let left = image.symbols.iter().find(|symbol| symbol.name.contains(".tombstone."));
        assert_eq!(left, None, "{}", machine.name);
        let written = std::fs::metadata(&file).unwrap().modified().unwrap();
        run(["post-link".as_ref(), file.as_os_str()]).done();
        assert_eq!(std::fs::read(&file).unwrap(), finished, "twice is once");
        assert_eq!(std::fs::metadata(&file).unwrap().modified().unwrap(), written, "not written");
        assert_eq!(bench.files(), ["lp.ko"]);
        let with_map =
            ["check".into(), file.into_os_string()].into_iter().chain(machine.map(Map::Elf));
        run(with_map).done();
    }
}

#[test]
fn a_module_without_records_stays_as_it_is() {
    for machine in machines() {
        let bench = Sandbox::new();
        // Its symbols would have to be converted, which is not what is asked for.
        let plain = machine.read(NAME);
        let file = bench.file("lp.ko", &plain);
        run(["post-link".as_ref(), file.as_os_str()]).done();
        assert_eq!(std::fs::read(&file).unwrap(), plain);
        let output = bench.output();
        run(["create-klp-module".as_ref(), file.as_os_str(), output.as_os_str()]).done();
        assert_eq!(bench.written(), plain);
    }
}

#[test]
fn create_klp_module_leaves_none_of_kpatchs_records() {
    for machine in machines() {
        for words in [&["create-klp-module"][..], &["create-klp-module", "-n"]] {
            let bench = Sandbox::new();
            let (input, output) = (bench.file("in.ko", &of_kpatch(&machine)), bench.output());
            let words = words.iter().map(AsRef::as_ref);
            run(words.chain([input.as_os_str(), output.as_os_str()])).done();
            let image = Image::read(&bench.written());
            let names = image.sections.iter().map(|section| section.name.as_str());
            let left: Vec<_> = names.filter(|name| name.contains(".kpatch.")).collect();
            assert_eq!(left, [".kpatch.strings"], "{}", machine.name);
            let symbol = image.symbols.iter().position(|symbol| symbol.info >> 4 != 0).unwrap();
            let table = image.section(".symtab");
            assert_eq!(table.info as usize, symbol, "locals come first");
            let mut after = image.symbols[symbol..].iter();
            assert!(after.all(|symbol| symbol.info >> 4 != 0), "{}", machine.name);
        }
    }
}

#[test]
fn a_link_with_the_name_of_a_tool_is_called_as_that_tool() {
    let machine = machines().remove(0);
    let bench = Sandbox::new();
    let link = bench.path("objtool");
    let file = bench.file("lp.ko", &of_objtool(&machine));
    let as_objtool = |words: &[&str]| {
        let words: Vec<_> = words.iter().map(Path::new).chain([file.as_path()]).collect();
        called(&link, &words)
    };
    as_objtool(&["klp", "post-link"]).done();
    assert!(Image::read(&std::fs::read(&file).unwrap()).klp_sections().next().is_some());
    for words in [&["klp", "diff"][..], &["--orc"], &[]] {
        let ended = as_objtool(words);
        assert_eq!(ended.code, 255, "{words:?}");
        assert!(ended.stderr.contains("does 'objtool klp post-link' only"), "{}", ended.stderr);
    }
    let input = bench.file("in.ko", &of_kpatch(&machine));
    let output = bench.output();
    called(&bench.path("create-klp-module"), &[Path::new("-n"), &input, &output]).done();
    assert!(Image::read(&bench.written()).klp_sections().next().is_some());
}

#[test]
fn what_cannot_be_finished_is_left_alone_and_fails_as_with_the_tool() {
    let machine = machines().remove(0);
    let bench = Sandbox::new();
    let cut = of_objtool(&machine);
    let file = bench.file("lp.ko", &cut[..cut.len() / 2]);
    let ended = run(["post-link".as_ref(), file.as_os_str()]);
    assert_eq!(ended.code, 255, "{}", ended.stderr);
    assert_eq!(std::fs::read(&file).unwrap(), cut[..cut.len() / 2]);
    for words in [
        &["post-link"][..],
        &["post-link", "missing.ko"],
        &["post-link", "a", "b"],
        &["-q", "post-link"],
        &["--format", "json", "post-link"],
    ] {
        assert_eq!(run(words).code, 255, "{words:?}");
    }
    let missing = run(["create-klp-module", "missing.ko", "out.ko"]);
    assert_eq!(missing.code, 2, "{}", missing.stderr);
    assert_eq!(bench.files(), ["lp.ko"]);
}

#[test]
fn what_objtool_keeps_is_kept_on_demand() {
    for machine in machines() {
        let bench = Sandbox::new();
        let file = bench.file("lp.ko", &of_objtool(&machine));
        run(["post-link".as_ref(), "--keep-intermediates".as_ref(), file.as_os_str()]).done();
        let kept = std::fs::read(&file).unwrap();
        let image = Image::read(&kept);
        assert!(image.sections.iter().any(|section| section.name.starts_with("__klp_relocs.")));
        let undefined = image.symbols.iter().filter(|symbol| symbol.section == 0);
        let left: Vec<_> = undefined.filter(|symbol| symbol.name.starts_with(".klp.")).collect();
        assert_eq!(left, [] as [&crate::image::Symbol; 0], "{}", machine.name);
        // ppc64 refuses relocations of type 0.
        let disabled = image.sections.iter().flat_map(|section| &section.relocations);
        let disabled = disabled.filter(|rela| rela.kind == 0).count();
        assert_eq!(disabled == 0, machine.name == "ppc64le", "{}", machine.name);
        run(["post-link".as_ref(), file.as_os_str()]).done();
        assert_eq!(std::fs::read(&file).unwrap(), kept, "it is finished");
        let with_map =
            ["check".into(), file.into_os_string()].into_iter().chain(machine.map(Map::Elf));
        run(with_map).done();
    }
}
