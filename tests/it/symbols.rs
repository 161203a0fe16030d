//! `symbols`: a map of the committed kernels gives the same results as the kernels themselves.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use object::Endianness;
use object::elf::{Sym64, SymbolInfo, SymbolSection};

use crate::image::Image;
use crate::machine::{Machine, Map, machines};
use crate::patch::Patched;
use crate::tool::{Run, Sandbox, run, undeclared};

/// Runs `symbols` with some words and further arguments.
pub(crate) fn symbols<S: Into<OsString>>(
    words: &[&str],
    further: impl IntoIterator<Item = S>,
) -> Run {
    let words = ["symbols"].iter().chain(words).map(OsString::from);
    run(words.chain(further.into_iter().map(Into::into)))
}

/// Builds a map of these sources.
pub(crate) fn build(bench: &Sandbox, name: &str, sources: &[OsString]) -> PathBuf {
    let map = bench.path(name);
    let output = [OsString::from("-o"), map.clone().into()];
    symbols(&["build"], output.into_iter().chain(sources.iter().cloned())).done();
    map
}

pub(crate) fn given(map: &Path) -> [OsString; 2] {
    ["-s".into(), map.into()]
}

/// The kernel with the addresses of two homonyms exchanged.
fn swapped(bench: &Sandbox, machine: &Machine, name: &str) -> PathBuf {
    let image = Image::read(&machine.read("vmlinux.cut"));
    let homonyms: Vec<_> =
        (0..image.symbols.len()).filter(|&n| image.symbols[n].name == name).collect();
    let [first, second] = homonyms[..] else { panic!("{}: {homonyms:?}", machine.name) };
    let (low, high) = (image.symbols[first].value, image.symbols[second].value);
    let patched = Patched::new(machine.read("vmlinux.cut"))
        .symbol(first, |s, e| s.st_value.set(e, high))
        .symbol(second, |s, e| s.st_value.set(e, low));
    bench.file("swapped", &patched.bytes)
}

#[test]
fn a_conversion_with_a_map_equals_one_with_its_sources() {
    for machine in machines() {
        let bench = Sandbox::new();
        let map = build(&bench, "kernel.klpmap", &machine.map(Map::Elf));
        for livepatch in machine.livepatches() {
            let input = machine.path(&livepatch);
            let direct = bench.convert(&input, &machine, Map::Elf);
            let bytes = std::fs::read(bench.output()).ok();
            let _ = std::fs::remove_file(bench.output());
            let mapped = given(&map).into_iter().chain(undeclared(&input));
            let mapped = bench.convert_with(&input, mapped);
            assert_eq!((direct.code, &direct.stderr), (mapped.code, &mapped.stderr), "{livepatch}");
            assert!(bytes == std::fs::read(bench.output()).ok(), "{}: {livepatch}", machine.name);
            if direct.code == 0 {
                let output = bench.output();
                let check = |maps: Vec<OsString>| {
                    let words = [vec!["check".into(), output.clone().into()], maps].concat();
                    run(words.into_iter().chain(undeclared(&input)))
                };
                let (direct, mapped) = (check(machine.map(Map::Elf)), check(given(&map).into()));
                assert_eq!(direct.done().stderr, mapped.done().stderr);
                std::fs::remove_file(bench.output()).unwrap();
            }
        }
    }
}

