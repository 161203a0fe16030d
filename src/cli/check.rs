//! `klp-convert check`.

use serde::Serialize;
use std::path::Path;

use super::Outcome;
use super::args::Check;
use super::progress::Progress;
use super::report::{Reporter, trouble};
use crate::diagnostic::{Code, Diagnostic};
use crate::klp::{Options, check};
use crate::symbols::Sources;

/// What `--format json` prints, one for each module.
#[derive(Serialize)]
struct Verdict {
    module: String,
    accepted: bool,
    diagnostics: Vec<Diagnostic>,
}

pub(super) fn run(args: &Check, reporter: &Reporter) -> Outcome {
    let sources = match args.maps.sources() {
        Ok(sources) => sources,
        Err(error) => return reporter.symbols(&[error]),
    };
    let progress = Progress::new("checking", args.files.len());
    let mut outcome = Outcome::Done;
    let mut verdicts = Vec::new();
    for path in &args.files {
        let (verdict, end) = one(path, args, &sources);
        if end != Outcome::Done && outcome != Outcome::Trouble {
            outcome = end;
        }
        progress.above(|| {
            reporter.diagnostics(&verdict.diagnostics);
            if verdict.accepted {
                reporter.remark(&format!("{}: no rule is broken", verdict.module));
            }
        });
        progress.step();
        verdicts.push(verdict);
    }
    progress.finish();
    if reporter.is_json() && reporter.json(&verdicts) == Outcome::Trouble {
        return Outcome::Trouble;
    }
    outcome
}

fn one(path: &Path, args: &Check, sources: &Sources) -> (Verdict, Outcome) {
    let module = path.display().to_string();
    let data = match std::fs::read(path) {
        Ok(data) => data,
        Err(error) => {
            let diagnostics = vec![trouble(Code::Read, path, &error)];
            return (Verdict { module, accepted: false, diagnostics }, Outcome::Trouble);
        }
    };
    let options = Options {
        target: args.target.unwrap_or_default(),
        allow_stale_map: args.maps.allow_stale_map,
        ..Options::default()
    };
    match check(&data, sources, &options) {
        Ok(()) => (Verdict { module, accepted: true, diagnostics: Vec::new() }, Outcome::Done),
        Err(failure) => {
            let diagnostics = failure.diagnostics(&module);
            (Verdict { module, accepted: false, diagnostics }, Outcome::of(&failure))
        }
    }
}
