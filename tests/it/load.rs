//! Memory after a simulated load: regions, values, files.

use std::ffi::OsString;
use std::path::Path;

use klp_arch::KernelVersion;
use serde_json::Value;

use crate::image::Image;
use crate::machine::{Machine, Map, machines};
use crate::tool::{Run, Sandbox, run};

fn load(machine: &Machine, module: &Path, options: &[&str]) -> Run {
    let words: Vec<OsString> = vec!["load".into(), module.into()];
    let options = options.iter().map(OsString::from);
    run(words.into_iter().chain(options).chain(machine.map(Map::Elf)))
}

fn converted(machine: &Machine, module: &str) -> Sandbox {
    let bench = Sandbox::new();
    bench.convert(&machine.path(module), machine, Map::Elf).done();
    bench
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

/// The address of a vmlinux symbol in a running kernel, by its name and position from 1.
fn vmlinux(machine: &Machine, name: &str, position: usize) -> u64 {
    let image = Image::read(&machine.read("vmlinux.cut"));
    let mut found: Vec<_> =
        image.symbols.iter().filter(|s| s.name == name).map(|s| s.value).collect();
    found.sort_unstable();
    let text = image.symbols.iter().find(|s| s.name == "_text").unwrap().value;
    let loader = klp_arch::by_name(machine.name).unwrap().loader;
    found[position - 1] + loader.boot_offset(text, KernelVersion::NEWEST)
}

#[test]
fn a_load_is_printed_as_text_and_json() {
    for machine in machines() {
        let bench = converted(&machine, "lp_homonyms_annotated.ko");
        let text = load(&machine, &bench.output(), &["-v"]);
        for word in ["REGION", "text", "rodata", "TYPE", "relocations", "BEFORE", "AFTER"] {
            assert!(text.done().stdout.contains(word), "{word}: {}", text.stdout);
        }
        assert!(!load(&machine, &bench.output(), &[]).done().stdout.contains("BEFORE"));
        let report = load(&machine, &bench.output(), &["--format", "json"]).done().json();
        assert_eq!(report["machine"], machine.name);
        let relocations = report["relocations"].as_array().unwrap();
        let klp = |name: &str| {
            let mut of = relocations.iter().filter(|r| r["symbol"] == name);
            number(&of.next().unwrap_or_else(|| panic!("no {name}"))["s"])
        };
        let address = vmlinux(&machine, "set_root", 2);
        assert_eq!(klp(".klp.sym.vmlinux.set_root,2"), address, "{}", machine.name);
        assert_eq!(klp(".klp.sym.vmlinux.set_is_seen,1"), vmlinux(&machine, "set_is_seen", 1));
    }
}

#[test]
fn regions_lie_where_they_are_placed_and_values_follow() {
    let machine = machines().remove(0);
    let bench = converted(&machine, "lp_vmlinux_inferred.ko");
    let at = |address: &str| {
        let place = format!("text={address}");
        load(&machine, &bench.output(), &["--place", &place, "--format", "json"]).done().json()
    };
    let (one, other) = (at("0xffffffffc0800000"), at("0xffffffffc0900000"));
    let text = |report: &Value| number(&report["regions"][0]["address"]);
    assert_eq!((text(&one), text(&other)), (0xffff_ffff_c080_0000, 0xffff_ffff_c090_0000));
    let called = |report: &Value| {
        let relocations = report["relocations"].as_array().unwrap().clone();
        let klp = relocations.into_iter().find(|r| {
            r["symbol"].as_str().unwrap().starts_with(".klp.sym.vmlinux.")
                && r["section"] == ".text"
        });
        klp.unwrap()
    };
    for report in [&one, &other] {
        let klp = called(report);
        let (s, a, p) = (number(&klp["s"]), klp["a"].as_i64().unwrap(), number(&klp["place"]));
        let value = s.wrapping_add_signed(a).wrapping_sub(p);
        let bytes: String =
            value.to_le_bytes()[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            (klp["before"].as_str(), klp["after"].as_str()),
            (Some("00000000"), Some(&*bytes))
        );
    }
    assert_ne!(called(&one)["after"], called(&other)["after"]);
}

#[test]
fn overlapping_regions_are_a_usage_error() {
    for machine in machines() {
        let bench = converted(&machine, "lp_vmlinux_inferred.ko");
        let report = load(&machine, &bench.output(), &["--format", "json"]).done().json();
        let region = |kind: &str| {
            let regions = report["regions"].as_array().unwrap();
            let found = regions.iter().find(|r| r["kind"] == kind).unwrap();
            (number(&found["address"]), number(&found["size"]))
        };
        let ((text, size), (data, _)) = (region("text"), region("data"));
        let placed = |at: u64| {
            let place = format!("data={at:#x}");
            load(&machine, &bench.output(), &["--place", &place])
        };
        for at in [text, text + (size - 1) / 16 * 16] {
            let said = placed(at);
            said.usage_or_io(&["--place: the regions 'text' and 'data' would share bytes"]);
        }
        // At its usual address, and after the last byte, where nothing else is.
        placed(data).done();
        let both = format!("text={text:#x}");
        let ended = load(&machine, &bench.output(), &["--place", &both, "--place", &both]);
        ended.done();
    }
}

#[test]
fn relocations_for_an_object_are_written_when_it_is_loaded() {
    for machine in machines() {
        let bench = converted(&machine, "lp_module_symbols.ko");
        let count = |options: &[&str]| {
            let options = [options, &["--format", "json"]].concat();
            let report = load(&machine, &bench.output(), &options).done().json();
            let arrived = report["gates"][0]["arrived"].as_bool().unwrap();
            let gate = report["gates"][0]["object"].as_str().unwrap().to_owned();
            let of =
                |r: &&Value| r["symbol"].as_str().unwrap().starts_with(".klp.sym.klp_target_a.");
            (arrived, gate, report["relocations"].as_array().unwrap().iter().filter(of).count())
        };
        assert_eq!(count(&[]), (false, "klp_target_a".into(), 0), "{}", machine.name);
        let (arrived, _, written) = count(&["--gate", "klp-target-a"]);
        assert!(arrived && written > 0, "{}", machine.name);
        let wrong = load(&machine, &bench.output(), &["--gate", "ext4"]);
        wrong.usage_or_io(&["--gate ext4: nothing waits for it; the gates are: klp_target_a"]);
    }
}

#[test]
fn an_image_has_a_file_for_each_region_and_replaces_none() {
    for machine in machines() {
        let bench = converted(&machine, "lp_data_pointers.ko");
        let folder = bench.path("image");
        let to = ["-o", folder.to_str().unwrap()];
        load(&machine, &bench.output(), &to).done();
        let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
        let report: Value = serde_json::from_slice(&read("image.json")).unwrap();
        let regions = report["regions"].as_array().unwrap();
        let entries = std::fs::read_dir(&folder).unwrap().count();
        assert_eq!(entries, regions.len() + 1);
        for region in regions {
            let bytes = read(region["file"].as_str().unwrap());
            assert_eq!(bytes.len() as u64, number(&region["size"]));
        }
        // Every relocated field has the bytes of the report.
        let mut seen = 0;
        for relocation in report["relocations"].as_array().unwrap() {
            let place = number(&relocation["place"]);
            let region = regions.iter().find(|r| {
                let start = number(&r["address"]);
                (start..start + number(&r["size"])).contains(&place)
            });
            let region = region.expect("a region that holds the place");
            let offset = usize::try_from(place - number(&region["address"])).unwrap();
            let bytes = read(region["file"].as_str().unwrap());
            let after = relocation["after"].as_str().unwrap();
            let found: String = bytes[offset..offset + after.len() / 2]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert_eq!(found, after, "{} {relocation}", machine.name);
            seen += 1;
        }
        assert!(seen > 3);
        let before = read("text.bin");
        load(&machine, &bench.output(), &to)
            .usage_or_io(&["error[KLP-E0602]", "the folder is not empty"]);
        assert_eq!(read("text.bin"), before);
        assert_eq!(bench.files(), ["image", "out.ko"], "{}", machine.name);
    }
}

#[test]
fn a_module_is_refused_with_the_kernels_message() {
    for machine in machines() {
        let bench = Sandbox::new();
        let folder = bench.path("image");
        let to = ["-o", folder.to_str().unwrap()];
        let plain = machine.path("lp_two_owners.ko");
        load(&machine, &plain, &to).refused(&[
            "error[KLP-E0801]",
            "the kernel says: lp_two_owners: Unknown symbol ",
            "(-ENOENT, 2)",
        ]);
        assert_eq!(bench.files(), [""; 0]);
    }
}

#[test]
fn malformed_arguments_are_usage_errors() {
    let machine = machines().remove(0);
    let module = machine.path("klp_target_a.ko");
    for (place, said) in [
        ("text", "not REGION=ADDRESS"),
        ("txt=0x1000", "'txt' is not one of text, data, rodata"),
        ("text=4096", "the address does not start with 0x"),
        ("text=0xg", "invalid digit"),
    ] {
        load(&machine, &module, &["--place", place]).usage_or_io(&[said]);
    }
    let bare = ["load".as_ref(), module.as_os_str()];
    run(bare).usage_or_io(&["--symbols"]);
    load(&machine, Path::new("no/such.ko"), &[]).usage_or_io(&["error[KLP-E0601]"]);
}
