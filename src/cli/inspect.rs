//! `klp-convert inspect`.

use super::Outcome;
use super::args::Inspect;
use super::report::{Reporter, trouble};
use crate::diagnostic::Code;
use crate::klp::inspect;

pub(super) fn run(args: &Inspect, reporter: &Reporter) -> Outcome {
    let name = args.module.display().to_string();
    let data = match std::fs::read(&args.module) {
        Ok(data) => data,
        Err(error) => {
            let diagnostic = trouble(Code::Read, &args.module, &error);
            return reporter.failure(&[diagnostic], Outcome::Trouble);
        }
    };
    match inspect(&data) {
        Ok(inspection) if reporter.is_json() => reporter.json(&inspection),
        Ok(inspection) => reporter.text(&inspection.to_string()),
        Err(failure) => reporter.failure(&failure.diagnostics(&name), Outcome::of(&failure)),
    }
}
