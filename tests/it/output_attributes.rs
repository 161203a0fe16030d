//! Mode, owner and extended attributes of outputs, and what is not written at all.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;

use crate::fixtures::installed;
use crate::machine::{Machine, Map, machines};
use crate::tool::{Run, Sandbox, program, run, shell};

const MODULE: &str = "lp_two_owners.ko";

fn first() -> Machine {
    machines().remove(0)
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// The arguments of a conversion, with symbols.
fn conversion(machine: &Machine, words: &[&Path]) -> Vec<OsString> {
    let words = words.iter().map(|word| word.as_os_str().to_owned());
    ["convert".into()].into_iter().chain(words).chain(machine.map(Map::Elf)).collect()
}

fn in_place(machine: &Machine, input: &Path) -> Run {
    run(conversion(machine, &[input, Path::new("--in-place")]))
}

/// The numbers of the user and group that root can become.
const NOBODY: u32 = 65534;

/// Whether the test is root, who alone can give files away.
fn is_root(bench: &Sandbox) -> bool {
    let root = fs::metadata(bench.file("whose", b"")).unwrap().uid() == 0;
    fs::remove_file(bench.path("whose")).unwrap();
    if !root {
        assert!(std::env::var_os("CI").is_none(), "only root can give files away");
        eprintln!("passed over: only root can give files away");
    }
    root
}

#[test]
fn a_new_output_has_the_rights_of_its_input_less_the_umask() {
    let machine = first();
    for (input, umask, output) in [
        (0o644, "022", 0o644),
        (0o666, "022", 0o644),
        (0o755, "027", 0o750),
        (0o6755, "022", 0o755),
        (0o7777, "077", 0o700),
        (0o444, "0", 0o444),
    ] {
        let bench = Sandbox::new();
        let module = bench.file("in.ko", &machine.read(MODULE));
        set_mode(&module, input);
        let out = bench.output();
        let words = conversion(&machine, &[&module, Path::new("-o"), &out]);
        let words: Vec<&Path> = words.iter().map(Path::new).collect();
        shell(&format!(r#"umask {umask}; exec "$0" "$@""#), &words).done();
        assert_eq!(mode(&out), output, "{input:o} {umask}");
        assert_eq!(bench.files(), ["in.ko", "out.ko"]);
    }
    // What is made of no file in particular.
    for (umask, output) in [("022", 0o644), ("077", 0o600)] {
        let bench = Sandbox::new();
        let out = bench.path("map");
        let vmlinux = machine.path("vmlinux.cut");
        let script = format!(r#"umask {umask}; exec "$0" symbols build --vmlinux "$1" -o "$2""#);
        shell(&script, &[&vmlinux, &out]).done();
        assert_eq!(mode(&out), output);
    }
}

#[test]
fn an_output_that_is_there_keeps_its_mode_whatever_the_umask_is() {
    let machine = first();
    for kept in [0o600, 0o666, 0o400] {
        let bench = Sandbox::new();
        let out = bench.file("out.ko", b"old");
        set_mode(&out, kept);
        let module = machine.path(MODULE);
        let words = conversion(&machine, &[&module, Path::new("-o"), &out]);
        let words: Vec<&Path> = words.iter().map(Path::new).collect();
        shell(r#"umask 077; exec "$0" "$@""#, &words).done();
        assert_eq!(mode(&out), kept);
        assert_ne!(bench.written(), b"old");
    }
}

#[test]
fn in_place_owner_and_group_are_kept_where_that_is_permitted() {
    let (bench, machine) = (Sandbox::new(), first());
    if !is_root(&bench) {
        return;
    }
    let input = bench.file("in.ko", &machine.read(MODULE));
    chown(&input, Some(NOBODY), Some(NOBODY)).unwrap();
    set_mode(&input, 0o4750);
    in_place(&machine, &input).done();
    let there = input.metadata().unwrap();
    assert_eq!((there.uid(), there.gid(), mode(&input)), (NOBODY, NOBODY, 0o4750));
    assert!(fs::read(&input).unwrap() != machine.read(MODULE));
}

#[test]
fn a_file_that_becomes_somebody_elses_is_not_setuid() {
    let (bench, machine) = (Sandbox::new(), first());
    if !is_root(&bench) {
        return;
    }
    // A folder of everybody's, with a copy of the program and its inputs: the build's own may be closed.
    let root = tempfile::Builder::new().prefix("everybodys-").tempdir_in("/tmp").unwrap();
    set_mode(root.path(), 0o777);
    let put = |name: &str, from: &Path| {
        let path = root.path().join(name);
        fs::copy(from, &path).unwrap();
        set_mode(&path, 0o755);
        path
    };
    let copy = put("klp-convert", Path::new(program().get_program()));
    let vmlinux = put("vmlinux", &machine.path("vmlinux.cut"));
    let target = put("klp_target_a.ko", &machine.path("klp_target_a.ko"));
    let input = put("in.ko", &machine.path(MODULE));
    set_mode(&input, 0o6755);
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(copy).arg("convert");
    command.arg(&input).arg("--in-place").arg("--vmlinux").arg(vmlinux).arg("--module").arg(target);
    Run::of(command.output().expect("setpriv, of util-linux")).done();
    let there = input.metadata().unwrap();
    assert_eq!((there.uid(), there.gid(), mode(&input)), (NOBODY, NOBODY, 0o755));
    assert!(fs::read(&input).unwrap() != machine.read(MODULE));
}

#[test]
fn in_place_extended_attributes_are_kept_but_not_those_of_the_bytes() {
    let (bench, machine) = (Sandbox::new(), first());
    let input = bench.file("in.ko", &machine.read(MODULE));
    let value = b"who made it\0";
    let set =
        |name: &str| rustix::fs::setxattr(&input, name, value, rustix::fs::XattrFlags::empty());
    if set("user.origin").is_err() {
        assert!(std::env::var_os("CI").is_none(), "the file system has no attributes of users");
        eprintln!("passed over: the file system has no attributes of users");
        return;
    }
    let is_root = is_root(&bench);
    if is_root {
        set("security.ima").unwrap();
    }
    in_place(&machine, &input).done();
    let get = |name: &str| {
        let mut buffer = [0; 64];
        let length = rustix::fs::getxattr(&input, name, &mut buffer).ok()?;
        Some(buffer[..length].to_vec())
    };
    assert_eq!(get("user.origin"), Some(value.to_vec()));
    assert_eq!(get("security.ima"), None);
}

#[test]
fn a_dangling_link_is_written_through_where_its_folder_exists() {
    let (bench, machine) = (Sandbox::new(), first());
    let module = machine.path(MODULE);
    let convert = |out: &Path| run(conversion(&machine, &[&module, Path::new("-o"), out]));
    fs::create_dir(bench.path("folder")).unwrap();
    let link = |to: &str, name: &str| {
        symlink(to, bench.path(name)).unwrap();
        bench.path(name)
    };
    link("folder", "same");
    // Relative to the link, absolute, over a second link, and out of a folder that is a link.
    let absolute = bench.path("absolute.ko");
    link("made.ko", "second");
    link("../beside.ko", "folder/up");
    for (path, made) in [
        (link("folder/relative.ko", "1"), bench.path("folder/relative.ko")),
        (link(absolute.to_str().unwrap(), "2"), absolute.clone()),
        (link("second", "3"), bench.path("made.ko")),
        (bench.path("same/up"), bench.path("beside.ko")),
    ] {
        convert(&path).done();
        assert!(path.is_symlink());
        assert!(made.symlink_metadata().unwrap().is_file(), "{}", made.display());
        fs::remove_file(made).unwrap();
    }
    let files = bench.files();
    convert(&link("no/such/folder.ko", "4")).usage_or_io(&["error[KLP-E0602]", "No such file"]);
    convert(&link("5", "5")).usage_or_io(&["error[KLP-E0602]", "symbolic links"]);
    fs::remove_file(bench.path("4")).unwrap();
    fs::remove_file(bench.path("5")).unwrap();
    assert_eq!(bench.files(), files);
}

#[test]
fn what_is_converted_already_is_not_written_again() {
    let (bench, machine) = (Sandbox::new(), first());
    bench.convert(&machine.path(MODULE), &machine, Map::Elf).done();
    let (input, xz) = (bench.file("in.ko", &bench.written()), bench.path("in.ko.xz"));
    // With settings of its own, which an output does not get.
    assert!(Command::new("xz").args(["-k", "-0"]).arg(&input).status().unwrap().success());
    let state = |path: &Path| {
        let there = path.metadata().unwrap();
        (there.ino(), there.mtime(), there.mtime_nsec(), there.ctime(), there.ctime_nsec())
    };
    for path in [&input, &xz] {
        let before = state(path);
        in_place(&machine, path).done();
        assert_eq!(state(path), before, "{}", path.display());
    }
    let out = bench.output();
    let before = state(&out);
    run(conversion(&machine, &[&input, Path::new("-o"), &out])).done();
    assert_eq!(state(&out), before);
    // An output of other bytes, and one that was converted, are.
    fs::write(&out, b"old").unwrap();
    run(conversion(&machine, &[&input, Path::new("-o"), &out])).done();
    assert!(bench.written() == fs::read(&input).unwrap());
    let before = state(&out);
    run(conversion(&machine, &[&machine.path(MODULE), Path::new("-o"), &out])).done();
    assert_ne!(state(&out), before);
}

#[test]
fn the_folder_is_synced_after_the_name_is_there() {
    let (bench, machine) = (Sandbox::new(), first());
    if !installed("strace") {
        return;
    }
    let trace = bench.path("trace");
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-e", "trace=fsync,rename,renameat,renameat2", "-o"]).arg(&trace);
    command.arg(program().get_program());
    command.args(conversion(&machine, &[&machine.path(MODULE), Path::new("-o"), &bench.output()]));
    Run::of(command.output().unwrap()).done();
    let trace = fs::read_to_string(trace).unwrap();
    let lines: Vec<_> = trace.lines().filter(|line| !line.contains("+++")).collect();
    assert_eq!(lines.len(), 3, "{trace}");
    assert!(lines[0].contains("fsync(") && lines[0].contains(".klp-convert-"), "{trace}");
    assert!(lines[1].contains("rename"), "{trace}");
    let folder = bench.output().parent().unwrap().display().to_string();
    assert!(lines[2].contains("fsync(") && lines[2].contains(&format!("<{folder}>")), "{trace}");
}
