//! The program, run as a user runs it.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::dump::Source;
use crate::list::{self, Entry};

/// A map file that is deleted on drop.
pub(crate) struct Map {
    directory: tempfile::TempDir,
}

/// One candidate of a name.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) object: String,
    pub(crate) address: u64,
    /// As in a livepatch; for a module's symbol, among those that remain when it is live.
    pub(crate) position: Option<u64>,
    /// Whether ftrace is known not to be able to hook it.
    pub(crate) untraceable: bool,
}

/// This many names at once: a command line has a limit.
const NAMES: usize = 500;

fn klp_convert<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Result<String, String> {
    let arguments: Vec<S> = arguments.into_iter().collect();
    let program = env!("CARGO_BIN_EXE_klp-convert");
    let output = Command::new(program).args(&arguments).output().expect("klp-convert runs");
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout).expect("names are text"));
    }
    let first: Vec<_> = arguments.iter().take(6).map(AsRef::as_ref).collect();
    let message = String::from_utf8_lossy(&output.stderr).chars().take(2000).collect::<String>();
    Err(format!("klp-convert {first:?}: {}\n{message}", output.status))
}

impl Map {
    /// Builds a map of a vmlinux and of the modules in a directory.
    pub(crate) fn build(source: &Source<'_>, modules: &Path) -> Result<Self, String> {
        let Source { option, path } = source;
        Self::with(&[OsStr::new(option), path.as_os_str(), "--modules".as_ref(), modules.as_ref()])
    }

    /// Builds a map of a build tree.
    pub(crate) fn of_tree(tree: &Path) -> Result<Self, String> {
        Self::with(&[OsStr::new("--kernel"), tree.as_os_str()])
    }

    fn with(sources: &[&OsStr]) -> Result<Self, String> {
        let map = Self { directory: tempfile::tempdir().expect("a directory") };
        let mut arguments = vec![OsStr::new("symbols"), "build".as_ref()];
        arguments.extend(sources);
        let file = map.file();
        arguments.extend([OsStr::new("-o"), file.as_os_str()]);
        klp_convert(arguments)?;
        Ok(map)
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("kernel.map")
    }

    /// `symbols export --as kallsyms`
    pub(crate) fn list(&self) -> Result<Vec<Entry>, String> {
        let file = self.file();
        let arguments = ["symbols", "export", "-s"].map(OsStr::new);
        let rest = [file.as_os_str(), "--as".as_ref(), "kallsyms".as_ref()];
        Ok(list::parse(&klp_convert(arguments.into_iter().chain(rest))?))
    }

    /// `symbols export`: the historical list.
    pub(crate) fn historical(&self) -> Result<String, String> {
        let file = self.file();
        klp_convert([OsStr::new("symbols"), "export".as_ref(), "-s".as_ref(), file.as_os_str()])
    }

    /// `symbols lookup`: the candidates of each name, by position.
    pub(crate) fn lookup(&self, names: &[&str]) -> Result<HashMap<String, Vec<Candidate>>, String> {
        let mut found = HashMap::new();
        for names in names.chunks(NAMES) {
            let file = self.file();
            let mut arguments =
                ["symbols", "lookup", "--format", "json", "-s"].map(OsStr::new).to_vec();
            arguments.extend([file.as_os_str(), "--".as_ref()]);
            arguments.extend(names.iter().map(OsStr::new));
            let text = klp_convert(arguments)?;
            let json: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
            collect(&json, &mut found);
        }
        for candidates in found.values_mut() {
            candidates.sort_by_key(|candidate| candidate.position);
        }
        Ok(found)
    }
}

/// Collects every JSON object that has a `name` and `candidates`, at any depth.
fn collect(json: &Value, found: &mut HashMap<String, Vec<Candidate>>) {
    if let (Some(name), Some(candidates)) = (json["name"].as_str(), json["candidates"].as_array()) {
        let candidate = |value: &Value| {
            let position = if value["object"] == "vmlinux" { "position" } else { "live_position" };
            Candidate {
                object: value["object"].as_str().expect("an object").to_owned(),
                address: value["address"].as_u64().expect("an address"),
                position: value[position].as_u64(),
                untraceable: value["untraceable"].as_bool().expect("yes or no"),
            }
        };
        found.insert(name.to_owned(), candidates.iter().map(candidate).collect());
        return;
    }
    match json {
        Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
        Value::Object(values) => values.values().for_each(|value| collect(value, found)),
        _ => {}
    }
}
