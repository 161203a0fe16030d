//! What a run costs, in units that repeat.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Functions that are kept for each benchmark, and the part of all that one must have, one in so many.
const FUNCTIONS: usize = 25;
const PART: u64 = 300;

/// Counts of one run.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Cost {
    /// Instructions, of all threads.
    pub(crate) instructions: u64,
    /// Calls that ask for memory.
    pub(crate) allocations: u64,
    /// `None` for a call of the library.
    pub(crate) bytes: Option<Bytes>,
    /// Instructions of each function of ours, with what it calls of others' code.
    pub(crate) functions: BTreeMap<String, u64>,
    /// What each function of ours allocates, likewise: bytes, or calls where these are not known.
    pub(crate) allocating: BTreeMap<String, u64>,
}

/// Bytes of the heap.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bytes {
    /// What was asked for.
    pub(crate) allocated: u64,
    /// Most at a time.
    pub(crate) peak: u64,
}

impl Cost {
    pub(crate) fn to_json(&self) -> Value {
        let mut value = json!({
            "instructions": self.instructions,
            "allocations": self.allocations,
            "functions": most(&self.functions),
            "allocating": most(&self.allocating),
        });
        if let Some(Bytes { allocated, peak }) = self.bytes {
            (value["allocated"], value["peak"]) = (allocated.into(), peak.into());
        }
        value
    }

    pub(crate) fn from_json(value: &Value) -> Option<Self> {
        let counts = |key: &str| -> Option<BTreeMap<String, u64>> {
            let counts = value[key].as_object()?.iter();
            counts.map(|(name, count)| Some((name.clone(), count.as_u64()?))).collect()
        };
        Some(Self {
            instructions: value["instructions"].as_u64()?,
            allocations: value["allocations"].as_u64()?,
            bytes: value["allocated"].as_u64().zip(value["peak"].as_u64()).map(Bytes::from),
            functions: counts("functions")?,
            allocating: counts("allocating")?,
        })
    }
}

impl From<(u64, u64)> for Bytes {
    fn from((allocated, peak): (u64, u64)) -> Self {
        Self { allocated, peak }
    }
}

/// The functions with the largest counts.
fn most(counts: &BTreeMap<String, u64>) -> BTreeMap<&str, u64> {
    let all: u64 = counts.values().sum();
    let mut counts: Vec<_> = counts.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    counts.retain(|(_, count)| *count >= all / PART);
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.into_iter().take(FUNCTIONS).collect()
}
