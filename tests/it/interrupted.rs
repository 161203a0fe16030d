//! Signals: none but SIGKILL leaves a temporary file, and none is answered by half an output.
//!
//! strace delays the calls that put an output into place, so that a signal comes in between.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::fixtures::installed;
use crate::machine::{Machine, Map, machines};
use crate::tool::{Sandbox, program};

/// How the names of temporary files start.
const TEMPORARY: &str = ".klp-convert-";

const SIGNALS: [(&str, i32); 3] = [("HUP", 1), ("INT", 2), ("TERM", 15)];

fn first() -> Machine {
    machines().remove(0)
}

/// A call that makes `out`: a file, or a folder for `load`.
fn call(command: &[&str], out: &Path) -> Vec<OsString> {
    let machine = first();
    let mut words: Vec<OsString> = command.iter().map(OsString::from).collect();
    match *command {
        ["convert"] => words.push(machine.path("lp_two_owners.ko").into()),
        ["load"] => words.push(machine.path("klp_target_a.ko").into()),
        _ => {}
    }
    words.extend(["-o".into(), out.into()]);
    words.extend(machine.map(Map::Elf));
    words
}

const COMMANDS: [&[&str]; 3] = [&["convert"], &["load"], &["symbols", "build"]];

/// Waits for something, for 20 seconds.
#[track_caller]
fn wait<T>(mut there: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(there) = there() {
            return there;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "still waiting");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn send(signal: &str, process: &str) {
    assert!(
        Command::new("kill").args([&format!("-{signal}"), process]).status().unwrap().success()
    );
}

fn ended(mut child: Child) -> ExitStatus {
    wait(|| child.try_wait().unwrap())
}

fn temporaries(bench: &Sandbox) -> Vec<String> {
    bench.files().into_iter().filter(|name| name.starts_with(TEMPORARY)).collect()
}

/// Starts a call whose output takes a while to be put into place; waits for the temporary file.
/// `before` is what the shell does first. `None` where there is no strace.
fn slowly(bench: &Sandbox, words: &[OsString], before: &str) -> Option<(Child, String)> {
    if !installed("strace") {
        return None;
    }
    let (pid, trace) = (bench.path("pid"), bench.path("trace"));
    let mut command = Command::new("strace");
    let delayed = "fsync,rename,renameat,renameat2";
    command.args(["-f", "-e", &format!("trace={delayed}"), "-o"]).arg(trace);
    command.args(["-e", &format!("inject={delayed}:delay_enter=100000")]);
    // What the tests were started by may have ignored signals.
    command.args(["env", "--default-signal=HUP,INT,TERM", "sh", "-c"]);
    command.arg(format!(r#"{before} echo $$ > "$0"; exec "$@""#)).arg(&pid);
    command.arg(program().get_program()).args(words);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().unwrap();
    wait(|| (!temporaries(bench).is_empty()).then_some(()));
    Some((child, fs::read_to_string(pid).unwrap().trim().to_owned()))
}

/// Whether an output is whole: that of a call that nothing has disturbed.
fn is_whole(command: &[&str], out: &Path) -> bool {
    let bench = Sandbox::new();
    let other = bench.output();
    assert!(program().args(call(command, &other)).output().unwrap().status.success());
    if other.is_file() {
        return fs::read(out).unwrap() == fs::read(other).unwrap();
    }
    let names = |folder: &Path| {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    };
    names(out) == names(&other)
        && names(out)
            .iter()
            .all(|n| fs::read(out.join(n)).unwrap() == fs::read(other.join(n)).unwrap())
}

#[test]
fn a_signal_ends_the_program_as_usual_and_leaves_no_temporary_file() {
    for command in COMMANDS {
        for (signal, number) in SIGNALS {
            let bench = Sandbox::new();
            let out = bench.output();
            let Some((child, process)) = slowly(&bench, &call(command, &out), "") else { return };
            send(signal, &process);
            assert_eq!(ended(child).signal(), Some(number), "{command:?} {signal}");
            assert_eq!(temporaries(&bench), [""; 0], "{command:?} {signal}");
            assert!(!out.exists() || is_whole(command, &out), "{command:?} {signal}");
        }
    }
}

#[test]
fn an_ignored_signal_stays_ignored() {
    let bench = Sandbox::new();
    let out = bench.output();
    let words = call(&["convert"], &out);
    let Some((child, process)) = slowly(&bench, &words, "trap '' HUP INT;") else { return };
    send("HUP", &process);
    send("INT", &process);
    assert_eq!(ended(child).code(), Some(0));
    assert!(is_whole(&["convert"], &out));
}

#[test]
fn what_sigkill_leaves_is_known_by_its_name_and_in_nobodys_way() {
    for command in COMMANDS {
        let bench = Sandbox::new();
        let out = bench.output();
        let Some((child, process)) = slowly(&bench, &call(command, &out), "") else { return };
        send("KILL", &process);
        assert_eq!(ended(child).signal(), Some(9));
        let left: Vec<_> =
            bench.files().into_iter().filter(|n| n != "pid" && n != "trace").collect();
        assert!(
            left.iter().all(|name| name.starts_with(TEMPORARY) || name == "out.ko"),
            "{left:?}"
        );
        if !out.exists() {
            assert!(program().args(call(command, &out)).output().unwrap().status.success());
        }
        assert!(is_whole(command, &out));
    }
}

/// Without strace, and wherever the program is.
#[test]
fn a_run_that_is_killed_at_any_time_leaves_all_or_nothing() {
    let mut killed = 0;
    for round in 0..30 {
        let bench = Sandbox::new();
        let (command, out) = (COMMANDS[round % COMMANDS.len()], bench.output());
        let (signal, number) = SIGNALS[round % 2 + 1];
        let mut run = Command::new("env");
        run.arg(format!("--default-signal={signal}")).arg(program().get_program());
        run.args(call(command, &out)).stdout(Stdio::null()).stderr(Stdio::null());
        let child = run.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(u64::try_from(round).unwrap()));
        send(signal, &child.id().to_string());
        let status = ended(child);
        assert!(status.success() || status.signal() == Some(number), "{status}");
        killed += u32::from(!status.success());
        assert_eq!(temporaries(&bench), [""; 0], "{command:?}");
        assert!(!out.exists() || is_whole(command, &out), "{command:?}");
    }
    assert!(killed > 0, "every run was faster than its signal");
}
