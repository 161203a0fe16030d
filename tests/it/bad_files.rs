//! Outputs that cannot be written, inputs that cannot be read, and signatures: a failure leaves no
//! file.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use crate::machine::{Machine, Map, machines};
use crate::patch::signature;
use crate::tool::{Sandbox, run, shell};

const MODULE: &str = "lp_vmlinux_inferred.ko";

fn first() -> Machine {
    machines().remove(0)
}

/// The first machine's module, converted.
fn converted() -> Vec<u8> {
    let (bench, machine) = (Sandbox::new(), first());
    bench.convert(&machine.path(MODULE), &machine, Map::Elf).done();
    bench.written()
}

#[test]
fn in_place_replaces_the_input() {
    let machine = first();
    let bench = Sandbox::new();
    let input = bench.file("in.ko", &machine.read(MODULE));
    let words = ["convert".into(), input.clone().into_os_string(), "--in-place".into()];
    run(words.into_iter().chain(machine.map(Map::Elf))).done();
    assert!(std::fs::read(&input).unwrap() == converted());
    assert_eq!(bench.files(), ["in.ko"]);
}

/// Input files, and other paths to `input`.
fn with_links(machine: &Machine, input: &str) -> Sandbox {
    let bench = Sandbox::new();
    for name in [MODULE, "vmlinux.cut", "klp_target_a.ko", "Module.symvers", "symbols.klp"] {
        bench.file(name, &machine.read(name));
    }
    std::os::unix::fs::symlink(bench.path(input), bench.path("symbolic")).unwrap();
    std::fs::hard_link(bench.path(input), bench.path("hard")).unwrap();
    bench
}

#[test]
fn an_output_that_is_also_an_input_is_an_error_and_stays() {
    let machine = first();
    for (name, role) in [
        (MODULE, "the input"),
        ("vmlinux.cut", "--vmlinux"),
        ("klp_target_a.ko", "--module"),
        ("Module.symvers", "--symvers"),
        ("symbols.klp", "--symbols"),
    ] {
        let bench = with_links(&machine, name);
        std::fs::create_dir(bench.path("other")).unwrap();
        let files = bench.files();
        let roundabout = format!("other/../{name}");
        for output in [name, "symbolic", "hard", &roundabout] {
            let mut words: Vec<OsString> =
                vec!["convert".into(), bench.path(MODULE).into(), "-o".into()];
            words.push(bench.path(output).into());
            for (option, file) in [
                ("--vmlinux", "vmlinux.cut"),
                ("--module", "klp_target_a.ko"),
                ("--symvers", "Module.symvers"),
                ("-s", "symbols.klp"),
            ] {
                words.extend([option.into(), bench.path(file).into()]);
            }
            let said = format!("the same file as {role} '{}'", bench.path(name).display());
            run(&words).usage_or_io(&["error[KLP-E0602]", &said, "--in-place"]);
            assert_eq!(bench.files(), files);
            assert!(std::fs::read(bench.path(name)).unwrap() == machine.read(name));
            assert!(bench.path("symbolic").is_symlink());
        }
    }
}

#[test]
fn a_map_is_not_replaced_in_place_either() {
    let machine = first();
    let bench = Sandbox::new();
    let module = bench.file("in.ko", &machine.read(MODULE));
    let module = module.to_str().unwrap();
    let ended = run(["convert", module, "--in-place", "--module", module]);
    ended.usage_or_io(&["error[KLP-E0602]", "the same file as --module"]);
    assert!(std::fs::read(module).unwrap() == machine.read(MODULE));
}

#[test]
fn a_dry_run_may_name_any_output() {
    let machine = first();
    let input = machine.path(MODULE);
    let words = ["convert".into(), input.clone().into(), "-o".into(), input.into()];
    let words: Vec<OsString> = words.into_iter().chain(["--dry-run".into()]).collect();
    run(words.into_iter().chain(machine.map(Map::Elf))).done();
}

#[test]
fn historical_calls_do_not_replace_what_they_read() {
    let machine = first();
    let bench = with_links(&machine, MODULE);
    let (module, list) = (bench.path(MODULE), bench.path("symbols.klp"));
    for output in [MODULE, "symbolic", "hard"] {
        let output = bench.path(output);
        let words = ["error[KLP-E0602]", "the same file as the input", "--in-place"];
        run([&module, &output]).usage_or_io(&words);
        run([&list, &module, &output]).usage_or_io(&words);
    }
    run([&list, &module, &list]).usage_or_io(&["error[KLP-E0602]", "as the symbol list"]);
    assert!(std::fs::read(&module).unwrap() == machine.read(MODULE));
    assert!(std::fs::read(&list).unwrap() == machine.read("symbols.klp"));
}

#[test]
fn an_input_that_is_refused_is_not_touched_in_place() {
    let machine = first();
    let bench = Sandbox::new();
    let bytes = machine.read("lp_homonym_unannotated.ko");
    let input = bench.file("in.ko", &bytes);
    let words = ["convert".into(), input.clone().into_os_string(), "--in-place".into()];
    run(words.into_iter().chain(machine.map(Map::Elf))).refused(&["KLP-E0102"]);
    assert!(std::fs::read(&input).unwrap() == bytes);
    assert_eq!(bench.files(), ["in.ko"]);
}

