//! `klp-convert symbols build`.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde::Serialize;

use super::super::args::Build;
use super::super::overwrite::overwritten;
use super::super::progress::Progress;
use super::super::report::{Reporter, io_diagnostic};
use super::super::{Outcome, document, output};
use super::info::Summary;
use super::odd::odd;
use super::proven::proven;
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::path_text::path_text;
use crate::symbols::map::build;
use crate::symbols::{Map, Note, Scope, SymbolError, SymbolErrorKind};

/// What `--format json` prints.
#[derive(Serialize)]
struct Document<'a> {
    output: String,
    map: Summary,
    /// Objects that were found, but are not in the map.
    notes: Vec<PassedOver<'a>>,
    /// Files that were skipped, and modules that differ from the others.
    #[serde(serialize_with = "document::diagnostics")]
    diagnostics: &'a [Diagnostic],
}

#[derive(Serialize)]
struct PassedOver<'a> {
    path: String,
    text: &'a str,
}

impl<'a> From<&'a Note> for PassedOver<'a> {
    fn from(note: &'a Note) -> Self {
        Self { path: path_text(&note.path), text: &note.text }
    }
}

pub(super) fn run(args: &Build, reporter: &Reporter) -> Outcome {
    if let Some(outcome) = reporter.both_to_stdout(Some(&args.output)) {
        return outcome;
    }
    if let Some(diagnostic) = overwritten(&args.output, args.maps.files()) {
        return reporter.failure(&[diagnostic], Outcome::UsageOrIo);
    }
    let files = match proven(args, reporter) {
        Ok(files) => files,
        Err(diagnostics) => return reporter.failure(&diagnostics, Outcome::Refused),
    };
    let (sources, mut errors) = args.maps.gather_with(&files);
    sources.notes().iter().for_each(|note| reporter.remark(&note.to_string()));
    if !errors.is_empty() && !args.keep_going {
        return reporter.symbols(&errors);
    }
    // A module in a folder is an input, too.
    if let Some(diagnostic) =
        overwritten(&args.output, sources.paths().map(|path| ("the source", path)))
    {
        return reporter.failure(&[diagnostic], Outcome::UsageOrIo);
    }
    let progress = Progress::new("reading", sources.len());
    let read = Mutex::new(BTreeMap::new());
    let (merged, refused) = sources.gather(Scope::All, |path, data| {
        if let (true, Some(data), Ok(mut read)) = (reporter.is_verbose(), data, read.lock()) {
            read.insert(path.to_owned(), data.summary());
        }
        progress.step();
    });
    progress.finish();
    for (path, gave) in read.into_inner().unwrap_or_default() {
        reporter.remark(&format!("{}: {gave}", path.display()));
    }
    errors.extend(refused);
    if !errors.is_empty() && !args.keep_going {
        return reporter.symbols(&errors);
    }
    if merged.objects().next().is_none() && merged.exports().next().is_none() {
        // A source without symbols is none by itself: modules that export nothing have an empty Module.symvers.
        let paths: Vec<_> = sources.paths().collect();
        let blamed = if let [only] = *paths { only } else { &*args.output };
        errors.push(SymbolError::new(blamed, SymbolErrorKind::Nothing));
        return reporter.symbols(&errors);
    }
    let built = build(&merged).map_err(|error| SymbolError::new(&args.output, error));
    let map = match built.and_then(|bytes| Map::from_bytes(&args.output, bytes)) {
        Ok(map) => map,
        Err(error) => return reporter.symbols(&[error]),
    };
    let (bytes, summary) = match map.bytes().and_then(|bytes| Ok((bytes, Summary::of(&map)?))) {
        Ok(made) => made,
        Err(error) => return reporter.symbols(&[error]),
    };
    if let Err(error) = output::write_new(&args.output, &bytes) {
        let diagnostic = io_diagnostic(Code::Write, &args.output, &error);
        return reporter.failure(&[diagnostic], Outcome::UsageOrIo);
    }
    let left_out =
        errors.iter().map(|error| Diagnostic { severity: Severity::Warning, ..error.diagnostic() });
    let warnings: Vec<_> = left_out.chain(odd(&merged)).collect();
    reporter.diagnostics(&warnings);
    // The process ends: to free a million symbols one after the other takes long.
    std::mem::forget(merged);
    if reporter.is_json() {
        let output = path_text(&args.output);
        return reporter.json(&Document {
            output,
            map: summary,
            notes: sources.notes().iter().map(PassedOver::from).collect(),
            diagnostics: &warnings,
        });
    }
    reporter.remark(&format!("{}: {summary}", args.output.display()));
    Outcome::Done
}
