//! Conversions of compressed modules, as distributions install them, and to compressed ones.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use klp_convert::symbols::image::Compression;

use crate::machine::{Machine, Map, machines};
use crate::patch::signature;
use crate::tool::{Run, Sandbox, run};

const MODULE: &str = "lp_two_owners.ko";
/// Each suffix with its compression.
const SUFFIXES: [(&str, Compression); 3] =
    [("xz", Compression::Xz), ("zst", Compression::Zstd), ("gz", Compression::Gzip)];

fn first() -> Machine {
    machines().remove(0)
}

fn convert(machine: &Machine, input: &Path, further: &[&str]) -> Run {
    let words = [OsString::from("convert"), input.into()].into_iter();
    run(words.chain(further.iter().map(OsString::from)).chain(machine.map(Map::Elf)))
}

/// What the plain module becomes.
fn expected(machine: &Machine) -> Vec<u8> {
    let bench = Sandbox::new();
    bench.convert(&machine.path(MODULE), machine, Map::Elf).done();
    bench.written()
}

/// What the tools that distributions compress with read of a file.
fn unpacked(file: &Path) -> Vec<u8> {
    let (tool, package) = match file.extension().unwrap().to_str().unwrap() {
        "xz" => ("xz", "xz-utils"),
        "zst" => ("zstd", "zstd"),
        _ => ("gzip", "gzip"),
    };
    let output = Command::new(tool).arg("-dc").arg(file).output();
    let output = output.unwrap_or_else(|e| panic!("{e}: apt install {package}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn the_suffixes_of_input_and_output_say_how_each_is_compressed() {
    for machine in machines() {
        let expected = expected(&machine);
        for (from, how) in SUFFIXES {
            let bench = Sandbox::new();
            let packed = how.compress_module(&machine.read(MODULE)).unwrap();
            let input = bench.file(&format!("in.ko.{from}"), &packed);
            bench.convert(&input, &machine, Map::Elf).done();
            assert!(bench.written() == expected, "{}: {from} to a plain module", machine.name);
            for (to, how) in SUFFIXES {
                let output = bench.path(&format!("out.ko.{to}"));
                convert(&machine, &input, &["-o", output.to_str().unwrap()]).done();
                let written = std::fs::read(&output).unwrap();
                assert_eq!(Compression::of_module(&output), Some(how));
                assert!(written.len() < expected.len(), "{to}: it is not compressed");
                assert!(unpacked(&output) == expected, "{}: {from} to {to}", machine.name);
                let checked = run([Path::new("check"), &output]);
                assert!(!checked.done().stderr.contains("warning"), "{}", checked.stderr);
            }
        }
    }
}

#[test]
fn in_place_a_module_stays_compressed_as_it_was_whatever_its_name_says() {
    let machine = first();
    for (suffix, how) in SUFFIXES {
        for name in [format!("in.ko.{suffix}"), "in.ko".to_owned()] {
            let bench = Sandbox::new();
            let input = bench.file(&name, &how.compress_module(&machine.read(MODULE)).unwrap());
            let mode = std::fs::Permissions::from_mode(0o640);
            std::fs::set_permissions(&input, mode).unwrap();
            convert(&machine, &input, &["--in-place"]).done();
            let written = std::fs::read(&input).unwrap();
            assert!(written == how.compress_module(&expected(&machine)).unwrap(), "{name}");
            assert_eq!(input.metadata().unwrap().permissions().mode() & 0o777, 0o640);
            assert_eq!(bench.files(), [name]);
        }
    }
    // What is named like a compressed module and is none.
    let bench = Sandbox::new();
    let input = bench.file("in.ko.xz", &machine.read(MODULE));
    convert(&machine, &input, &["--in-place"]).done();
    assert!(std::fs::read(&input).unwrap() == expected(&machine));
}

#[test]
fn a_dry_run_of_a_compressed_module_prints_the_plan_of_the_plain_one() {
    let machine = first();
    let bench = Sandbox::new();
    let packed = Compression::Xz.compress_module(&machine.read(MODULE)).unwrap();
    let input = bench.file("in.ko.xz", &packed);
    let plan = convert(&machine, &input, &["--dry-run"]).done().stdout.clone();
    assert_eq!(plan, convert(&machine, &machine.path(MODULE), &["--dry-run"]).done().stdout);
    assert!(std::fs::read(&input).unwrap() == packed);
    assert_eq!(bench.files(), ["in.ko.xz"]);
}

#[test]
fn inspect_and_diff_read_compressed_modules_too() {
    let machine = first();
    let bench = Sandbox::new();
    let path = machine.path(MODULE);
    let packed =
        bench.file("in.ko.zst", &Compression::Zstd.compress_module(&machine.read(MODULE)).unwrap());
    let shown = |module: &Path| run([Path::new("inspect"), module]).done().stdout.clone();
    assert_eq!(shown(&packed), shown(&path));
    let map = bench.path("map").into_os_string();
    let words = ["symbols".into(), "build".into(), "-o".into(), map.clone()];
    run(words.into_iter().chain(machine.map(Map::Elf))).done();
    let diff = |module: &Path| {
        let words = ["symbols".into(), "diff".into(), map.clone(), map.clone(), "--for".into()];
        run(words.into_iter().chain([OsString::from(module)]))
    };
    assert_eq!(diff(&packed).done().stderr, "0 changes\n");
    let cut = bench.file("cut.ko.zst", b"\x28\xb5\x2f\xfd");
    diff(&cut).refused(&["zstd data", "cut.ko.zst"]);
    run([Path::new("inspect"), &cut]).refused(&["zstd data", "cut.ko.zst"]);
}

#[test]
fn what_stands_against_a_plain_module_stands_against_a_compressed_one() {
    let machine = first();
    for (suffix, how) in SUFFIXES {
        let bench = Sandbox::new();
        let file = |bytes: &[u8]| {
            bench.file(&format!("in.ko.{suffix}"), &how.compress_module(bytes).unwrap())
        };
        let ambiguous = file(&machine.read("lp_homonym_unannotated.ko"));
        bench.refuses(&ambiguous, machine.map(Map::Elf), &["error[KLP-E0102]", "set_is_seen"]);
        let signed = file(&[machine.read(MODULE), signature()].concat());
        let words = ["error[KLP-E0003]", "signature of 296 bytes", "--strip-signature"];
        bench.refuses(&signed, machine.map(Map::Elf), &words);
        convert(&machine, &signed, &["--in-place", "--strip-signature"]).done();
        assert!(unpacked(&signed) == expected(&machine), "{suffix}");
        let no_module = file(b"no module");
        bench.refuses(&no_module, machine.map(Map::Elf), &["error[KLP-E0001]"]);
    }
}

/// Claims that a file is refused, and stays as it is when it is to be replaced.
fn refused(machine: &Machine, input: &Path, words: &[&str]) {
    let before = std::fs::read(input).unwrap();
    convert(machine, input, &["--dry-run"]).refused(words);
    convert(machine, input, &["--in-place"]).refused(words);
    assert!(std::fs::read(input).unwrap() == before);
    let document = convert(machine, input, &["--dry-run", "--format", "json"]).json();
    let message = document["diagnostics"][0]["message"].as_str().unwrap();
    assert!(words.iter().any(|word| message.contains(word)), "{message}");
}

#[test]
fn a_damaged_stream_is_refused_and_stays() {
    let machine = first();
    for (suffix, how) in SUFFIXES {
        let bench = Sandbox::new();
        let whole = how.compress_module(&machine.read(MODULE)).unwrap();
        let name = format!("in.ko.{suffix}");
        let damaged = |bytes: &[u8]| -> PathBuf { bench.file(&name, bytes) };
        let word = format!("{how} data");
        for length in [20, whole.len() / 2, whole.len() - 1] {
            refused(&machine, &damaged(&whole[..length]), &[&word, &name]);
        }
        let mut turned = whole.clone();
        let middle = turned.len() / 2;
        turned[middle] ^= 0xff;
        refused(&machine, &damaged(&turned), &[&word, &name]);
    }
}

#[test]
fn a_module_in_a_compression_of_boot_images_is_read_and_not_written_so() {
    let machine = first();
    let bench = Sandbox::new();
    let mut packed = Vec::new();
    let level = bzip2::Compression::best();
    bzip2::read::BzEncoder::new(machine.read(MODULE).as_slice(), level)
        .read_to_end(&mut packed)
        .unwrap();
    let input = bench.file("in.ko.bz2", &packed);
    let words = ["error[KLP-E0602]", "compressed with xz, zstd or gzip, not with bzip2"];
    convert(&machine, &input, &["--in-place"]).usage_or_io(&words);
    assert!(std::fs::read(&input).unwrap() == packed);
    bench.convert(&input, &machine, Map::Elf).done();
    assert!(bench.written() == expected(&machine));
}
