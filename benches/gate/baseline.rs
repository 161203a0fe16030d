//! The counts that were accepted, one file for each group of benchmarks, reviewed like code.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Map, Value, json};

use super::cases::Case;
use super::cost::Cost;
use super::valgrind;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/baseline")
}

/// The accepted counts.
#[derive(Debug, Default)]
pub(crate) struct Baseline {
    /// By name.
    pub(crate) costs: BTreeMap<String, Cost>,
    /// What they were measured with.
    pub(crate) tools: BTreeMap<String, String>,
}

impl Baseline {
    /// Reads the repository's.
    pub(crate) fn read() -> Self {
        let mut baseline = Self::default();
        for file in fs::read_dir(folder()).into_iter().flatten() {
            let path = file.unwrap().path();
            let value: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            for (name, cost) in value["benchmarks"].as_object().unwrap() {
                baseline.costs.insert(name.clone(), Cost::from_json(cost).unwrap());
            }
            for (tool, version) in value["tools"].as_object().unwrap() {
                baseline.tools.insert(tool.clone(), version.as_str().unwrap().to_owned());
            }
        }
        baseline
    }

    /// Takes new counts, and writes all: only these are left if `all` were measured.
    pub(crate) fn bless(&mut self, measured: &[(Case, Cost)], all: bool) {
        if all {
            self.costs.clear();
        }
        let costs = measured.iter().map(|(case, cost)| (case.name.clone(), cost.clone()));
        self.costs.extend(costs);
        let mut groups: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
        for (name, cost) in &self.costs {
            let (group, _) = name.split_once('/').unwrap();
            groups.entry(group).or_default().insert(name.clone(), cost.to_json());
        }
        fs::create_dir_all(folder()).unwrap();
        for (group, benchmarks) in groups {
            let value = json!({ "tools": tools(), "benchmarks": benchmarks });
            let text = serde_json::to_string_pretty(&value).unwrap() + "\n";
            fs::write(folder().join(format!("{group}.json")), text).unwrap();
        }
    }
}

/// What counts depend on besides the program: compiler, valgrind, and the C library.
pub(crate) fn tools() -> BTreeMap<String, String> {
    let first_line = |program: &str, word: &str| {
        let said = Command::new(program).arg(word).output().unwrap();
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        said.lines().next().unwrap_or_default().to_owned()
    };
    let libc = first_line("ldd", "--version");
    let tools = [
        ("rustc", first_line("rustc", "--version")),
        ("valgrind", valgrind::version().unwrap()),
        ("libc", libc.rsplit(' ').next().unwrap_or_default().to_owned()),
    ];
    tools.into_iter().map(|(tool, version)| (tool.to_owned(), version)).collect()
}