#[test]
fn lookups_and_lists_of_a_map_equal_those_of_its_sources() {
    let names = ["set_is_seen", "set_root", "klp_homonym", "klp_target_a_exported", "nr_processes"];
    for machine in machines() {
        let bench = Sandbox::new();
        let sources = machine.map(Map::Elf);
        let map = build(&bench, "kernel.klpmap", &sources);
        for form in ["text", "json"] {
            let words = [&["lookup", "--format", form][..], &names].concat();
            let (direct, mapped) = (symbols(&words, sources.clone()), symbols(&words, given(&map)));
            assert_eq!(direct.done().stdout, mapped.done().stdout, "{}", machine.name);
        }
        let (direct, mapped) =
            (symbols(&["export"], sources.clone()), symbols(&["export"], given(&map)));
        assert_eq!(direct.done().stdout, mapped.done().stdout, "{}", machine.name);
        let sorted = |run: &Run| {
            let mut lines: Vec<_> = run.done().stdout.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        let words = ["export", "--as", "kallsyms"];
        let direct = sorted(&symbols(&words, sources));
        assert_eq!(direct, sorted(&symbols(&words, given(&map))), "{}", machine.name);
        assert!(direct.iter().any(|line| line.ends_with("klp_homonym\t[klp_target_a]")));
    }
}

#[test]
fn an_exported_list_can_be_used_for_a_conversion() {
    for machine in machines() {
        let bench = Sandbox::new();
        let list = bench.path("symbols.klp");
        let output = [OsString::from("-o"), list.clone().into()];
        symbols(&["export"], machine.map(Map::Elf).into_iter().chain(output)).done();
        let [option, list] = given(&list);
        let symvers = ["--symvers".into(), machine.path("Module.symvers").into()];
        let input = machine.path("lp_homonyms_annotated.ko");
        bench.convert_with(&input, [option, list].into_iter().chain(symvers)).done();
        let with_list = bench.written();
        bench.convert(&input, &machine, Map::Elf).done();
        assert!(with_list == bench.written(), "{}", machine.name);
    }
}

#[test]
fn a_map_does_not_depend_on_the_order_of_its_sources_or_on_their_number() {
    for machine in machines() {
        let bench = Sandbox::new();
        let sources = machine.map(Map::Elf);
        let pairs: Vec<_> = sources.chunks(2).collect();
        let turned: Vec<_> = pairs.iter().rev().flat_map(|pair| pair.to_vec()).collect();
        let first = build(&bench, "first", &sources);
        let bytes = std::fs::read(&first).unwrap();
        assert!(bytes == std::fs::read(build(&bench, "turned", &turned)).unwrap());
        // A map of the same sources, and a module given twice, add nothing.
        let module = ["--module".into(), machine.path("klp_target_a.ko").into()];
        let twice = [&turned[..], &module, &given(&first)].concat();
        assert!(bytes == std::fs::read(build(&bench, "twice", &twice)).unwrap());
        assert!(bytes == std::fs::read(build(&bench, "of a map", &given(&first))).unwrap());
        // A folder counts as its modules.
        let folder = bench.path("modules");
        std::fs::create_dir_all(folder.join("net/deep")).unwrap();
        std::fs::copy(machine.path("klp_target_a.ko"), folder.join("net/deep/other name.ko"))
            .unwrap();
        std::fs::copy(machine.path("klp_target_b.ko"), folder.join("b.ko")).unwrap();
        let folder = [&sources[..2], &sources[6..], &["--modules".into(), folder.into()]].concat();
        assert!(bytes == std::fs::read(build(&bench, "of a folder", &folder)).unwrap());
    }
}

#[test]
fn info_describes_a_map() {
    for machine in machines() {
        let bench = Sandbox::new();
        let map = build(&bench, "kernel.klpmap", &machine.map(Map::Elf));
        let text = symbols(&["info", "-v"], given(&map)).done().stdout.clone();
        for word in ["kernel 7.2.13", machine.name, "2 modules", "vmlinux build-id "] {
            assert!(text.contains(word), "no {word} in {text}");
        }
        assert!(text.contains("klp_target_a positions proven, "), "{text}");
        let document = symbols(&["info", "--format", "json"], given(&map)).done().json();
        assert_eq!(document["kernel"]["release"], "7.2.13");
        assert_eq!(document["machine"], machine.name);
        assert_eq!((&document["vmlinux"], &document["modules"]), (&true.into(), &2.into()));
        assert_eq!(document["build_id"].as_str().unwrap().len(), 40);
        let size = std::fs::metadata(&map).unwrap().len();
        assert_eq!(document["size"], size);
        assert!(document["symbols"].as_u64() > Some(100));
        assert!(document["exports"].as_u64() > Some(10));
    }
}

#[test]
fn a_build_prints_one_line_or_one_document_or_nothing() {
    let (bench, machine) = (Sandbox::new(), machines().remove(0));
    let build = |words: &[&str]| {
        let output = [OsString::from("-o"), bench.path("map").into()];
        let words = [&["build"], words].concat();
        symbols(&words, machine.map(Map::Elf).into_iter().chain(output))
    };
    let said = build(&[]);
    assert_eq!((said.done().stdout.as_str(), said.stderr.lines().count()), ("", 1));
    assert!(said.stderr.contains("map: kernel 7.2.13 (x86_64), vmlinux and 2 modules, "));
    let quiet = build(&["-q"]);
    assert_eq!((quiet.done().stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    let json = build(&["--format", "json"]);
    assert_eq!(json.done().stderr, "");
    let document = json.json();
    assert_eq!(document["output"], bench.path("map").to_str().unwrap());
    assert_eq!(document["map"]["modules"], 2);
    assert_eq!(document["diagnostics"], serde_json::json!([]));
    assert_eq!(bench.files(), ["map"]);
}

#[test]
fn a_lookup_shows_every_candidate_and_how_it_is_reached() {
    for machine in machines() {
        let bench = Sandbox::new();
        let map = build(&bench, "map", &machine.map(Map::Elf));
        let names = ["set_is_seen", "klp_target_a_exported", "klp_target_a_hidden", "seq_printf"];
        let words = [&["lookup"], &names[..]].concat();
        let text = symbols(&words, given(&map)).done().stdout.clone();
        let fields = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let lines: Vec<_> = text.lines().map(fields).collect();
        assert_eq!(lines.len(), 6, "{text}");
        for (line, position, file) in [(&lines[1], "1/2", "pid.c"), (&lines[2], "2/2", "ucount.c")]
        {
            assert_eq!(line[..3], ["set_is_seen", "vmlinux", position]);
            assert_eq!(line[7..], [file, "by", "position"], "{text}");
        }
        for line in &lines[3..5] {
            assert!(line.ends_with(&["by".into(), "name".into()]), "{text}");
        }
        assert!(lines[5].ends_with(&["as".into(), "an".into(), "export".into()]), "{text}");
        let words = [&words[..], &["--format", "json"]].concat();
        let found = symbols(&words, given(&map)).done().json();
        assert_eq!(found[0]["candidates"][1]["position"], 2);
        assert_eq!(found[0]["candidates"][1]["reach"], "by-position");
        assert_eq!(found[1]["export"]["owner"], "klp_target_a");
        assert_eq!(found[2]["candidates"][0]["object"], "klp_target_a");
    }
}

#[test]
fn a_name_that_is_not_found_is_refused_with_similar_ones() {
    let (bench, machine) = (Sandbox::new(), machines().remove(0));
    let map = build(&bench, "map", &machine.map(Map::Elf));
    let said = ["error[KLP-E0101]", "'set_is_sen'", "did you mean 'set_is_seen' of vmlinux?"];
    symbols(&["lookup", "set_is_sen"], given(&map)).refused(&said);
    let some = symbols(&["lookup", "set_root", "no_such_name_at_all"], given(&map));
    assert_eq!(some.code, 1, "{}", some.stderr);
    assert!(some.stdout.contains("set_root") && some.stderr.contains("'no_such_name_at_all'"));
    let json = symbols(&["lookup", "set_is_sen", "--format", "json"], given(&map));
    assert_eq!((json.code, json.stderr.as_str()), (1, ""));
    assert_eq!(json.json()[0]["candidates"], serde_json::json!([]));
}

#[test]
fn a_diff_shows_which_symbols_changed_position() {
    for machine in machines() {
        let bench = Sandbox::new();
        let mut sources = machine.map(Map::Elf);
        let old = build(&bench, "old", &sources);
        sources[1] = swapped(&bench, &machine, "set_is_seen").into();
        // Its module is gone, and so are its symbols.
        sources.drain(4..6);
        let new = build(&bench, "new", &sources);
        let moved = [
            "vmlinux: set_is_seen: position 1 is now position 2 (pid.c)\n",
            "vmlinux: set_is_seen: position 2 is now position 1 (ucount.c)\n",
        ];
        let whole = symbols(&["diff"], [&old, &new]);
        let first = "positions, or how many symbols have a name: ";
        assert!(whole.done().stdout.starts_with(first), "{}", whole.stdout);
        for line in moved.into_iter().chain(["  klp_target_b: gone, with "]) {
            assert!(whole.stdout.contains(line), "{}", whole.stdout);
        }
        let all = symbols(&["diff", "--all"], [&old, &new]);
        for line in moved.into_iter().chain(["\nklp_target_b: cleanup_module: vanished\n"]) {
            assert!(all.done().stdout.contains(line), "{}", all.stdout);
        }
        let json = symbols(&["diff", "--format", "json"], [&old, &new]).done().json();
        assert_eq!(json.as_array().unwrap().len(), all.stdout.lines().count());
        // What modpost makes is in the gone module, and in no overview.
        assert!(all.stdout.contains("klp_target_b: __this_module: vanished\n"), "{}", all.stdout);
        assert!(!whole.stdout.contains("__this_module"), "{}", whole.stdout);
        assert!(whole.stderr.ends_with(" of names that compilers and macros make: --all\n"));
        assert!(whole.stdout.lines().count() < all.stdout.lines().count());
        let module = machine.path("lp_selector_file.ko");
        let mut words = vec![OsString::from("--for"), module.into()];
        words.extend([OsString::from(&old), new.clone().into()]);
        let some = symbols(&["diff"], words.clone());
        assert_eq!(some.done().stdout.lines().count(), 2, "{}", some.stdout);
        assert!(some.stderr.ends_with("2 changes\n"), "{}", some.stderr);
        let document = symbols(&["diff", "--format", "json"], words).done().json();
        assert_eq!(document[0]["change"], "moved");
        assert_eq!((&document[0]["before"], &document[0]["now"]), (&1.into(), &2.into()));
        let same = symbols(&["diff"], [&old, &old]);
        assert_eq!((same.done().stdout.as_str(), same.stderr.as_str()), ("", "0 changes\n"));
    }
}

#[test]
fn sources_with_other_addresses_or_fewer_homonyms_contradict_each_other() {
    for machine in machines() {
        let bench = Sandbox::new();
        let map = build(&bench, "map", &machine.map(Map::Elf));
        let image = Image::read(&machine.read("vmlinux.cut"));
        let at = image.symbols.iter().position(|s| s.name == "set_is_seen").unwrap();
        let vmlinux = || Patched::new(machine.read("vmlinux.cut"));
        let value = image.symbols[at].value;
        let build_id = |mut bytes: Vec<u8>| {
            let id = bytes.windows(4).position(|w| w == b"GNU\0").unwrap() + 4;
            bytes[id] ^= 0xff;
            bytes
        };
        let cases = [
            (vmlinux().symbol(at, |s, e| s.st_value.set(e, value + 4)).bytes, "is at 0x"),
            (vmlinux().rename(at, "set_is_unseen").bytes, "occurs"),
            (build_id(machine.read("vmlinux.cut")), "build-id "),
        ];
        for (n, (bytes, word)) in cases.into_iter().enumerate() {
            let other = bench.file(&format!("vmlinux{n}"), &bytes);
            let before = bench.files();
            let sources = || {
                [OsString::from("--vmlinux"), other.clone().into()].into_iter().chain(given(&map))
            };
            let out = [OsString::from("-o"), bench.path("out").into()];
            let name = other.to_str().unwrap();
            let said = ["error[KLP-E0502]", name, "not the same 'vmlinux'", word];
            let about = |text: &str| text.contains(name) || text.contains(map.to_str().unwrap());
            let built = symbols(&["build"], sources().chain(out));
            assert_eq!(built.code, 1, "{}", built.stderr);
            assert!(about(&built.stderr));
            for word in [said[0], said[2], word] {
                assert!(built.stderr.contains(word), "no '{word}' in {}", built.stderr);
            }
            assert_eq!(bench.files(), before);
            symbols(&["lookup", "set_is_seen"], sources()).refused(&[said[0], said[2], word]);
            bench.refuses(&machine.path("lp_homonyms_annotated.ko"), sources(), &[said[0], word]);
        }
    }
}

/// The gABI reserves symbol 0, and the kernel begins at 1, so what it says is about nothing.
#[test]
fn what_the_null_symbol_says_changes_no_map() {
    for machine in machines() {
        for (file, option) in [("vmlinux.cut", "--vmlinux"), ("klp_target_b.ko", "--module")] {
            let image = Image::read(&machine.read(file));
            let function = image.symbols.iter().position(|symbol| symbol.info & 0xf == 2).unwrap();
            let null = |change: &dyn Fn(&mut Sym64<Endianness>, Endianness)| {
                Patched::new(machine.read(file)).symbol(0, change).bytes
            };
            let name = image.symbols[function].name.clone();
            let named = Patched::new(machine.read(file)).rename(0, &name);
            let files = [
                machine.read(file),
                null(&|symbol, _| symbol.st_info = SymbolInfo(4)),
                null(&|symbol, endian| {
                    symbol.st_info = SymbolInfo(2);
                    symbol.st_shndx.set(endian, SymbolSection(1));
                    symbol.st_value.set(endian, 16);
                }),
                named
                    .symbol(0, |symbol, endian| symbol.st_shndx.set(endian, SymbolSection(1)))
                    .bytes,
            ];
            let maps = files.map(|bytes| {
                let bench = Sandbox::new();
                let source = bench.file(file, &bytes);
                fs::read(build(&bench, "map", &[option.into(), source.into()])).unwrap()
            });
            for map in &maps {
                assert!(*map == maps[0], "{} {file}", machine.name);
            }
        }
    }
}
