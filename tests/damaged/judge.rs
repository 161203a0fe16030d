//! What holds of every run, whatever it was given.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::bases::Kind;
use crate::call::{ASKED, Call};
use crate::damage::Damaged;
use crate::home::Home;
use crate::process::Ended;

/// Bytes of diagnostics of one file.
const DIAGNOSTICS: usize = 1_000_000;
/// Of one file; a build without optimisation is about ten times as slow.
const CPU: Duration = Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 1 });

/// The most memory for so many bytes of input.
fn most_memory(input: u64) -> u64 {
    8 * input + (64 << 20)
}

/// What is wrong with how a process ended and what it used; `files` is how many were damaged.
pub(crate) fn process(ended: &Ended, input: u64, files: usize) -> Result<(), String> {
    let said = || String::from_utf8_lossy(&ended.stderr).chars().take(2000).collect::<String>();
    let Some(code) = ended.code else { return Err(format!("{}\n{}", ended.how, said())) };
    if code > 2 {
        return Err(format!("exit code {code}\n{}", said()));
    }
    if ended.memory > most_memory(input) {
        return Err(format!("{} bytes of memory for {input} of input", ended.memory));
    }
    if ended.cpu > CPU * u32::try_from(files).unwrap() {
        return Err(format!("{:?} of a CPU", ended.cpu));
    }
    if ended.stderr.len() > DIAGNOSTICS * files {
        return Err(format!("{} bytes on stderr", ended.stderr.len()));
    }
    Ok(())
}

/// What the errors of a run may be about: the damaged file, or a good one that is used with it.
pub(crate) fn names(damaged: &Damaged<'_>, home: &Home) -> Vec<String> {
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let other = match damaged.call {
        call if call.uses_livepatch() => Some(name(&home.livepatch)),
        Call::Lookup => Some(ASKED.to_owned()),
        Call::Diff => Some(name(&home.map)),
        _ => None,
    };
    let tree = (damaged.base.kind == Kind::Tree).then(|| "tree".to_owned());
    [Some(damaged.base.name.clone()), other, tree].into_iter().flatten().collect()
}

/// What is wrong with a run of one file, whose output is in the folder `out`.
pub(crate) fn one(call: Call, names: &[String], ended: &Ended, out: &Path) -> Result<(), String> {
    let written: Vec<_> = fs::read_dir(out).unwrap().map(|e| e.unwrap().file_name()).collect();
    let done = ended.code == Some(0);
    if !done && !written.is_empty() {
        return Err(format!("after an error there is {written:?}"));
    }
    if !done && call.writes() && !ended.stdout.is_empty() {
        return Err(format!("after an error stdout has {} bytes", ended.stdout.len()));
    }
    if done && call.writes() && written != ["out"] {
        return Err(format!("no error, and {written:?} is written"));
    }
    if done || call == Call::Check {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    let mut errors = said.lines().filter(|line| line.starts_with("error")).peekable();
    if errors.peek().is_none() {
        return Err(format!("exit code {:?} without an error: {said}", ended.code));
    }
    match errors.find(|error| !names.iter().any(|name| error.contains(name.as_str()))) {
        Some(error) => Err(format!("none of {names:?} is named: {error}")),
        None => Ok(()),
    }
}

/// What is wrong with the document of a check of modules, one of which may be damaged or all.
pub(crate) fn document(ended: &Ended, files: &[String]) -> Result<Vec<bool>, String> {
    let document: Value = serde_json::from_slice(&ended.stdout).map_err(|e| e.to_string())?;
    let verdicts = document.as_array().ok_or("the document is no list")?;
    if verdicts.len() != files.len() {
        return Err(format!("{} verdicts on {} files", verdicts.len(), files.len()));
    }
    let mut accepted = Vec::new();
    for (verdict, file) in verdicts.iter().zip(files) {
        if verdict["module"] != **file {
            return Err(format!("a verdict on {} where {file} is", verdict["module"]));
        }
        let is_accepted = verdict["accepted"].as_bool().ok_or("no word of acceptance")?;
        let diagnostics = verdict["diagnostics"].as_array().ok_or("no diagnostics")?;
        let errors = || diagnostics.iter().filter(|diagnostic| diagnostic["severity"] == "error");
        if is_accepted == errors().next().is_some() {
            return Err(format!("{file}: accepted {is_accepted}, {diagnostics:?}"));
        }
        if let Some(error) = errors().find(|error| error["file"] != **file) {
            return Err(format!("{file} is not named: {error}"));
        }
        let size = verdict.to_string().len();
        if size > DIAGNOSTICS {
            return Err(format!("{file}: {size} bytes of diagnostics"));
        }
        accepted.push(is_accepted);
    }
    let code = i32::from(accepted.contains(&false));
    if ended.code != Some(code) {
        return Err(format!("exit code {:?}, by the document it should be {code}", ended.code));
    }
    Ok(accepted)
}
