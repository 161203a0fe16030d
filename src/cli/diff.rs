//! `klp-convert diff`.

use std::path::Path;

use serde::Serialize;

use super::Outcome;
use super::args::DiffModules;
use super::report::Reporter;
use crate::comparison::{Difference, compare};
use crate::path_text::path_text;
use crate::symbols::read_module_within;

/// What `--format json` prints.
#[derive(Serialize)]
struct Document<'a> {
    old: String,
    new: String,
    same: bool,
    differences: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Line<'a> {
    what: String,
    name: &'a str,
    old: Option<&'a str>,
    new: Option<&'a str>,
}

impl<'a> From<&'a Difference> for Line<'a> {
    fn from(Difference { what, name, old, new }: &'a Difference) -> Self {
        Self { what: what.to_string(), name, old: old.as_deref(), new: new.as_deref() }
    }
}

pub(super) fn run(args: &DiffModules, reporter: &Reporter) -> Outcome {
    let read = |path: &Path| {
        let limit = args.max_unpacked.saturating_mul(1 << 20);
        read_module_within(path, limit).map(|module| module.bytes)
    };
    let (old, new) = match (read(&args.old), read(&args.new)) {
        (Ok(old), Ok(new)) => (old, new),
        (old, new) => {
            let errors: Vec<_> = [old.err(), new.err()].into_iter().flatten().collect();
            reporter.symbols(&errors);
            return Outcome::UsageOrIo;
        }
    };
    let differences = match compare(&old, &new) {
        Ok(differences) => differences,
        Err(failure) => {
            // Both are asked again for whose fault it is.
            let of_old = compare(&old, &old).is_err();
            let name = path_text(if of_old { &args.old } else { &args.new });
            return reporter.failure(&failure.diagnostics(&name), Outcome::UsageOrIo);
        }
    };
    let printed = if reporter.is_json() {
        reporter.json(&Document {
            old: path_text(&args.old),
            new: path_text(&args.new),
            same: differences.is_empty(),
            differences: differences.iter().map(Line::from).collect(),
        })
    } else {
        let lines = differences.iter().map(|difference| format!("{difference}\n"));
        reporter.text(&lines.collect::<String>())
    };
    match printed {
        Outcome::Done if !differences.is_empty() => Outcome::Refused,
        printed => printed,
    }
}
