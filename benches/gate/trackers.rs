//! Counts in the formats that trackers of benchmarks read.

use std::fs;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::cases::Case;
use super::cost::{Bytes, Cost};

/// The files to write.
#[derive(Debug)]
pub(crate) struct Trackers {
    /// In the Bencher Metric Format: an object of benchmarks, of measures, each with its value.
    pub(crate) bencher: Option<PathBuf>,
    /// As github-action-benchmark reads with `customSmallerIsBetter`: a list of name, unit and value.
    pub(crate) github: Option<PathBuf>,
}

impl Trackers {
    /// Writes the files; an error names the one that cannot be written.
    pub(crate) fn write(&self, measured: &[(Case, Cost)]) -> Result<(), String> {
        let benchmarks = measured.iter().map(|(case, cost)| {
            let measures = measures(cost)
                .map(|(measure, _, value)| (measure.to_owned(), json!({ "value": value })));
            (case.name.clone(), Value::Object(measures.collect()))
        });
        store(self.bencher.as_ref(), &Value::Object(benchmarks.collect::<Map<_, _>>()))?;
        let entries = measured.iter().flat_map(|(case, cost)| {
            measures(cost).map(|(measure, unit, value)| {
                json!({ "name": format!("{}: {measure}", case.name), "unit": unit, "value": value })
            })
        });
        store(self.github.as_ref(), &entries.collect())
    }
}

fn store(file: Option<&PathBuf>, value: &Value) -> Result<(), String> {
    let Some(file) = file else { return Ok(()) };
    let text = serde_json::to_string_pretty(value).unwrap() + "\n";
    fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}

/// Each measure with its unit.
fn measures(cost: &Cost) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
    let bytes = cost.bytes.map(|Bytes { allocated, peak }| {
        [("allocated", "bytes", allocated), ("peak", "bytes", peak)]
    });
    let counts = [
        ("instructions", "instructions", cost.instructions),
        ("allocations", "calls", cost.allocations),
    ];
    counts.into_iter().chain(bytes.into_iter().flatten())
}
