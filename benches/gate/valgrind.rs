//! Runs a benchmark under callgrind, and under dhat.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::calls::{MEASURED, ONE};
use super::cases::{Case, Work};
use super::cost::Cost;
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
    let mut cost = Cost {
        instructions: profile.instructions(),
        allocations,
        functions: profile.functions(),
        allocating,
        ..Cost::default()
    };
    if matches!(case.work, Work::Command(_)) {
        let file = output(case, "dhat");
        let said =
            run(case, &["--tool=dhat".into(), format!("--dhat-out-file={}", file.display())]);
        cost.allocated = Some(figure(&said, "Total:"));
        cost.peak = Some(figure(&said, "At t-gmax:"));
    }
    cost
}

/// The bytes of a line of dhat's summary: `==1== Total:     1,234 bytes in 5 blocks`.
fn figure(said: &str, title: &str) -> u64 {
    let line = said.lines().find(|line| line.contains(title)).unwrap_or_default();
    let (_, rest) = line.split_once(title).unwrap();
    let number = rest.split_whitespace().next().unwrap();
    number.replace(',', "").parse().unwrap()
}

fn output(case: &Case, tool: &str) -> PathBuf {
    folder().join(format!("{}.{tool}", case.name.replace('/', "-")))
}

/// Returns what valgrind says.
fn run(case: &Case, words: &[String]) -> String {
    let mut command = Command::new("valgrind");
    command.args(words).current_dir(folder()).stdout(Stdio::null());
    // One thread does the same each time; no user's settings.
    command.env_clear().env("RAYON_NUM_THREADS", "1").env("PATH", "/usr/bin:/bin");
    match &case.work {
        Work::Command(words) => command.arg(env!("CARGO_BIN_EXE_klp-convert")).args(words),
        Work::Call => command.arg(std::env::current_exe().unwrap()).args([ONE, &case.name]),
    };
    let ended = command.output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    let expected = if case.refuses { Some(1) } else { Some(0) };
    assert_eq!(ended.status.code(), expected, "{}: {said}", case.name);
    said
}
