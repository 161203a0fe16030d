//! Outputs that are not files: standard output, FIFOs, devices.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::machine::{Machine, Map, machines};
use crate::tool::{Sandbox, program, run, shell};

const MODULE: &str = "lp_two_owners.ko";

fn first() -> Machine {
    machines().remove(0)
}

fn conversion(machine: &Machine, output: &Path) -> Vec<OsString> {
    let words = ["convert".into(), machine.path(MODULE).into(), "-o".into(), output.into()];
    words.into_iter().chain(machine.map(Map::Elf)).collect()
}

/// The first machine's module, converted.
fn converted() -> Vec<u8> {
    let (bench, machine) = (Sandbox::new(), first());
    bench.convert(&machine.path(MODULE), &machine, Map::Elf).done();
    bench.written()
}

#[test]
fn a_conversion_goes_to_standard_output_and_its_remarks_to_standard_error() {
    let (bench, machine) = (Sandbox::new(), first());
    let expected = converted();
    for name in ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        let mut command = program();
        command.args(conversion(&machine, Path::new(name)));
        let ended = command.current_dir(bench.path("")).output().unwrap();
        assert!(ended.status.success());
        assert!(ended.stdout == expected, "{name}");
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(said, format!("{name}: 2 klp symbols, 2 klp relocations\n"));
        // Redirected into a file that has something already.
        let file = bench.file("appended", b"before");
        let file = fs::File::options().append(true).open(file).unwrap();
        let mut command = program();
        command.args(conversion(&machine, Path::new(name))).stdout(file).stderr(Stdio::null());
        assert!(command.current_dir(bench.path("")).status().unwrap().success());
        let appended = fs::read(bench.path("appended")).unwrap();
        assert!(appended == [b"before", expected.as_slice()].concat(), "{name}");
        assert_eq!(bench.files(), ["appended"]);
        fs::remove_file(bench.path("appended")).unwrap();
    }
}

#[test]
fn maps_and_lists_go_to_standard_output() {
    let (bench, machine) = (Sandbox::new(), first());
    let vmlinux = machine.path("vmlinux.cut");
    for words in [["build"].as_slice(), &["export"], &["export", "--as", "kallsyms"]] {
        let with = |output: &Path| {
            let mut command = program();
            command.arg("symbols").args(words).arg("--vmlinux").arg(&vmlinux).arg("-o").arg(output);
            command.current_dir(bench.path("")).output().unwrap()
        };
        assert!(with(&bench.output()).status.success());
        let printed = with(Path::new("-"));
        assert!(printed.status.success());
        assert!(!printed.stdout.is_empty() && printed.stdout == bench.written(), "{words:?}");
    }
    assert_eq!(bench.files(), ["out.ko"]);
}

#[test]
fn a_document_and_an_output_do_not_share_standard_output() {
    let machine = first();
    let json = ["--format".into(), "json".into()];
    let vmlinux: OsString = machine.path("vmlinux.cut").into();
    let symbols = |words: &[&str]| {
        let words = words.iter().map(OsString::from);
        words.chain(["--vmlinux".into(), vmlinux.clone()]).collect::<Vec<_>>()
    };
    for words in [
        conversion(&machine, Path::new("-")),
        symbols(&["symbols", "build", "-o", "/dev/stdout"]),
        symbols(&["symbols", "export", "-o", "-"]),
        symbols(&["symbols", "export"]),
    ] {
        let ended = run(words.into_iter().chain(json.clone()));
        assert_eq!((ended.code, ended.stderr.as_str()), (2, ""));
        let message = &ended.json()["diagnostics"][0]["message"];
        assert_eq!(message, "--format json prints to standard output, and so does the output");
    }
}

#[test]
fn folders_do_not_go_to_standard_output() {
    let (bench, machine) = (Sandbox::new(), first());
    let module = machine.path(MODULE);
    for words in [
        vec!["load".into(), module.clone().into(), "-o".into(), "-".into()],
        vec!["kbuild".into(), "-o".into(), "-".into()],
        vec!["build".into(), "-o".into(), "/dev/stdout".into()],
    ] {
        let words: Vec<OsString> = words;
        let further = if words[0] == "load" { machine.map(Map::Elf) } else { Vec::new() };
        let mut command = program();
        let ended = command.args(words).args(further).current_dir(bench.path("")).output().unwrap();
        assert_eq!(ended.status.code(), Some(2));
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(said.contains("a folder cannot go to standard output"), "{said}");
    }
    assert_eq!(bench.files(), [""; 0]);
}

/// `script` of util-linux gives a terminal to the program.
#[test]
fn a_terminal_gets_no_module() {
    let machine = first();
    for name in ["-", "/dev/stdout", "/dev/tty"] {
        let words = conversion(&machine, Path::new(name));
        let quoted = words.iter().map(|word| format!("'{}'", word.to_str().unwrap()));
        let program = program().get_program().to_str().unwrap().to_owned();
        let line = [program].into_iter().chain(quoted).collect::<Vec<_>>().join(" ");
        let mut command = Command::new("script");
        command.args(["-q", "-e", "-c", &line, "/dev/null"]).env("NO_COLOR", "1");
        let ended = command.stdin(Stdio::null()).output().expect("script, of util-linux");
        let said = String::from_utf8(ended.stdout).unwrap();
        assert_eq!(ended.status.code(), Some(2), "{said}");
        let expected = format!("error[KLP-E0602]: {name}: is a terminal: redirect");
        assert!(said.contains(&expected), "{said}");
    }
}

#[test]
fn a_fifo_and_a_device_are_written_into_and_stay() {
    let (bench, machine) = (Sandbox::new(), first());
    let fifo = bench.path("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let mut command = program();
    let child = command.args(conversion(&machine, &fifo)).stderr(Stdio::null()).spawn();
    let read = fs::read(&fifo).unwrap();
    assert!(child.unwrap().wait().unwrap().success());
    assert!(read == converted());
    assert!(fifo.symlink_metadata().unwrap().file_type().is_fifo());
    assert_eq!(bench.files(), ["fifo"]);

    run(conversion(&machine, Path::new("/dev/null"))).done();
    let full = run(conversion(&machine, Path::new("/dev/full")));
    full.usage_or_io(&["error[KLP-E0602]: /dev/full: No space left on device"]);
    for device in ["/dev/null", "/dev/full"] {
        assert!(fs::metadata(device).unwrap().file_type().is_char_device());
    }
}

#[test]
fn a_reader_that_goes_away_is_an_error_of_the_output() {
    let machine = first();
    let words = conversion(&machine, Path::new("-"));
    let words: Vec<&Path> = words.iter().map(Path::new).collect();
    // The reader ends before the program starts.
    let script = r#"{ sleep 0.2; "$0" "$@"; echo $? >&2; } | :"#;
    let ended = shell(script, &words);
    assert!(ended.stderr.contains("error[KLP-E0602]: -: Broken pipe"), "{}", ended.stderr);
    assert!(ended.stderr.ends_with("\n2\n"), "{}", ended.stderr);
}
