//! What is not the same in all kernels of a livepatch: positions, exports, names that are gone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::cell::{BuiltModule, Cell, End};

/// A symbol of a livepatch that is not the same in all kernels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Drift {
    pub(super) patch: String,
    pub(super) object: String,
    pub(super) name: String,
    /// By target.
    pub(super) kernels: BTreeMap<String, InKernel>,
}

/// What a symbol is in a kernel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum InKernel {
    /// It has this position; 0 where its name is unique.
    Position(u64),
    /// It is exported, so that it needs no klp relocation.
    Exported,
    /// A compiler has changed it, and left this.
    Changed(String),
    /// No symbol has the name: removed, renamed or inlined.
    Missing,
}

impl fmt::Display for InKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Position(0) => f.write_str("unique"),
            Self::Position(position) => write!(f, "position {position}"),
            Self::Exported => f.write_str("exported"),
            Self::Changed(variant) => write!(f, "changed by the compiler ({variant})"),
            Self::Missing => f.write_str("missing (removed, renamed or inlined)"),
        }
    }
}

impl Drift {
    /// The kernels by what the symbol is in them.
    pub(super) fn groups(&self) -> BTreeMap<&InKernel, Vec<&str>> {
        let mut groups = BTreeMap::<_, Vec<_>>::new();
        for (target, what) in &self.kernels {
            groups.entry(what).or_default().push(target.as_str());
        }
        groups
    }
}

/// The symbols of all livepatches that differ between kernels, in order.
pub(super) fn drifts(cells: &[Cell]) -> Vec<Drift> {
    let mut patches = BTreeMap::<_, Vec<_>>::new();
    for cell in cells {
        patches.entry(cell.patch.as_str()).or_default().push(cell);
    }
    patches.into_iter().flat_map(|(patch, cells)| of_patch(patch, &cells)).collect()
}

fn of_patch(patch: &str, cells: &[&Cell]) -> Vec<Drift> {
    let symbols =
        |module: &BuiltModule| [module.symbols.clone(), module.functions.clone()].concat();
    let built = cells.iter().filter(|cell| cell.end == End::Ok);
    let of_all = built.flat_map(|cell| cell.modules.iter().flat_map(symbols));
    let names: BTreeSet<_> = of_all.map(|symbol| (symbol.object, symbol.name)).collect();
    let drift = names.into_iter().map(|(object, name)| {
        let kernels = cells
            .iter()
            .filter_map(|cell| Some((cell.target.clone(), in_kernel(cell, &object, &name)?)));
        Drift { patch: patch.into(), kernels: kernels.collect(), object, name }
    });
    drift.filter(|drift| drift.groups().len() > 1).collect()
}

/// What a symbol is in the kernel of a cell; `None` where the livepatch does not say.
fn in_kernel(cell: &Cell, object: &str, name: &str) -> Option<InKernel> {
    let mut symbols =
        cell.modules.iter().flat_map(|module| module.symbols.iter().chain(&module.functions));
    if let Some(symbol) = symbols.find(|symbol| symbol.object == object && symbol.name == name) {
        return Some(InKernel::Position(symbol.position));
    }
    if let Some(missing) = cell.missing.iter().find(|missing| missing.name == name) {
        return Some(match missing.variants.first() {
            Some(variant) => InKernel::Changed(variant.clone()),
            None => InKernel::Missing,
        });
    }
    let imported =
        cell.modules.iter().any(|module| module.imports.iter().any(|import| import == name));
    imported.then_some(InKernel::Exported)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::build::cell::{Missing, Symbol};

    fn module(symbols: &[(&str, u64)], imports: &[&str]) -> BuiltModule {
        let symbol = |&(name, position): &(&str, u64)| Symbol {
            object: "vmlinux".into(),
            name: name.into(),
            position,
        };
        BuiltModule {
            file: "lp.ko".into(),
            sha256: String::new(),
            bytes: 0,
            remark: String::new(),
            symbols: symbols.iter().map(symbol).collect(),
            functions: Vec::new(),
            imports: imports.iter().map(|&name| name.into()).collect(),
            relocations: Vec::new(),
        }
    }

    fn cell(target: &str, module: BuiltModule) -> Cell {
        Cell { end: End::Ok, modules: vec![module], ..Cell::not_built("fix", target) }
    }

    #[test]
    fn positions_exports_and_missing_names_are_set_side_by_side() {
        let missing = |name: &str, variants: &[&str]| Missing {
            name: name.into(),
            variants: variants.iter().map(|&variant| variant.into()).collect(),
        };
        let refused = Cell {
            end: End::Refused,
            missing: vec![missing("seen", &["seen.isra.0"]), missing("gone", &[])],
            ..Cell::not_built("fix", "c")
        };
        let cells = [
            cell("a", module(&[("seen", 1), ("same", 0), ("gone", 0), ("out", 0)], &[])),
            cell("b", module(&[("seen", 2), ("same", 0)], &["out", "printk"])),
            refused,
        ];
        let text: Vec<_> = drifts(&cells)
            .iter()
            .map(|drift| {
                let groups = drift
                    .groups()
                    .into_iter()
                    .map(|(what, on)| format!("{what}: {}", on.join(" ")));
                format!("{}: {}", drift.name, groups.collect::<Vec<_>>().join("; "))
            })
            .collect();
        assert_eq!(
            text,
            [
                "gone: unique: a; missing (removed, renamed or inlined): c",
                "out: unique: a; exported: b",
                "seen: position 1: a; position 2: b; changed by the compiler (seen.isra.0): c",
            ]
        );
    }

    #[test]
    fn what_is_the_same_everywhere_is_no_drift() {
        let cells = ["a", "b"].map(|target| cell(target, module(&[("seen", 2)], &[])));
        assert_eq!(drifts(&cells), []);
    }
}
