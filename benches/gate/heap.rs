//! A file of dhat: which of our functions asks for how many bytes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::profile::{NOBODY, is_ours};

/// The heap of a run.
#[derive(Debug, Default)]
pub(crate) struct Heap {
    /// Bytes that were asked for.
    pub(crate) allocated: u64,
    /// Most bytes at a time.
    pub(crate) peak: u64,
    /// Bytes that each function of ours asked for, by itself or by calling others.
    pub(crate) functions: BTreeMap<String, u64>,
}

impl Heap {
    /// Reads a file of dhat's (`dhatFileVersion` 2).
    pub(crate) fn parse(text: &[u8]) -> Self {
        let file: Value = serde_json::from_slice(text).unwrap();
        let frames: Vec<_> = list(&file["ftbl"]).iter().map(name).collect();
        let mut heap = Self::default();
        for point in list(&file["pps"]) {
            let number = |key: &str| point[key].as_u64().unwrap();
            let stack =
                list(&point["fs"]).iter().map(|frame| frames[frame.as_u64().unwrap() as usize]);
            let owner = { stack }.find(|frame| is_ours(frame)).unwrap_or(NOBODY);
            heap.allocated += number("tb");
            heap.peak += number("gb");
            *heap.functions.entry(owner.to_owned()).or_default() += number("tb");
        }
        heap
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

/// The function of a frame: `0x1234: function (file.rs:5)`.
fn name(frame: &Value) -> &str {
    let frame = frame.as_str().unwrap();
    let (_, function) = frame.split_once(": ").unwrap_or(("", frame));
    function.rsplit_once(" (").map_or(function, |(function, _)| function)
}
