//! One run of the program, and what it cost.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use wait4::Wait4;

use crate::tool;

/// Address space in bytes, and seconds of a CPU, that nothing gets: what is over the bounds is seen when it ends.
const LIMITS: [(Resource, u64); 2] = [(Resource::As, 4 << 30), (Resource::Cpu, 20)];

/// How it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None`: by a signal, which `how` names.
    pub(crate) code: Option<i32>,
    pub(crate) how: String,
    /// User and system.
    pub(crate) cpu: Duration,
    /// Peak, in bytes.
    pub(crate) memory: u64,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// Runs it, with what it prints in files of a folder, so that no pipe fills.
pub(crate) fn run(words: &[OsString], folder: &Path) -> Ended {
    let (stdout, stderr) = (folder.join("stdout"), folder.join("stderr"));
    let mut command = tool::program();
    command.args(words);
    command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
    let child = command.spawn().expect("the program starts");
    limit(&child);
    let ended = child.wait4().unwrap();
    let (status, used) = (ended.status, ended.rusage);
    let how = status.signal().map_or(String::new(), |signal| format!("signal {signal}"));
    let cpu = used.utime + used.stime;
    let [stdout, stderr] = [stdout, stderr].map(|path| fs::read(path).unwrap());
    Ended { code: status.code(), how, cpu, memory: used.maxrss, stdout, stderr }
}

/// The first microseconds go without limits; a process that is over already has no use for them.
fn limit(child: &Child) {
    for (resource, limit) in LIMITS {
        let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
        let _ = prlimit(Some(Pid::from_child(child)), resource, limit);
    }
}
