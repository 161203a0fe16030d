//! `klp-convert inspect`.

use super::args::Inspect;
use super::report::Reporter;
use super::{Outcome, document};
use crate::inspect::{inspect, meanings};
use crate::options::Options;
use crate::path_text::path_text;
use crate::symbols::read_module_within;

pub(super) fn run(args: &Inspect, reporter: &Reporter) -> Outcome {
    let name = path_text(&args.module);
    let data = match read_module_within(&args.module, args.max_unpacked.saturating_mul(1 << 20)) {
        Ok(module) => module.bytes,
        Err(error) => return reporter.symbols(&[error]),
    };
    let sources = match args.maps.sources(reporter) {
        Ok(sources) => sources,
        Err(error) => return reporter.symbols(&[error]),
    };
    let options =
        Options { allow_stale_map: args.maps.allow_stale_map, all: args.all, ..Options::default() };
    let inspected = inspect(&data).and_then(|mut inspection| {
        if !sources.is_empty() {
            inspection.meanings = Some(meanings(&data, &sources, &options)?);
        }
        Ok(inspection)
    });
    match inspected {
        Ok(inspection) if reporter.is_json() => {
            reporter.json(&document::Inspection::from(&inspection))
        }
        Ok(inspection) => reporter.text(&inspection),
        Err(failure) => reporter.failure(&failure.diagnostics(&name), Outcome::of(&failure)),
    }
}
