//! `klp-convert stats`.

mod budget;
mod difference;

use std::collections::BTreeMap;
use std::path::Path;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::args;
use super::report::{Reporter, io_diagnostic};
use super::{Outcome, document};
use crate::diagnostic::{Code, Diagnostic};
use crate::path_text::path_text;
use crate::stats::Stats;
use crate::symbols::read_module_within;
use budget::Budget;
use difference::Difference;

/// The document of `--format json`.
#[derive(Serialize)]
struct Report<'a> {
    modules: Vec<Module<'a>>,
    #[serde(serialize_with = "document::diagnostics")]
    diagnostics: Vec<Diagnostic>,
}

/// A module that was measured.
#[derive(Serialize)]
struct Module<'a> {
    module: String,
    name: Option<&'a str>,
    machine: &'static str,
    kernel: String,
    figures: &'a BTreeMap<String, u64>,
    /// With `--compare`, the figures of the other one.
    #[serde(skip_serializing_if = "Option::is_none")]
    compared: Option<&'a BTreeMap<String, u64>>,
}

pub(super) fn run(args: &args::Stats, reporter: &Reporter) -> Outcome {
    let budget = match args.budget.as_deref().map(read_budget).transpose() {
        Ok(budget) => budget,
        Err((diagnostic, outcome)) => return reporter.failure(&[*diagnostic], outcome),
    };
    let old = match args.compare.as_deref().map(|old| measure(old, args)).transpose() {
        Ok(old) => old,
        Err((diagnostics, outcome)) => return reporter.failure(&diagnostics, outcome),
    };
    let mut outcome = Outcome::Done;
    let (mut measured, mut diagnostics) = (Vec::new(), Vec::new());
    for path in &args.modules {
        match measure(path, args) {
            Ok(stats) => {
                let name = path_text(path);
                let over = budget.iter().flat_map(|budget| budget.exceeded(&stats));
                let over = over.map(|excess| Diagnostic::error(&name, &excess));
                let before = diagnostics.len();
                diagnostics.extend(over);
                if diagnostics.len() != before && outcome == Outcome::Done {
                    outcome = Outcome::Refused;
                }
                measured.push((name, stats));
            }
            Err((found, end)) => {
                diagnostics.extend(found);
                if outcome != Outcome::UsageOrIo {
                    outcome = end;
                }
            }
        }
    }
    let printed = if reporter.is_json() {
        let modules = measured.iter().map(|(name, stats)| module(name, stats, old.as_ref()));
        let report = Report { modules: modules.collect(), diagnostics };
        reporter.json(&report)
    } else {
        let printed = text(&measured, old.as_ref(), reporter);
        reporter.diagnostics(&diagnostics);
        printed
    };
    if printed == Outcome::UsageOrIo { printed } else { outcome }
}

fn module<'a>(name: &str, stats: &'a Stats, old: Option<&'a Stats>) -> Module<'a> {
    Module {
        module: name.to_owned(),
        name: stats.name.as_deref(),
        machine: stats.machine.name,
        kernel: stats.kernel.series().to_string(),
        figures: &stats.figures,
        compared: old.map(|old| &old.figures),
    }
}

/// Reads and measures a module.
fn measure(path: &Path, args: &args::Stats) -> Result<Stats, (Vec<Diagnostic>, Outcome)> {
    let most = args.max_unpacked.saturating_mul(1 << 20);
    let read = read_module_within(path, most).map_err(|error| {
        let outcome = if error.is_io() { Outcome::UsageOrIo } else { Outcome::Refused };
        (vec![error.diagnostic()], outcome)
    })?;
    Stats::of(&read.bytes, args.target)
        .map_err(|error| (error.diagnostics(&path_text(path)), Outcome::of(&error)))
}

fn read_budget(path: &Path) -> Result<Budget, (Box<Diagnostic>, Outcome)> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| (Box::new(io_diagnostic(Code::Read, path, &error)), Outcome::UsageOrIo))?;
    Budget::parse(&text).map_err(|error| {
        (Box::new(Diagnostic::error(&path_text(path), &error)), Outcome::UsageOrIo)
    })
}

/// Prints the figures of each module, or what differs.
fn text(measured: &[(String, Stats)], old: Option<&Stats>, reporter: &Reporter) -> Outcome {
    let mut out = String::new();
    for (name, stats) in measured {
        if measured.len() > 1 {
            out.push_str(&format!("{name}:\n"));
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        match old {
            None => {
                for (figure, value) in &stats.figures {
                    table.add_row([figure.clone(), value.to_string()]);
                }
            }
            Some(old) => {
                let differences = Difference::between(old, stats);
                if differences.is_empty() {
                    out.push_str("no figure differs\n");
                    continue;
                }
                table.set_header(["figure", "old", "new", "change", ""]);
                differences.iter().for_each(|difference| {
                    table.add_row(difference.cells());
                });
            }
        }
        table.column_iter_mut().skip(1).for_each(|c| c.set_cell_alignment(CellAlignment::Right));
        for line in table.lines() {
            out.push_str(line.trim());
            out.push('\n');
        }
    }
    reporter.text(&out)
}
