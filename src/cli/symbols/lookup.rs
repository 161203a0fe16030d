//! `klp-convert symbols lookup`.

use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use super::super::args::Lookup;
use super::super::report::Reporter;
use super::super::{Outcome, document};
use crate::convert::explain_not_found;
use crate::diagnostic::{Diagnostic, OneLine};
use crate::resolve::place_between;
use crate::symbols::{Answer, Candidate, Export, Reach, Wanted};

/// What is known of a name.
struct Found<'a> {
    name: &'a str,
    candidates: Vec<(Candidate, Reach)>,
    /// The exporter of the name, to which an ordinary relocation binds.
    export: Option<&'a Export>,
    /// Why there is nothing, if so.
    missing: Option<Diagnostic>,
}

impl Found<'_> {
    fn is_missing(&self) -> bool {
        self.candidates.is_empty() && self.export.is_none()
    }
}

/// What `--format json` prints, one for each name.
#[derive(Serialize)]
struct Document<'a> {
    name: &'a str,
    candidates: Vec<Reached<'a>>,
    export: Option<document::Export<'a>>,
    #[serde(serialize_with = "document::diagnostics")]
    diagnostics: &'a [Diagnostic],
}

#[derive(Serialize)]
struct Reached<'a> {
    #[serde(flatten)]
    candidate: document::Candidate<'a>,
    reach: &'static str,
}

impl<'a> From<&'a Found<'a>> for Document<'a> {
    fn from(found: &'a Found<'a>) -> Self {
        let reached = |(candidate, reach): &'a (Candidate, Reach)| Reached {
            candidate: candidate.into(),
            reach: word(*reach),
        };
        Self {
            name: found.name,
            candidates: found.candidates.iter().map(reached).collect(),
            export: found.export.map(Into::into),
            diagnostics: found.missing.as_slice(),
        }
    }
}

/// How a symbol is reached, as programs read it.
fn word(reach: Reach) -> &'static str {
    match reach {
        Reach::ByName => "by-name",
        Reach::Exported => "exported",
        Reach::ByPosition => "by-position",
        Reach::WhileLoading => "while-loading",
        Reach::Unproven => "unproven",
        Reach::Freed => "freed",
        Reach::Marker => "marker",
    }
}

pub(super) fn run(args: &Lookup, reporter: &Reporter) -> Outcome {
    let sources = match args.maps.sources(reporter) {
        Ok(sources) => sources,
        Err(error) => return reporter.symbols(&[error]),
    };
    let wanted = Wanted::new(args.names.iter().map(String::as_str));
    let answer = match sources.answer(&wanted) {
        Ok(answer) => answer,
        Err(error) => return reporter.symbols(&[error]),
    };
    let mut found: Vec<_> = args.names.iter().map(|name| find(name, &answer)).collect();
    let several = found.iter().filter(|found| found.candidates.len() > 1);
    let choices = several.flat_map(|found| &found.candidates).map(|(candidate, _)| candidate);
    if let Err(error) = place_between(&sources, &choices.collect::<Vec<_>>()) {
        return reporter.symbols(&[error]);
    }
    let missing = found.iter().filter(|found| found.is_missing());
    let missing: Vec<&str> = missing.map(|found| found.name).collect();
    let outcome = if missing.is_empty() { Outcome::Done } else { Outcome::Refused };
    let diagnostics = match outcome {
        Outcome::Done => Ok(Vec::new()),
        _ => explain_not_found(&missing, &sources),
    };
    let diagnostics = match diagnostics {
        Ok(diagnostics) => diagnostics,
        Err(error) => return reporter.symbols(&[error]),
    };
    reporter.diagnostics(&diagnostics);
    let without = found.iter_mut().filter(|found| found.is_missing());
    without.zip(diagnostics).for_each(|(found, diagnostic)| found.missing = Some(diagnostic));
    let printed = if reporter.is_json() {
        reporter.json(&found.iter().map(Document::from).collect::<Vec<_>>())
    } else {
        reporter.text(&text(&found))
    };
    if printed == Outcome::Done { outcome } else { printed }
}

fn find<'a>(name: &'a str, answer: &'a Answer) -> Found<'a> {
    let export = answer.export(name);
    let rows = answer.candidates(name).iter();
    let candidates = rows.map(|candidate| (candidate.clone(), answer.reach(candidate)));
    Found { name, candidates: candidates.collect(), export, missing: None }
}

fn text(found: &[Found<'_>]) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    let titles = ["NAME", "OBJECT", "POSITION", "ADDRESS", "SIZE", "TYPE", "SECTION", "FILE"];
    table.set_header(titles.into_iter().chain(["REACHED BY A LIVEPATCH"]));
    for found in found {
        for (candidate, reach) in &found.candidates {
            let Candidate { object, name, position, homonyms, .. } = candidate;
            let or = |text: Option<String>| OneLine(text.unwrap_or_else(|| "-".into())).to_string();
            table.add_row(vec![
                OneLine(name).to_string(),
                OneLine(object).to_string(),
                format!("{position}/{homonyms}"),
                or(candidate.address.map(|address| format!("{address:#x}"))),
                or(candidate.size.map(|size| size.to_string())),
                or(candidate.letter.map(|letter| char::from(letter).to_string())),
                or(candidate.section.clone()),
                or(candidate.file.clone()),
                if candidate.untraceable {
                    format!("{reach}; cannot be patched")
                } else {
                    reach.to_string()
                },
            ]);
        }
        if let (Some(export), true) = (found.export, found.candidates.is_empty()) {
            let mut row = vec![found.name.to_owned(), export.owner.to_string()];
            row.extend(std::iter::repeat_n("-".to_owned(), 6));
            row.push("exported; the owner's symbols are not known".into());
            table.add_row(row);
        }
    }
    for column in [2, 3, 4] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text: String = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    if found.iter().all(Found::is_missing) {
        text.clear();
    }
    for (candidate, _) in found.iter().flat_map(|found| &found.candidates) {
        if let Some(beside) = candidate.beside.get() {
            let Candidate { object, name, position, .. } = candidate;
            let beside = OneLine(format!("{name} {position} of {object}: {beside}"));
            text += &format!(" {beside}\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reach_has_a_word_for_programs() {
        let all = [
            (Reach::ByName, "by-name"),
            (Reach::Exported, "exported"),
            (Reach::ByPosition, "by-position"),
            (Reach::WhileLoading, "while-loading"),
            (Reach::Unproven, "unproven"),
            (Reach::Freed, "freed"),
            (Reach::Marker, "marker"),
        ];
        for (reach, programs) in all {
            assert_eq!(word(reach), programs);
        }
    }
}
