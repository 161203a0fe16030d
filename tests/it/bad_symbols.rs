//! Bad sources and maps as they occur in practice: named in the error, and nothing is written.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::machine::{Machine, Map, machines};
use crate::symbols::{build, given, symbols};
use crate::tool::{Run, Sandbox, program};

fn first() -> Machine {
    machines().remove(0)
}

fn words(words: &[(&str, &Path)]) -> Vec<OsString> {
    words.iter().flat_map(|(option, path)| [OsString::from(option), (*path).into()]).collect()
}

/// Builds into `out.klpmap`.
fn built(bench: &Sandbox, sources: &[OsString], further: &[&str]) -> Run {
    let output = ["-o".into(), bench.path("out.klpmap").into()];
    let further = further.iter().map(OsString::from);
    symbols(&["build"], sources.iter().cloned().chain(output).chain(further))
}

/// A build that fails, without and with an old map: no file appears, none changes, and all of
/// `said` is printed.
#[track_caller]
fn fails(bench: &Sandbox, code: i32, sources: &[OsString], said: &[&str]) {
    let before = bench.files();
    let out = bench.path("out.klpmap");
    let check = |run: &Run| match code {
        1 => run.refused(said).code,
        _ => run.usage_or_io(said).code,
    };
    check(&built(bench, sources, &[]));
    assert_eq!(bench.files(), before, "a failed build left a file");
    std::fs::write(&out, b"old").unwrap();
    check(&built(bench, sources, &[]));
    assert_eq!(std::fs::read(&out).unwrap(), b"old", "a failed build touched the old map");
    std::fs::remove_file(out).unwrap();
    assert_eq!(bench.files(), before, "a failed build left a file");
}

/// The warnings of `--keep-going`, and the number of modules in the map.
#[track_caller]
fn kept(bench: &Sandbox, sources: &[OsString]) -> (String, u64) {
    let run = built(bench, sources, &["--keep-going", "--format", "json"]);
    let document = run.done().json();
    let diagnostics = document["diagnostics"].as_array().unwrap();
    assert!(diagnostics.iter().all(|d| d["severity"] == "warning"), "{diagnostics:?}");
    let text = built(bench, sources, &["--keep-going"]);
    let said = text.done().stderr.clone();
    assert_eq!(said.matches("warning[KLP-E0").count(), diagnostics.len(), "{said}");
    assert_eq!(built(bench, sources, &["--keep-going", "-q"]).done().stderr, "");
    std::fs::remove_file(bench.path("out.klpmap")).unwrap();
    (said, document["map"]["modules"].as_u64().unwrap())
}

/// A folder `modules` with the two modules of the machine.
fn folder(bench: &Sandbox, machine: &Machine) -> PathBuf {
    let folder = bench.path("modules");
    std::fs::create_dir(&folder).unwrap();
    for name in ["klp_target_a.ko", "klp_target_b.ko"] {
        std::fs::copy(machine.path(name), folder.join(name)).unwrap();
    }
    folder
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

pub(crate) fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    liblzma::read::XzEncoder::new(bytes, 1).read_to_end(&mut out).unwrap();
    out
}

#[test]
fn malformed_and_truncated_boot_images_are_refused() {
    let bench = Sandbox::new();
    let kernel = machines().remove(3).read("vmlinux.cut");
    let packed = gzip(&kernel);
    let mut zboot = vec![0; 0x200];
    zboot[..8].copy_from_slice(b"MZ\0\0zimg");
    zboot[8..16].copy_from_slice(&[64, 0, 0, 0, 128, 0, 0, 0]);
    zboot[24..29].copy_from_slice(b"brotl");
    let cases: [(&str, &[u8], &str); 8] = [
        ("empty", b"", "not a boot image"),
        ("text", b"#!/bin/sh\n", "it starts with"),
        ("gz-10", &packed[..10], "gzip data end too early"),
        ("gz-half", &packed[..packed.len() / 2], "gzip data end too early"),
        ("gz-less-1", &packed[..packed.len() - 1], "gzip data end too early"),
        ("no-tables", &packed, "no symbol table"),
        ("zboot", &zboot, "unknown compression"),
        ("elf-cut", &kernel[..100], ""),
    ];
    for (name, bytes, said) in cases {
        let image = bench.file(name, bytes);
        fails(&bench, 1, &words(&[("--image", &image)]), &["error[KLP-E05", name, said]);
    }
}

