//! All that a build has found out: the document that programs read, and what the table and the page show.

use std::collections::BTreeMap;

use serde::Serialize;

use super::cell::{Cell, End};
use super::drift::{Drift, drifts};

/// What `--format json` prints, and `report.json`.
#[derive(Debug, Serialize)]
pub(super) struct Document {
    pub(super) patches: Vec<String>,
    pub(super) targets: Vec<TargetLine>,
    /// What is not the same in all kernels.
    pub(super) drifts: Vec<Drift>,
    /// In the order of `klp.toml`, a kernel after the other.
    pub(super) cells: Vec<Cell>,
    /// Indices of cells, by livepatch and target.
    #[serde(skip)]
    by_name: BTreeMap<(String, String), usize>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct TargetLine {
    pub(super) name: String,
    pub(super) release: String,
    pub(super) arch: String,
}

impl Document {
    pub(super) fn new(cells: Vec<Cell>) -> Self {
        let (mut patches, mut targets, mut by_name) = (Vec::new(), Vec::new(), BTreeMap::new());
        for (index, cell) in cells.iter().enumerate() {
            let Cell { patch, target, release, arch, .. } = cell;
            by_name.insert((patch.clone(), target.clone()), index);
            if !patches.contains(patch) {
                patches.push(patch.clone());
            }
            let line =
                TargetLine { name: target.clone(), release: release.clone(), arch: arch.clone() };
            if !targets.contains(&line) {
                targets.push(line);
            }
        }
        Self { drifts: drifts(&cells), patches, targets, cells, by_name }
    }

    /// The cell of a livepatch and a target, with its index.
    pub(super) fn cell(&self, patch: &str, target: &str) -> Option<(usize, &Cell)> {
        let index = *self.by_name.get(&(patch.to_owned(), target.to_owned()))?;
        Some((index, self.cells.get(index)?))
    }

    /// How many cells ended so.
    pub(super) fn count(&self, end: End) -> usize {
        self.cells.iter().filter(|cell| cell.end == end).count()
    }
}
