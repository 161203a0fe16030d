//! How much was compared, and what was left out and why.

use std::collections::BTreeMap;

/// Counts of one case; bytes count once for each time at which they were compared.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tally {
    pub(crate) snapshots: u64,
    pub(crate) compared: u64,
    pub(crate) relocations: BTreeMap<&'static str, u64>,
    /// Relocations that changed something, and how many of them had all changed bytes left out:
    /// these were not verified.
    pub(crate) written: u64,
    pub(crate) hidden: u64,
    /// Bytes that were left out, by the function that changes them.
    pub(crate) masked: BTreeMap<&'static str, u64>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.snapshots += other.snapshots;
        self.compared += other.compared;
        self.written += other.written;
        self.hidden += other.hidden;
        for (name, count) in &other.relocations {
            *self.relocations.entry(name).or_default() += count;
        }
        for (by, bytes) in &other.masked {
            *self.masked.entry(by).or_default() += bytes;
        }
    }
}