#[test]
fn unusable_modules_are_named_and_skipped_only_on_request() {
    let machine = first();
    let whole = machine.read("klp_target_a.ko");
    let stranger = machines().remove(2).read("klp_target_b.ko");
    let mut other_build = machine.read("klp_target_b.ko");
    let id = other_build.windows(4).position(|w| w == b"GNU\0").unwrap() + 4;
    other_build[id] ^= 0xff;
    let cases: [(&str, &[u8], &str); 8] = [
        ("cut.ko", &whole[..whole.len() / 2], "error[KLP-E0501]"),
        ("empty.ko", b"", "not a 64-bit ELF file"),
        ("text.ko", b"hello", "not a 64-bit ELF file"),
        ("cut.ko.xz", &xz(&whole)[..600], "xz data end too early"),
        ("cut.ko.gz", &gzip(&whole)[..600], "gzip data end too early"),
        ("linked.ko", &machine.read("vmlinux.cut"), "not a relocatable file"),
        ("stranger.ko", &stranger, "error[KLP-E0502]"),
        ("zz_other_build.ko", &other_build, "build-id"),
    ];
    for (name, bytes, said) in cases {
        let bench = Sandbox::new();
        let modules = folder(&bench, &machine);
        std::fs::write(modules.join(name), bytes).unwrap();
        let vmlinux = machine.path("vmlinux.cut");
        let sources = words(&[("--vmlinux", &vmlinux), ("--module", &modules)]);
        fails(&bench, 1, &sources, &["error[KLP-E05", name, said]);
        let (warned, modules) = kept(&bench, &sources);
        assert!(warned.contains(name), "{warned}");
        assert_eq!((warned.matches("warning[").count(), modules), (1, 2), "{name}: {warned}");
    }
}

#[test]
fn two_copies_of_one_module_count_once() {
    let (bench, machine) = (Sandbox::new(), first());
    let modules = folder(&bench, &machine);
    std::fs::write(modules.join("copy.ko.xz"), xz(&machine.read("klp_target_a.ko"))).unwrap();
    let (warned, count) = kept(&bench, &words(&[("--module", &modules)]));
    assert_eq!((warned.matches("warning[").count(), count), (0, 2), "{warned}");
}

#[test]
fn unreadable_files_are_io_errors() {
    let machine = first();
    let vmlinux = machine.path("vmlinux.cut");
    let bench = Sandbox::new();
    let gone = bench.path("gone.ko");
    let said = ["error[KLP-E0601]", "gone.ko", "No such file"];
    fails(&bench, 2, &words(&[("--vmlinux", &vmlinux), ("--module", &gone)]), &said);
    let modules = folder(&bench, &machine);
    symlink(bench.path("nowhere"), modules.join("dangling.ko")).unwrap();
    let sources = words(&[("--vmlinux", &vmlinux), ("--module", &modules)]);
    fails(&bench, 2, &sources, &["error[KLP-E0601]", "dangling.ko"]);
    let (warned, count) = kept(&bench, &sources);
    assert!(warned.contains("warning[KLP-E0601]") && warned.contains("dangling.ko"), "{warned}");
    assert_eq!(count, 2);
    std::fs::remove_file(modules.join("dangling.ko")).unwrap();
    // A folder may be named like a module; its contents count.
    std::fs::create_dir(modules.join("folder.ko")).unwrap();
    assert_eq!(kept(&bench, &sources).1, 2);
    for option in ["--vmlinux", "--image", "--system-map", "--symvers", "--kallsyms", "-s"] {
        fails(&bench, 2, &words(&[(option, &modules)]), &["error[KLP-E0601]", "modules"]);
    }
}