/// Tests may run as root, whom permissions do not stop: a missing directory and a file system
/// without files stop everybody.
#[test]
fn a_directory_that_takes_no_files_is_an_io_error() {
    let machine = first();
    let bench = Sandbox::new();
    let missing = bench.path("missing/out.ko");
    for output in [missing.as_path(), Path::new("/proc/klp-convert-out.ko")] {
        let words = ["convert".into(), machine.path(MODULE).into(), "-o".into(), output.into()];
        let ended = run(words.into_iter().chain(machine.map(Map::Elf)));
        ended.usage_or_io(&["error[KLP-E0602]", output.to_str().unwrap()]);
        assert_eq!(bench.files(), [""; 0]);
    }
}

#[test]
fn an_output_that_is_a_folder_is_an_error_and_stays() {
    let machine = first();
    let bench = Sandbox::new();
    std::fs::create_dir(bench.output()).unwrap();
    let output = bench.output();
    let words = ["convert".into(), machine.path(MODULE).into(), "-o".into(), output.into()];
    let ended = run(words.into_iter().chain(machine.map(Map::Elf)));
    ended.usage_or_io(&["error[KLP-E0602]", "is a directory"]);
    assert_eq!(bench.files(), ["out.ko"]);
    assert!(bench.output().is_dir());
}

/// The file size limit stops a write midway, as a full disk does, without privileges. The signal is
/// ignored to make the write return an error.
#[test]
fn a_write_that_stops_midway_leaves_the_old_output_and_no_other_file() {
    let machine = first();
    let limited = r#"trap '' XFSZ; ulimit -f 4; exec "$0" convert "$1" -o "$2" --vmlinux "$3" --symvers "$4""#;
    let (input, vmlinux) = (machine.path(MODULE), machine.path("vmlinux.cut"));
    let symvers = machine.path("Module.symvers");
    let bench = Sandbox::new();
    shell(limited, &[&input, &bench.output(), &vmlinux, &symvers])
        .usage_or_io(&["error[KLP-E0602]"]);
    assert_eq!(bench.files(), [""; 0]);
    bench.file("out.ko", b"old");
    shell(limited, &[&input, &bench.output(), &vmlinux, &symvers])
        .usage_or_io(&["error[KLP-E0602]"]);
    assert_eq!(bench.files(), ["out.ko"]);
    assert_eq!(bench.written(), b"old");
}

/// Filling a file system needs the right to mount one.
#[test]
fn a_full_disk_is_an_io_error_and_leaves_no_file() {
    let may_mount = Command::new("unshare").args(["-m", "true"]).output();
    if !may_mount.is_ok_and(|output| output.status.success()) {
        eprintln!(
            "skipped: no right to mount a small file system (the size limit stands in for it)"
        );
        return;
    }
    let machine = first();
    let bench = Sandbox::new();
    let script = r#"exec unshare -m sh -c '
        mount -t tmpfs -o size=4k none "$5" || exit 3
        "$0" convert "$1" -o "$5/out.ko" --vmlinux "$2" --symvers "$3"; code=$?
        ls -A "$5" >&2; exit $code' "$0" "$@""#;
    let (input, vmlinux) = (machine.path(MODULE), machine.path("vmlinux.cut"));
    let symvers = machine.path("Module.symvers");
    let directory = bench.path("");
    let ended = shell(script, &[&input, &vmlinux, &symvers, &symvers, &directory]);
    ended.usage_or_io(&["error[KLP-E0602]", "No space left on device"]);
    assert_eq!(ended.stderr.lines().count(), 1, "files are left: {}", ended.stderr);
}

#[test]
fn an_unreadable_input_is_an_io_error() {
    let machine = first();
    let bench = Sandbox::new();
    for input in ["no/such/module.ko", "/"] {
        let ended = bench.convert(Path::new(input), &machine, Map::Elf);
        ended.usage_or_io(&["error[KLP-E0601]", input]);
        assert_eq!(bench.files(), [""; 0]);
    }
    let vmlinux = ["--vmlinux", "no/such/vmlinux"];
    bench
        .convert_with(&machine.path(MODULE), vmlinux)
        .usage_or_io(&["error[KLP-E0601]", vmlinux[1]]);
    assert_eq!(bench.files(), [""; 0]);
}

#[test]
fn a_signed_module_is_refused_unless_the_signature_may_be_dropped() {
    for machine in machines() {
        let bench = Sandbox::new();
        let signed = [machine.read(MODULE), signature()].concat();
        let input = bench.file("in.ko", &signed);
        let words = ["error[KLP-E0003]", "appended signature of 296 bytes", "--strip-signature"];
        bench.refuses(&input, machine.map(Map::Elf), &words);
        let further = [vec!["--strip-signature".into()], machine.map(Map::Elf)].concat();
        bench.convert_with(&input, further).done();
        let stripped = bench.written();
        bench.convert(&machine.path(MODULE), &machine, Map::Elf).done();
        assert!(stripped == bench.written(), "{}", machine.name);
    }
}

#[test]
fn a_signature_that_is_longer_than_the_file_is_refused() {
    let machine = first();
    let mut bytes = [machine.read(MODULE), signature()].concat();
    let length = bytes.len() - 28 - 4;
    bytes[length] = 0x7f;
    let bench = Sandbox::new();
    let input = bench.file("in.ko", &bytes);
    bench.refuses(&input, machine.map(Map::Elf), &["error[KLP-E0001]", "module signature before"]);
}
