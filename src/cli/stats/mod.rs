//! `klp-convert stats`.

mod budget;
mod difference;
mod history;
mod page;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::args;
use super::overwrite::overwritten;
use super::report::{Reporter, io_diagnostic};
use super::{Outcome, document, output};
use crate::diagnostic::{Code, Diagnostic};
use crate::path_text::path_text;
use crate::stats::Stats;
use crate::symbols::read_module_within;
use budget::Budget;
use difference::Difference;
use history::{Entry, History};

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
    if args.history.is_some() && args.label.is_none() && !args.modules.is_empty() {
        return reporter.usage(
            "--history needs --label: what the modules are called in it, such as a version",
        );
    }
    if let Some(diagnostic) = replaced(args) {
        return reporter.failure(&[diagnostic], Outcome::UsageOrIo);
    }
    let budget = match args.budget.as_deref().map(read_budget).transpose() {
        Ok(budget) => budget,
        Err((diagnostic, outcome)) => return reporter.failure(&[*diagnostic], outcome),
    };
    let old = match args.compare.as_deref().map(|old| measure(old, args)).transpose() {
        Ok(old) => old,
        Err((diagnostics, outcome)) => return reporter.failure(&diagnostics, outcome),
    };
    let history = args.history.as_deref().map(|path| read_history(path, args.modules.is_empty()));
    let mut history = match history.transpose() {
        Ok(history) => history,
        Err(diagnostic) => return reporter.failure(&[*diagnostic], Outcome::UsageOrIo),
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
                if let (Some(history), Some(label)) = (&mut history, &args.label) {
                    let name = stats.name.clone().unwrap_or_else(|| name.clone());
                    let (label, figures) = (label.clone(), stats.figures.clone());
                    history.add(Entry { label, name, figures });
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
    if let Some(history) = &history
        && let Err(diagnostic) = write_history(history, budget.as_ref(), args)
    {
        diagnostics.push(*diagnostic);
        outcome = Outcome::UsageOrIo;
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

/// An output that would replace an input: only the history is both.
fn replaced(args: &args::Stats) -> Option<Diagnostic> {
    let compared = args.compare.as_deref().map(|path| ("the other module", path));
    let budget = args.budget.as_deref().map(|path| ("the budget", path));
    let modules = args.modules.iter().map(|path| ("the module", path.as_path()));
    let inputs: Vec<_> = modules.chain(compared).chain(budget).collect();
    let history = args.history.as_deref();
    let of_page = inputs.iter().copied().chain(history.map(|path| ("the history", path)));
    let page = args.page.as_deref().and_then(|page| overwritten(page, of_page));
    page.or_else(|| overwritten(history?, inputs))
}

/// Reads a history. One that is not there yet is empty, unless it `must_exist`.
fn read_history(path: &Path, must_exist: bool) -> Result<History, Box<Diagnostic>> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => String::new(),
        Err(error) => return Err(Box::new(io_diagnostic(Code::Read, path, &error))),
        Ok(text) => text,
    };
    History::parse(&text).map_err(|error| Box::new(Diagnostic::error(&path_text(path), &error)))
}

/// Writes the history, if there is something new, and its page.
fn write_history(
    history: &History,
    budget: Option<&Budget>,
    args: &args::Stats,
) -> Result<(), Box<Diagnostic>> {
    let write = |path: &Path, text: io::Result<String>| {
        text.and_then(|text| output::write_new(path, text.as_bytes()))
            .map_err(|error| Box::new(io_diagnostic(Code::Write, path, &error)))
    };
    if let Some(path) = args.history.as_deref().filter(|_| !args.modules.is_empty()) {
        write(path, history.to_text().map_err(io::Error::from))?;
    }
    if let Some(path) = &args.page {
        write(path, Ok(page::page(history, budget)))?;
    }
    Ok(())
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