#[test]
fn links_in_a_loop_are_named() {
    let (bench, machine) = (Sandbox::new(), first());
    let modules = folder(&bench, &machine);
    std::fs::create_dir(modules.join("deep")).unwrap();
    symlink(&modules, modules.join("deep/loop")).unwrap();
    let sources = words(&[("--module", &modules)]);
    fails(&bench, 1, &sources, &["error[KLP-E05", "deep/loop", "leads back to"]);
    let (warned, count) = kept(&bench, &sources);
    assert!(warned.contains("deep/loop"), "{warned}");
    assert_eq!(count, 2);
    symlink("self.ko", modules.join("self.ko")).unwrap();
    std::fs::remove_file(modules.join("deep/loop")).unwrap();
    fails(&bench, 2, &sources, &["error[KLP-E0601]", "self.ko"]);
}

#[test]
fn sources_without_symbols_are_refused() {
    let bench = Sandbox::new();
    let empty = bench.path("empty");
    std::fs::create_dir_all(empty.join("below")).unwrap();
    std::fs::write(empty.join("readme"), "").unwrap();
    let said = ["error[KLP-E05", "empty", "no module (.ko"];
    fails(&bench, 1, &words(&[("--module", &empty)]), &said);
    let said = ["error[KLP-E05", "empty", "neither a build tree"];
    fails(&bench, 1, &words(&[("--kernel", &empty)]), &said);
    // With nothing left, `--keep-going` makes no map either.
    let run = built(&bench, &words(&[("--module", &empty)]), &["--keep-going"]);
    run.refused(&["no module (.ko", "no symbols for a map"]);
    assert_eq!(bench.files(), ["empty"]);
    bench.file("none", b"");
    let said = ["error[KLP-E05", "none", "no symbols for a map"];
    fails(&bench, 1, &words(&[("--symvers", &bench.path("none"))]), &said);
    symbols(&["build", "-o", "map"], [""; 0]).usage_or_io(&["--vmlinux <FILE>"]);
}

#[test]
fn an_output_that_is_an_input_is_refused() {
    let (bench, machine) = (Sandbox::new(), first());
    let modules = folder(&bench, &machine);
    let inside = modules.join("klp_target_a.ko");
    let before = std::fs::read(&inside).unwrap();
    let link = bench.path("link");
    symlink(&inside, &link).unwrap();
    let map = build(&bench, "map", &machine.map(Map::Elf));
    let bytes = std::fs::read(&map).unwrap();
    for command in ["build", "export"] {
        for (sources, output) in [
            (words(&[("--module", &modules)]), &inside),
            (words(&[("--module", &modules)]), &link),
            (words(&[("--module", &inside)]), &link),
            (given(&map).into(), &map),
        ] {
            let output = ["-o".into(), output.into()];
            let run = symbols(&[command], sources.into_iter().chain(output));
            run.usage_or_io(&["error[KLP-E0602]", "the output is the same file as"]);
        }
    }
    assert!(std::fs::read(&inside).unwrap() == before && std::fs::read(&map).unwrap() == bytes);
}

#[test]
fn an_unwritable_output_is_an_io_error() {
    let (bench, machine) = (Sandbox::new(), first());
    let folder = bench.path("folder");
    std::fs::create_dir(&folder).unwrap();
    for output in [bench.path("none/map"), folder] {
        let words = machine.map(Map::Elf).into_iter().chain(["-o".into(), output.clone().into()]);
        let words: Vec<_> = words.collect();
        for command in ["build", "export"] {
            let run = symbols(&[command], words.clone());
            run.usage_or_io(&["error[KLP-E0602]", output.to_str().unwrap()]);
        }
    }
    assert_eq!(bench.files(), ["folder"]);
}

