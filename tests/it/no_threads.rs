//! No threads can be had: `ulimit -u`, a container's limit on pids. The work is done on the calling thread.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::fixtures::installed;
use crate::machine::{Map, machines};
use crate::tool::{Run, Sandbox, program};

/// A user that has no other process.
const USER: &str = "61317";

/// Calls that use threads where there are some, with outputs below `folder`, each with the files it writes.
fn calls(folder: &Path) -> Vec<(Vec<OsString>, Option<&'static str>)> {
    let machine = machines().remove(0);
    let maps = machine.map(Map::Elf);
    let out = |name: &str| ["-o".into(), folder.join(name).into()];
    let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
    let module = |name: &str| vec![machine.path(name).into_os_string()];
    let with = |parts: &[&[OsString]]| [parts.concat(), maps.clone()].concat();
    vec![
        (
            with(&[&words(&["convert"]), &module("lp_two_owners.ko"), &out("out.ko")]),
            Some("out.ko"),
        ),
        (with(&[&words(&["symbols", "build"]), &out("map")]), Some("map")),
        (with(&[&words(&["symbols", "export"])]), None),
        (with(&[&words(&["symbols", "lookup", "set_is_seen"])]), None),
        (with(&[&words(&["load"]), &module("klp_target_a.ko")]), None),
        (with(&[&words(&["check"]), &module("klp_target_a.ko"), &module("klp_target_b.ko")]), None),
    ]
}

/// Runs all calls by a command that `wrapped` starts, and compares with what they do otherwise.
fn compare(wrapped: impl Fn() -> Command, folder: &Path) {
    let usual = Sandbox::new();
    for ((words, file), (expected, _)) in calls(folder).into_iter().zip(calls(&usual.path(""))) {
        let expected = Run::of(program().args(expected).output().unwrap());
        let ended = Run::of(wrapped().args(&words).stdin(Stdio::null()).output().unwrap());
        assert_eq!(
            (ended.code, &ended.stdout),
            (expected.code, &expected.stdout),
            "{words:?}: {ended:?}"
        );
        if let Some(file) = file {
            assert!(fs::read(folder.join(file)).unwrap() == fs::read(usual.path(file)).unwrap());
        }
    }
}

#[test]
fn where_no_thread_can_be_started_the_calling_one_does_the_work() {
    let bench = Sandbox::new();
    if !installed("strace") {
        return;
    }
    let trace = bench.path("trace");
    for threads in [None, Some("1"), Some("7")] {
        let strace = || {
            let mut command = Command::new("strace");
            command.args(["-f", "-e", "trace=clone,clone3", "-o"]).arg(&trace);
            command.args(["-e", "inject=clone,clone3:error=EAGAIN"]).arg(program().get_program());
            command.env("NO_COLOR", "1").env_remove("RAYON_NUM_THREADS");
            command.envs(threads.map(|count| ("RAYON_NUM_THREADS", count)));
            command
        };
        compare(strace, &bench.path(""));
        let tried = fs::read_to_string(&trace).unwrap().contains("EAGAIN");
        // One thread is the calling one; one CPU needs no other, either.
        let expected =
            threads.map_or(std::thread::available_parallelism().unwrap().get() > 1, |c| c != "1");
        assert_eq!(tried, expected, "{threads:?}");
    }
}

/// `RLIMIT_NPROC`, which does not bind root: as a user that has no other process.
#[test]
fn a_limit_on_processes_is_no_obstacle() {
    let folder = tempfile::Builder::new().prefix("limited-").tempdir_in("/tmp").unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    let is_root = fs::metadata(folder.path()).unwrap().uid() == 0;
    let prlimit = ["prlimit", "--nproc=1"];
    // The build's own folder may be closed to others.
    let (copy, fixtures) = (folder.path().join("klp-convert"), folder.path().join("fixtures"));
    fs::copy(program().get_program(), &copy).unwrap();
    fs::create_dir(&fixtures).unwrap();
    let machine = machines().remove(0);
    let file = |name: &str| {
        fs::copy(machine.path(name), fixtures.join(name)).unwrap();
        fixtures.join(name)
    };
    let maps = ["klp_target_a.ko", "klp_target_b.ko"].map(file);
    let mut command = Command::new("setpriv");
    if is_root {
        command.args([&format!("--reuid={USER}"), &format!("--regid={USER}"), "--clear-groups"]);
    }
    command
        .args(prlimit)
        .arg(&copy)
        .args(["symbols", "build", "-o"])
        .arg(folder.path().join("map"));
    command.args(maps.iter().flat_map(|path| [Path::new("--module"), path.as_path()]));
    Run::of(command.stdin(Stdio::null()).output().expect("setpriv and prlimit, of util-linux"))
        .done();
    assert!(fs::metadata(folder.path().join("map")).unwrap().len() > 0);
}

#[test]
fn any_number_of_threads_may_be_asked_for() {
    let bench = Sandbox::new();
    for threads in ["0", "2", "-1", "many", "100000", "99999999999999999999999"] {
        let numbered = || {
            let mut command = program();
            command.env("RAYON_NUM_THREADS", threads);
            command
        };
        compare(numbered, &bench.path(""));
    }
}
