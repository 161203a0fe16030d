//! The table of a build for a terminal, and below it what did not go well.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use comfy_table::{Table, presets};

use super::cell::{Cell, End, Report};
use super::report::Document;
use super::results::{LOG, Results};
use crate::diagnostic::OneLine;

/// Most kernels that have a column of their own.
const COLUMNS: usize = 6;

/// Most kernels that a line names.
const NAMED: usize = 4;

/// The table with everything below it; lines that end in line breaks.
pub(super) fn text(document: &Document, results: &Results<'_>) -> String {
    let mut text = if document.targets.len() <= COLUMNS { wide(document) } else { long(document) };
    for (cells, what) in reasons(document) {
        // Writing to a string cannot fail.
        let Some(first) = cells.first() else { continue };
        let log = results.of(&first.patch, &first.target).join(LOG);
        let targets: Vec<_> = cells.iter().map(|cell| cell.target.as_str()).collect();
        let _ = writeln!(
            text,
            "\n{} for {}: {what}  log: {}",
            first.patch,
            named(&targets),
            log.display()
        );
    }
    if !document.drifts.is_empty() {
        text.push_str("\nnot the same in all kernels:\n");
    }
    for drift in &document.drifts {
        let groups = drift
            .groups()
            .into_iter()
            .map(|(what, targets)| format!("{what} in {}", named(&targets)));
        let groups: Vec<_> = groups.collect();
        let _ = writeln!(
            text,
            "  {}: {} of {}: {}",
            drift.patch,
            OneLine(&drift.name),
            OneLine(&drift.object),
            groups.join("; ")
        );
    }
    let counts =
        [End::Ok, End::Refused, End::Failed, End::NotBuilt].map(|end| (end, document.count(end)));
    let counts = counts.iter().filter(|(end, count)| *count > 0 || *end == End::Ok);
    let counts: Vec<_> = counts.map(|(end, count)| format!("{count} {end}")).collect();
    let plural = if document.cells.len() == 1 { "" } else { "s" };
    let _ = writeln!(text, "\n{} cell{plural}: {}", document.cells.len(), counts.join(", "));
    text
}

/// A row for each livepatch, a column for each kernel.
fn wide(document: &Document) -> String {
    let header = document.targets.iter().map(|target| target.name.clone());
    let mut table = new_table(["livepatch".to_owned()].into_iter().chain(header));
    for patch in &document.patches {
        let cells = document.targets.iter().map(|target| {
            document.cell(patch, &target.name).map_or("-".into(), |(_, cell)| cell.end.to_string())
        });
        table.add_row([patch.clone()].into_iter().chain(cells));
    }
    format!("{table}\n")
}

/// A row for each kernel, which counts.
fn long(document: &Document) -> String {
    let ends = [End::Ok, End::Refused, End::Failed, End::NotBuilt];
    let header = ends.iter().map(ToString::to_string);
    let mut table = new_table(["kernel".to_owned()].into_iter().chain(header));
    let mut counts = BTreeMap::<_, usize>::new();
    for cell in &document.cells {
        *counts.entry((cell.target.as_str(), cell.end)).or_default() += 1;
    }
    for target in &document.targets {
        let count = |end| {
            counts.get(&(target.name.as_str(), end)).map_or(String::new(), ToString::to_string)
        };
        table.add_row([target.name.clone()].into_iter().chain(ends.map(count)));
    }
    format!("{table}\n")
}

fn new_table(header: impl Iterator<Item = String>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    table
}

/// What did not go well, with the cells of which the same is said.
fn reasons(document: &Document) -> Vec<(Vec<&Cell>, String)> {
    let mut all: Vec<(Vec<&Cell>, String)> = Vec::new();
    let mut seen = BTreeMap::new();
    for cell in document.cells.iter().filter(|cell| matches!(cell.end, End::Refused | End::Failed))
    {
        // The help has addresses, which differ between kernels.
        let messages = cell.diagnostics.iter().filter(|report| report.is_error());
        let messages: Vec<_> = messages.map(|report| (&report.code, &report.message)).collect();
        let same = (&cell.patch, cell.end, messages, &cell.reason);
        let index = *seen.entry(same).or_insert(all.len());
        match all.get_mut(index) {
            Some((cells, _)) => cells.push(cell),
            None => all.push((vec![cell], reason(cell))),
        }
    }
    all
}

fn reason(cell: &Cell) -> String {
    let errors: Vec<_> = cell.diagnostics.iter().filter(|report| report.is_error()).collect();
    let mut text = format!("{}", cell.end);
    if errors.is_empty() {
        // Writing to a string cannot fail.
        let reason = cell.reason.as_deref().unwrap_or("no reason is known");
        let _ = writeln!(text, ": {}", OneLine(reason));
        return text;
    }
    text.push('\n');
    for Report { severity, code, file, message, help, .. } in errors {
        let _ = writeln!(text, "  {severity}[{code}]: {}: {}", OneLine(file), OneLine(message));
        for line in help {
            let _ = writeln!(text, "    help: {}", OneLine(line));
        }
    }
    text
}

/// A few names, and how many more.
fn named(targets: &[&str]) -> String {
    let (first, more) = (targets.iter().take(NAMED), targets.len().saturating_sub(NAMED));
    let names = first.copied().collect::<Vec<_>>().join(", ");
    if more == 0 { names } else { format!("{names} and {more} more") }
}
