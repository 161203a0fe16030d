//! Faults at every system call: the program is killed, the disk is full or broken, calls are
//! interrupted. Each time the output is the old one or the whole new one, and the end is told.
//!
//! strace counts the calls of a run, then lets one fail in each of as many others. Run with
//! `--nocapture` to see the table of [`docs/security.md`].

mod call;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use strum::IntoEnumIterator;

use crate::fixtures::installed;
use crate::tool::Sandbox;

use call::CALLS;

/// Calls that change a file or a folder. Not `close`: the files are synced before, and Rust's own library ends
/// the program when a folder cannot be closed, which no file system does.
const CHANGING: [&str; 11] = [
    "write",
    "fsync",
    "openat",
    "renameat",
    "rename",
    "renameat2",
    "mkdir",
    "fchmod",
    "fchown",
    "fsetxattr",
    "unlink",
];

/// Calls that read one.
const READING: [&str; 10] = [
    "read",
    "pread64",
    "lseek",
    "statx",
    "newfstatat",
    "readlink",
    "getdents64",
    "flistxattr",
    "fgetxattr",
    "getcwd",
];

/// Calls that a signal may interrupt.
const INTERRUPTIBLE: [&str; 6] = ["read", "pread64", "write", "openat", "fsync", "poll"];

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::Display, strum::EnumIter)]
enum Fault {
    #[strum(serialize = "SIGKILL")]
    Kill,
    #[strum(serialize = "EIO")]
    Broken,
    #[strum(serialize = "ENOSPC")]
    Full,
    #[strum(serialize = "EINTR")]
    Interrupted,
}

impl Fault {
    /// Whether this goes wrong in such a call.
    fn concerns(self, call: &str) -> bool {
        match self {
            Self::Kill => !["execve", "exit_group", "clone", "clone3"].contains(&call),
            Self::Broken => CHANGING.contains(&call) || READING.contains(&call),
            Self::Full => CHANGING.contains(&call),
            Self::Interrupted => INTERRUPTIBLE.contains(&call),
        }
    }

    /// What strace is told.
    fn injected(self, call: &str, number: usize) -> String {
        let what = match self {
            Self::Kill => "signal=KILL".to_owned(),
            other => format!("error={other}"),
        };
        format!("inject={call}:{what}:when={number}")
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::Display)]
enum End {
    #[strum(serialize = "as without the fault")]
    Done,
    #[strum(serialize = "an error, nothing is changed")]
    Refused,
    #[strum(serialize = "an error, the whole output is there")]
    RefusedLate,
    #[strum(serialize = "the dynamic linker gives up")]
    NotStarted,
    #[strum(serialize = "killed, nothing is changed")]
    Killed,
    #[strum(serialize = "killed, the whole output is there")]
    KilledLate,
}

#[test]
#[ignore = "takes a minute or two; .ci/run has it"]
fn a_fault_at_any_system_call_leaves_the_old_output_or_the_whole_new_one() {
    if !installed("strace") {
        return;
    }
    let mut trials = Vec::new();
    let calls: Vec<_> = CALLS.iter().map(|call| (call, call.undisturbed(&[]))).collect();
    for (call, (counts, whole)) in &calls {
        for (name, count) in counts {
            for fault in Fault::iter() {
                let count = if fault.concerns(name) { *count } else { 0 };
                trials.extend((1..=count).map(|number| (*call, fault, name, number, whole)));
            }
        }
    }
    let (next, table) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let bad = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().unwrap().get() {
            scope.spawn(|| {
                while let Some((call, fault, name, number, whole)) =
                    trials.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    match call.disturbed(*fault, name, *number, whole) {
                        Ok(end) => {
                            *table.lock().unwrap().entry((call.name, *fault, end)).or_insert(0) +=
                                1;
                        }
                        Err(what) => bad.lock().unwrap().push(what),
                    }
                }
            });
        }
    });
    for ((call, fault, end), count) in table.into_inner().unwrap() {
        println!("| {call} | {fault} | {end} | {count} |");
    }
    let bad = bad.into_inner().unwrap();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn short_reads_and_writes_and_interrupted_ones_change_nothing() {
    if !installed("strace") || !installed("cc") {
        return;
    }
    let bench = Sandbox::new();
    let short = bench.path("short.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/faults/short.c");
    let mut cc = Command::new("cc");
    let built = cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&short).arg(source).status();
    assert!(built.unwrap().success());
    let preloaded = format!("LD_PRELOAD={}", short.display());
    for call in &CALLS {
        let (usual, whole) = call.undisturbed(&[]);
        let (calls, shortened) = call.undisturbed(&["-E", &preloaded]);
        assert!(shortened == whole, "{}", call.name);
        assert!(calls["read"] > usual["read"] * 10, "{}: the library was not used", call.name);
    }
}
