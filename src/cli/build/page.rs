//! The page of a build: one file that needs nothing else, neither scripts nor the network.
//!
//! A cell of the table is a link to what is known about it; style sheets alone show and hide it.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::cell::{BuiltModule, Cell, End, Report};
use super::drift::{Drift, InKernel};
use super::report::Document;

const STYLE: &str = include_str!("page.css");

/// Most cells of which all is shown; of more, only what did not go well.
const SHOWN: usize = 2000;

/// Most lines of a log.
const LINES: usize = 300;

/// Width of a kernel's column and height of a row in a picture, in pixels.
const COLUMN: usize = 28;
const ROW: usize = 22;
/// Room for names.
const MARGIN: usize = 260;
const HEADER: usize = 150;

/// The page. `log` reads the log of a cell.
pub(super) fn page(document: &Document, log: impl Fn(&Cell) -> String) -> String {
    let shown = |cell: &Cell| {
        cell.end != End::NotBuilt && (cell.end != End::Ok || document.cells.len() <= SHOWN)
    };
    let counts =
        [End::Ok, End::Refused, End::Failed, End::NotBuilt].map(|end| (end, document.count(end)));
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { "klp-convert build" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Livepatches for all kernels" }
                p.counts {
                    (document.cells.len()) " cells: "
                    @for (end, count) in counts.iter().filter(|(_, count)| *count > 0) {
                        span class=(end) { (count) " " (end) } " "
                    }
                }
                @if document.cells.len() > SHOWN {
                    p { "Only cells that did not go well can be opened; report.json has all." }
                }
                div.scroll { table.matrix {
                    thead { tr {
                        th { "livepatch" }
                        @for target in &document.targets {
                            th.kernel title=(format!("{} ({})", target.release, target.arch)) { span { (target.name) } }
                        }
                    } }
                    tbody { @for patch in &document.patches { tr {
                        th { (patch) }
                        @for target in &document.targets {
                            @match document.cell(patch, &target.name) {
                                Some((index, cell)) if shown(cell) => {
                                    td class=(cell.end) { a href=(format!("#c{index}")) { (cell.end) } }
                                }
                                Some((_, cell)) => td class=(cell.end) { (cell.end) },
                                None => td {},
                            }
                        }
                    } } }
                } }
                @if !document.drifts.is_empty() {
                    h2 { "Not the same in all kernels" }
                    div.scroll { (picture(document)) }
                    p { "0: the name is unique; a number: the position; E: exported; ~: changed by the compiler; \
                         -: no such name" }
                    ul { @for drift in &document.drifts { li { (in_words(drift)) } } }
                }
                @for (index, cell) in document.cells.iter().enumerate().filter(|(_, cell)| shown(cell)) {
                    (opened(index, cell, &log(cell)))
                }
            }
        }
    };
    page.into_string()
}

fn in_words(drift: &Drift) -> Markup {
    html! {
        b { (drift.name) } " of " (drift.object) " in " (drift.patch) ": "
        @for (index, (what, targets)) in drift.groups().into_iter().enumerate() {
            @if index > 0 { "; " }
            (what) " in " (targets.join(", "))
        }
    }
}

/// A cell, with all that is known about it.
fn opened(index: usize, cell: &Cell, log: &str) -> Markup {
    html! {
        section.cell id=(format!("c{index}")) {
            a.close href="#" { "close" }
            h2 { (cell.patch) " for " (cell.target) ": " span class=(cell.end) { (cell.end) } }
            @if let Some(reason) = &cell.reason { p { (reason) } }
            p { "built in " (format!("{:.1}", cell.seconds)) " s from " code { (cell.inputs) } }
            @if !cell.diagnostics.is_empty() {
                h3 { "Findings" }
                @for report in &cell.diagnostics { (finding(report)) }
            }
            @for module in &cell.modules { (of_module(module)) }
            details open[cell.end == End::Failed] { summary { "Log" } pre { (tail(log)) } }
        }
    }
}

fn finding(report: &Report) -> Markup {
    html! {
        div.finding class=(report.severity) {
            b { (report.severity) "[" (report.code) "]" } " " (report.file) ": " (report.message)
            @if !report.help.is_empty() { pre { (report.help.join("\n")) } }
            @for also in &report.also { div { "also: " (also) } }
            @if report.more > 0 { div { "and " (report.more) " more of this kind" } }
        }
    }
}

fn of_module(module: &BuiltModule) -> Markup {
    html! {
        h3 { (module.file) }
        p { (module.remark) " (" (module.bytes) " bytes, SHA-256 " code { (module.sha256) } ")" }
        @if !module.functions.is_empty() {
            p { "replaces " @for function in &module.functions {
                code { (function.object) ":" (function.name) "," (function.position) } " "
            } }
        }
        @for section in &module.relocations {
            table.relocations {
                caption { (section.name) }
                tr { th { "offset" } th { "relocation" } th { "symbol" } }
                @for entry in &section.entries { tr {
                    td { (format!("{:#x}", entry.offset)) } td { (entry.relocation) } td { (entry.symbol) }
                } }
            }
        }
    }
}

/// The last lines of a log.
fn tail(log: &str) -> String {
    let count = log.lines().count();
    let mut lines: Vec<_> = log.lines().skip(count.saturating_sub(LINES)).collect();
    let left_out = format!("... {} lines before", count.saturating_sub(LINES));
    if count > LINES {
        lines.insert(0, &left_out);
    }
    lines.join("\n")
}

/// A row for each symbol and a column for each kernel, with a colour for each thing that a symbol can be.
fn picture(document: &Document) -> Markup {
    let column = |index: usize| MARGIN + index * COLUMN;
    let row = |index: usize| HEADER + index * ROW;
    let (width, height) = (column(document.targets.len()) + COLUMN, row(document.drifts.len()) + 4);
    html! {
        svg.drift width=(width) height=(height) role="img" aria-label="positions by kernel" {
            @for (index, target) in document.targets.iter().enumerate() {
                text transform=(format!("translate({},{}) rotate(-60)", column(index) + COLUMN / 2, HEADER - 6)) { (target.name) }
            }
            @for (line, drift) in document.drifts.iter().enumerate() {
                text x="0" y=(row(line) + ROW - 7) { (drift.name) }
                @for (index, target) in document.targets.iter().enumerate() {
                    @if let Some(what) = drift.kernels.get(&target.name) {
                        g {
                            title { (drift.name) " in " (target.name) ": " (what) }
                            rect class=(class(what)) x=(column(index)) y=(row(line)) width=(COLUMN - 3) height=(ROW - 3) {}
                            text.inside x=(column(index) + (COLUMN - 3) / 2) y=(row(line) + ROW - 7) { (sign(what)) }
                        }
                    }
                }
            }
        }
    }
}

/// Positions have five colours in turn.
fn class(what: &InKernel) -> String {
    match what {
        InKernel::Position(position) => format!("p{}", position % 5),
        InKernel::Exported => "exported".into(),
        InKernel::Changed(_) | InKernel::Missing => "missing".into(),
    }
}

fn sign(what: &InKernel) -> String {
    match what {
        InKernel::Position(position) => position.to_string(),
        InKernel::Exported => "E".into(),
        InKernel::Changed(_) => "~".into(),
        InKernel::Missing => "-".into(),
    }
}
