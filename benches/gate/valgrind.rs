//! Runs a benchmark under callgrind, and under dhat.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::calls::{MEASURED, ONE};
use super::cases::{Case, Work};
use super::cost::{Bytes, Cost};
use super::heap::Heap;
use super::inputs::folder;
use super::profile::Profile;

/// The version of valgrind.
///
/// # Errors
/// It is not there.
pub(crate) fn version() -> Result<String, String> {
    let said = Command::new("valgrind").arg("--version").output();
    let said = said.map_err(|error| format!("valgrind: {error}"))?;
    Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

/// What a benchmark costs.
pub(crate) fn measure(case: &Case) -> Cost {
    let file = output(case, "callgrind");
    let mut words = vec![
        "--tool=callgrind".to_owned(),
        format!("--callgrind-out-file={}", file.display()),
        "--compress-strings=no".into(),
        "--compress-pos=no".into(),
        "--demangle=no".into(),
    ];
    if matches!(case.work, Work::Call) {
        // Not what makes its input.
        words.push(format!("--toggle-collect=*{MEASURED}*"));
    }
    run(case, &words);
    let profile = Profile::parse(&std::fs::read_to_string(&file).unwrap());
    let (allocations, allocating) = profile.allocations();
    let (instructions, functions) = (profile.instructions(), profile.functions());
    let cost = Cost { instructions, allocations, functions, allocating, bytes: None };
    match case.work {
        Work::Call => cost,
        Work::Command(_) => {
            let file = output(case, "dhat");
            let out = format!("--dhat-out-file={}", file.display());
            run(case, &["--tool=dhat".into(), "--num-callers=40".into(), out]);
            let heap = Heap::parse(&std::fs::read(file).unwrap());
            let bytes = Some(Bytes { allocated: heap.allocated, peak: heap.peak });
            Cost { bytes, allocating: heap.functions, ..cost }
        }
    }
}

/// Instructions of a program with these words; `None` if it fails.
pub(crate) fn instructions(program: &Path, words: &[String]) -> Option<u64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program).args(words);
    let ended = alone(&mut command).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    let count = said.lines().find_map(|line| line.split_once("Collected : "))?.1.trim();
    ended.status.success().then(|| count.parse().unwrap())
}

/// One thread does the same each time; no user's settings.
fn alone(command: &mut Command) -> &mut Command {
    command.current_dir(folder()).stdout(Stdio::null()).env_clear();
    command.env("RAYON_NUM_THREADS", "1").env("PATH", "/usr/bin:/bin")
}

fn output(case: &Case, tool: &str) -> PathBuf {
    folder().join(format!("{}.{tool}", case.name.replace('/', "-")))
}

fn run(case: &Case, words: &[String]) {
    let mut command = Command::new("valgrind");
    alone(command.args(words));
    match &case.work {
        Work::Command(words) => command.arg(env!("CARGO_BIN_EXE_klp-convert")).args(words),
        Work::Call => command.arg(std::env::current_exe().unwrap()).args([ONE, &case.name]),
    };
    let ended = command.output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{}: {said}", case.name);
}
