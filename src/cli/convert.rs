//! `klp-convert convert`.

use std::borrow::Cow;
use std::io;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::args::{Convert, Maps};
use super::overwrite::overwritten;
use super::report::{Reporter, io_diagnostic};
use super::{Outcome, document, output};
use crate::convert::{Conversion, Plan, convert};
use crate::diagnostic::{Code, Diagnostic};
use crate::findings::Error;
use crate::options::Options;
use crate::patch::PatchedObjects;
use crate::path_text::path_text;
use crate::symbols::image::Compression;
use crate::symbols::read_module_within;

/// What `--format json` prints.
#[derive(Serialize)]
struct Document<'a> {
    input: String,
    output: Option<String>,
    plan: Option<document::Plan<'a>>,
    #[serde(serialize_with = "document::diagnostics")]
    diagnostics: &'a [Diagnostic],
}

pub(super) fn run(args: &Convert, reporter: &Reporter) -> Outcome {
    let output = if args.in_place { Some(&args.input) } else { args.output.as_ref() };
    let output = output.filter(|_| !args.dry_run).map(std::path::PathBuf::as_path);
    if let Some(outcome) = reporter.both_to_stdout(output) {
        return outcome;
    }
    let mut diagnostics = Vec::new();
    let (outcome, plan) = attempt(args, output, reporter, &mut diagnostics);
    if !reporter.is_json() {
        return outcome;
    }
    let printed = reporter.json(&Document {
        input: path_text(&args.input),
        output: output.filter(|_| outcome == Outcome::Done).map(path_text),
        plan: plan.as_ref().map(document::Plan::from),
        diagnostics: &diagnostics,
    });
    if outcome == Outcome::Done { printed } else { outcome }
}

fn attempt(
    args: &Convert,
    output: Option<&Path>,
    reporter: &Reporter,
    diagnostics: &mut Vec<Diagnostic>,
) -> (Outcome, Option<Plan>) {
    let name = path_text(&args.input);
    let input = (!args.in_place).then_some(("the input", args.input.as_path()));
    let old = args.positions_from.as_deref().map(|path| ("--positions-from", path));
    let sources = input.into_iter().chain(args.maps.files()).chain(old);
    if let Some(diagnostic) = output.and_then(|output| overwritten(output, sources)) {
        diagnostics.push(diagnostic);
        reporter.diagnostics(diagnostics);
        return (Outcome::UsageOrIo, None);
    }
    let module = match read_module_within(&args.input, args.max_unpacked.saturating_mul(1 << 20)) {
        Ok(module) => module,
        Err(error) => {
            diagnostics.push(error.diagnostic());
            reporter.diagnostics(diagnostics);
            return (if error.is_io() { Outcome::UsageOrIo } else { Outcome::Refused }, None);
        }
    };
    let recorded_for = args.positions_from.iter().map(|map| {
        Maps { symbols: vec![map.clone()], ..Maps::default() }.sources(reporter).map(Arc::new)
    });
    let recorded_for = match recorded_for.collect::<Result<Vec<_>, _>>() {
        Ok(found) => found.into_iter().next(),
        Err(error) => {
            diagnostics.push(error.diagnostic());
            reporter.diagnostics(diagnostics);
            return (if error.is_io() { Outcome::UsageOrIo } else { Outcome::Refused }, None);
        }
    };
    let options = Options {
        patched: PatchedObjects { objects: args.objects.iter().cloned().collect() },
        keep_module_exports: args.keep_module_exports,
        strip_signature: args.strip_signature,
        allow_stale_map: args.maps.allow_stale_map,
        target: args.target,
        allow_undeclared_dependency: args.allow_undeclared_dependency,
        all: args.all,
        no_check: args.no_check,
        recorded_for,
        keep_intermediates: args.keep_intermediates,
        only_recorded: args.only_recorded,
        no_klp_arch: args.no_klp_arch,
    };
    let sources = args.maps.sources(reporter).map_err(Error::from);
    let conversion = match sources.and_then(|sources| convert(&module.bytes, &sources, &options)) {
        Ok(conversion) => conversion,
        Err(failure) => {
            diagnostics.extend(failure.diagnostics(&name));
            reporter.diagnostics(diagnostics);
            return (Outcome::of(&failure), None);
        }
    };
    let Conversion { plan, warnings, bytes } = conversion;
    let is_unchanged = bytes == module.bytes;
    diagnostics.extend(warnings.iter().map(|w| Diagnostic::warning(&name, w)));
    let written = output.map_or(Ok(()), |output| {
        let by_suffix = || Compression::of_module(output);
        let compression = if args.in_place { module.compression } else { by_suffix() };
        if is_unchanged && args.in_place {
            return Ok(());
        }
        packed(&bytes, compression)
            .and_then(|bytes| match is_unchanged && output::holds(output, &bytes) {
                true => Ok(()),
                false => output::write(output, &bytes, &args.input),
            })
            .map_err(|e| io_diagnostic(Code::Write, output, &e))
    });
    let failed = written.map_err(|diagnostic| diagnostics.push(diagnostic)).is_err();
    reporter.diagnostics(diagnostics);
    if failed {
        return (Outcome::UsageOrIo, Some(plan));
    }
    if args.dry_run && !reporter.is_json() {
        return (reporter.text(&plan.to_string()), Some(plan));
    }
    if reporter.is_verbose() {
        reporter.lines(plan.to_string().trim_end());
    }
    if let Some(output) = output {
        let (symbols, relocations) = (plan.symbols.len(), plan.relocations());
        let output = path_text(output);
        reporter.remark(&if plan.is_empty() {
            format!("{output}: nothing to convert")
        } else {
            format!("{output}: {symbols} klp symbols, {relocations} klp relocations")
        });
    }
    (Outcome::Done, Some(plan))
}

/// The bytes of a module's file.
fn packed(module: &[u8], compression: Option<Compression>) -> io::Result<Cow<'_, [u8]>> {
    match compression {
        None => Ok(Cow::Borrowed(module)),
        Some(compression) => compression.compress_module(module).map(Cow::Owned),
    }
}