#[test]
fn damaged_maps_are_refused_by_every_command() {
    let (bench, machine) = (Sandbox::new(), first());
    let map = build(&bench, "map", &machine.map(Map::Elf));
    let bytes = std::fs::read(map).unwrap();
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        bytes
    };
    let text = [&b"KLPMAP\n"[..], &bytes[8..]].concat();
    let cases = [
        ("cut-20", bytes[..20].to_vec(), "truncated map"),
        ("cut-half", bytes[..bytes.len() / 2].to_vec(), "truncated map"),
        ("cut-1", bytes[..bytes.len() - 1].to_vec(), "truncated map"),
        ("header", with(20, 0x55), "damaged map"),
        ("table", with(220, !bytes[220]), "damaged map"),
        ("version", with(8, 3), "version 3, only 1 and 2 are supported"),
        ("text", text, "copied as text"),
    ];
    for (name, bytes, said) in cases {
        let map = bench.file(name, &bytes);
        let said = ["error[KLP-E0501]", name, said];
        symbols(&["info"], given(&map)).refused(&said);
        symbols(&["lookup", "set_root"], given(&map)).refused(&said);
        symbols(&["export"], given(&map)).refused(&said);
        symbols(&["diff"], [&map, &map]).refused(&said);
        fails(&bench, 1, &given(&map), &said);
        bench.refuses(&machine.path("lp_two_owners.ko"), given(&map), &said);
    }
    // The last module's data is read by commands that read the whole map.
    let map = bench.file("last", &with(bytes.len() - 1, !bytes[bytes.len() - 1]));
    let said = ["error[KLP-E0501]", "last", "damaged map"];
    symbols(&["info"], given(&map)).refused(&said);
    symbols(&["export"], given(&map)).refused(&said);
    symbols(&["info"], given(&machine.path("klp_target_a.ko"))).refused(&["not a map"]);
    symbols(&["info"], given(&bench.path("none"))).usage_or_io(&["error[KLP-E0601]", "none"]);
}

#[test]
fn a_map_of_another_release_is_refused_unless_allowed() {
    for machine in machines() {
        let bench = Sandbox::new();
        let map = build(&bench, "map", &machine.map(Map::Elf));
        let module = machine.read("lp_two_owners.ko");
        let other =
            crate::patch::Patched::new(module).replace(b"vermagic=7.2.13", b"vermagic=7.2.14");
        let input = bench.file("in.ko", &other.bytes);
        let said = ["error[KLP-E0005]", "built for '7.2.14'", "the symbols are from '7.2.13'"];
        bench.refuses(&input, given(&map), &said);
        let allowed = [vec!["--allow-stale-map".into()], given(&map).to_vec()].concat();
        bench.convert_with(&input, allowed).done();
    }
}

#[test]
fn a_map_of_another_machine_is_refused() {
    let [x86, ppc, ..] = &machines()[..] else { panic!("two machines") };
    let bench = Sandbox::new();
    let map = build(&bench, "map", &x86.map(Map::Elf));
    let said = ["the module is for ppc64le", "the symbols are from a kernel for x86_64"];
    bench.refuses(&ppc.path("lp_two_owners.ko"), given(&map), &said);
}

/// A signal ends the program while it waits for a module that never comes.
#[test]
fn an_interrupted_build_leaves_nothing() {
    for (signal, number) in [("INT", 2), ("TERM", 15)] {
        for old in [false, true] {
            let (bench, machine) = (Sandbox::new(), first());
            let fifo = bench.path("slow.ko");
            assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
            let out = bench.path("out.klpmap");
            if old {
                std::fs::write(&out, b"old").unwrap();
            }
            let before = bench.files();
            let output = ["-o".into(), out.clone().into(), "--module".into(), fifo.clone().into()];
            let words = machine.map(Map::Elf).into_iter().chain(output);
            // A background shell ignores SIGINT, and so would what it starts.
            let mut child = Command::new("env")
                .arg(format!("--default-signal={signal}"))
                .arg(program().get_program())
                .args(["symbols", "build"])
                .args(words)
                .stdin(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            // The program has opened the pipe when this returns.
            let writer = std::fs::File::options().write(true).open(&fifo).unwrap();
            let arguments = [format!("-{signal}"), child.id().to_string()];
            assert!(Command::new("kill").args(arguments).status().unwrap().success());
            let started = Instant::now();
            let status = loop {
                if let Some(status) = child.try_wait().unwrap() {
                    break status;
                }
                assert!(started.elapsed() < Duration::from_secs(20), "still running");
                std::thread::sleep(Duration::from_millis(5));
            };
            drop(writer);
            assert_eq!(status.signal(), Some(number));
            assert_eq!(bench.files(), before);
            assert!(!old || std::fs::read(&out).unwrap() == b"old");
        }
    }
}
