//! Counts in the formats that trackers of benchmarks read.

use std::fs;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::cases::Case;
use super::cost::{Bytes, Cost};

/// The files to write.
#[derive(Debug, Default)]
pub(crate) struct Trackers {
    /// In the Bencher Metric Format: an object of benchmarks, of measures, each with its value.
    pub(crate) bencher: Option<PathBuf>,
    /// As github-action-benchmark reads with `customSmallerIsBetter`: a list of name, unit and value.
    pub(crate) github: Option<PathBuf>,
}

impl Trackers {
    pub(crate) fn write(&self, measured: &[(Case, Cost)]) {
        let store = |file: &Option<PathBuf>, value: Value| {
            if let Some(file) = file {
                fs::write(file, serde_json::to_string_pretty(&value).unwrap() + "\n").unwrap();
            }
        };
        let benchmarks = measured.iter().map(|(case, cost)| {
            let measures =
                measures(cost).map(|(measure, _, value)| (measure, json!({ "value": value })));
            let measures = measures.map(|(measure, value)| (measure.to_owned(), value));
            (case.name.clone(), Value::Object(measures.collect()))
        });
        store(&self.bencher, Value::Object(benchmarks.collect::<Map<_, _>>()));
        let entries = measured.iter().flat_map(|(case, cost)| {
            measures(cost).map(|(measure, unit, value)| {
                json!({ "name": format!("{}: {measure}", case.name), "unit": unit, "value": value })
            })
        });
        store(&self.github, entries.collect());
    }
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
