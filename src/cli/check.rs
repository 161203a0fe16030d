//! `klp-convert check`.

use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::Outcome;
use super::args::Check;
use super::report::{Reporter, trouble};
use crate::diagnostic::{Code, Diagnostic};
use crate::klp::{Options, check};

/// How long nothing is shown.
const PATIENCE: Duration = Duration::from_secs(1);

/// What `--format json` prints, one for each module.
#[derive(Serialize)]
struct Verdict {
    module: String,
    accepted: bool,
    diagnostics: Vec<Diagnostic>,
}

pub(super) fn run(args: &Check, reporter: &Reporter) -> Outcome {
    let progress = progress(args.files.len());
    let mut outcome = Outcome::Done;
    let mut verdicts = Vec::new();
    for path in &args.files {
        let (verdict, end) = one(path, args);
        if end != Outcome::Done && outcome != Outcome::Trouble {
            outcome = end;
        }
        progress.suspend(|| {
            reporter.diagnostics(&verdict.diagnostics);
            if verdict.accepted {
                reporter.remark(&format!("{}: no rule is broken", verdict.module));
            }
        });
        progress.inc(1);
        if progress.is_hidden() && progress.elapsed() > PATIENCE {
            progress.set_draw_target(ProgressDrawTarget::stderr());
        }
        verdicts.push(verdict);
    }
    progress.finish_and_clear();
    if reporter.is_json() && reporter.json(&verdicts) == Outcome::Trouble {
        return Outcome::Trouble;
    }
    outcome
}

fn one(path: &Path, args: &Check) -> (Verdict, Outcome) {
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
    match check(&data, &args.maps.sources(), &options) {
        Ok(()) => (Verdict { module, accepted: true, diagnostics: Vec::new() }, Outcome::Done),
        Err(failure) => {
            let diagnostics = failure.diagnostics(&module);
            (Verdict { module, accepted: false, diagnostics }, Outcome::of(&failure))
        }
    }
}

/// A bar, hidden until the work has taken a second.
fn progress(modules: usize) -> ProgressBar {
    let length = u64::try_from(modules).unwrap_or(u64::MAX);
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::hidden());
    if let Ok(style) = ProgressStyle::with_template("checking {pos}/{len} {wide_bar} {eta}") {
        bar.set_style(style);
    }
    bar
}
