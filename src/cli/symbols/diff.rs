//! `klp-convert symbols diff`.

use std::path::Path;

use serde::Serialize;

use super::super::Outcome;
use super::super::args::Diff;
use super::super::report::Reporter;
use super::changes::Overview;
use crate::convert::wanted_names;
use crate::diagnostic::OneLine;
use crate::path_text::path_text;
use crate::symbols::{
    self, Map, Merged, Scope, SymbolError, SymbolSource, Wanted, diff, read_module,
};

/// What `--format json` prints, one for each change.
#[derive(Serialize)]
struct Changed<'a> {
    name: &'a str,
    object: &'a str,
    #[serde(flatten)]
    change: Change<'a>,
}

#[derive(Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
enum Change<'a> {
    Vanished,
    Ambiguous { candidates: usize },
    Unique,
    Moved { file: &'a str, before: usize, now: usize },
    Homonyms { before: usize, now: usize },
    Exported,
    Unexported,
}

impl<'a> From<&'a symbols::Changed> for Changed<'a> {
    fn from(changed: &'a symbols::Changed) -> Self {
        let symbols::Changed { name, object, change } = changed;
        Self { name, object: object.as_str(), change: change.into() }
    }
}

impl<'a> From<&'a symbols::Change> for Change<'a> {
    fn from(change: &'a symbols::Change) -> Self {
        match *change {
            symbols::Change::Vanished => Self::Vanished,
            symbols::Change::Ambiguous { candidates } => Self::Ambiguous { candidates },
            symbols::Change::Unique => Self::Unique,
            symbols::Change::Moved { ref file, before, now } => Self::Moved { file, before, now },
            symbols::Change::Homonyms { before, now } => Self::Homonyms { before, now },
            symbols::Change::Exported => Self::Exported,
            symbols::Change::Unexported => Self::Unexported,
        }
    }
}

pub(super) fn run(args: &Diff, reporter: &Reporter) -> Outcome {
    let names = match &args.module {
        None => None,
        Some(path) => match read_module(path) {
            Ok(data) => match wanted_names(&data) {
                Ok(names) => Some(names),
                Err(failure) => {
                    let name = path_text(path);
                    return reporter.failure(&failure.diagnostics(&name), Outcome::of(&failure));
                }
            },
            Err(error) => return reporter.symbols(&[error]),
        },
    };
    let wanted = names.as_ref().map(|names| Wanted::new(names.iter().map(String::as_str)));
    let scope = wanted.as_ref().map_or(Scope::All, Scope::Names);
    let read = read(&args.old, scope).and_then(|old| Ok((old, read(&args.new, scope)?)));
    let (old, new) = match read {
        Ok(both) => both,
        Err(error) => return reporter.symbols(&[error]),
    };
    let changes = diff(&old, &new);
    if reporter.is_json() {
        return reporter.json(&changes.iter().map(Changed::from).collect::<Vec<_>>());
    }
    let count = changes.len();
    if args.all || args.module.is_some() {
        reporter.remark(&format!("{count} changes"));
        let text: String = changes.iter().map(|change| format!("{}\n", OneLine(change))).collect();
        return reporter.text(&text);
    }
    let overview = Overview::new(changes, &new);
    reporter.remark(&match overview.left_out {
        0 => format!("{count} changes"),
        made => format!("{count} changes, {made} of names that compilers and macros make: --all"),
    });
    reporter.text(&overview.to_string())
}

fn read(path: &Path, scope: Scope<'_>) -> Result<Merged, SymbolError> {
    let map = Map::open(path)?;
    let mut merged = Merged::default();
    merged.add(map.read(scope)?, path)?;
    Ok(merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_has_a_word_and_what_belongs_to_it() {
        use symbols::Change;
        let file = "a.c".to_owned();
        for (change, text) in [
            (Change::Vanished, r#""vanished""#),
            (Change::Ambiguous { candidates: 2 }, r#""ambiguous","candidates":2"#),
            (Change::Unique, r#""unique""#),
            (
                Change::Moved { file, before: 1, now: 3 },
                r#""moved","file":"a.c","before":1,"now":3"#,
            ),
            (Change::Homonyms { before: 2, now: 4 }, r#""homonyms","before":2,"now":4"#),
            (Change::Exported, r#""exported""#),
            (Change::Unexported, r#""unexported""#),
        ] {
            let (name, object) = ("f".to_owned(), "m".parse().unwrap());
            let changed = symbols::Changed { name, object, change };
            let document = serde_json::to_string(&Changed::from(&changed)).unwrap();
            assert_eq!(document, format!(r#"{{"name":"f","object":"m","change":{text}}}"#));
        }
    }
}
