//! `klp-convert check`.
//!
//! Modules are read and judged on all CPUs, in batches: the sources are searched once for the names
//! of a batch, the next one is read meanwhile, and memory stays bounded by [`ROOM`] and the largest
//! module. Reports are in the order of the arguments.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;

use super::args::Check;
use super::progress::Progress;
use super::report::Reporter;
use super::{Outcome, document};
use crate::check::{Assumed, Conclusion, Judge, Tried, Verdict, suggest};
use crate::diagnostic::Diagnostic;
use crate::elf::Module;
use crate::findings::Error;
use crate::options::Options;
use crate::patch::PatchedObjects;
use crate::path_text::path_text;
use crate::symbols::{
    ModuleBytes, Sources, SymbolError, SymbolErrorKind, Wanted, read_module_within,
};
use crate::target::built_for;
use crate::threads::on_all;

/// Bytes of modules in a batch, give or take the last one; two are in memory.
const ROOM: u64 = 16 << 20;
/// Assumed ratio of a compressed module's size to its file's.
const EXPANSION: u64 = 5;
/// A module that is larger than this many times its file and [`SMALL`] is judged alone: memory is bounded by
/// what a batch unpacks to.
const EXPANSION_MAX: u64 = 10;
/// Assumed size of a small module.
const SMALL: u64 = 64 << 10;

/// What `--format json` prints, one for each module.
#[derive(Serialize)]
struct Line {
    module: String,
    accepted: bool,
    /// `null` where the file is not a module.
    conclusion: Option<String>,
    /// At how many placements it was loaded in simulation.
    simulated_loads: usize,
    #[serde(serialize_with = "document::diagnostics")]
    diagnostics: Vec<Diagnostic>,
}

pub(super) fn run(args: &Check, reporter: &Reporter) -> Outcome {
    let sources = match args.maps.sources(reporter) {
        Ok(sources) => sources,
        Err(error) => return reporter.symbols(&[error]),
    };
    let options = Options {
        patched: PatchedObjects { objects: args.objects.iter().cloned().collect() },
        target: args.target,
        allow_stale_map: args.maps.allow_stale_map,
        allow_undeclared_dependency: args.allow_undeclared_dependency,
        all: args.all,
        ..Options::default()
    };
    let progress = Progress::new("checking", args.files.len());
    let mut outcome = Outcome::Done;
    let mut lines = Vec::new();
    let mut batches = batches(&args.files);
    let mut next = batches.next().map(|paths| on_all(|| Batch::read(paths, args)));
    while let Some(batch) = next {
        let after = batches.next();
        let (judged, read) = on_all(|| {
            let judge = || batch.judge(args, &sources, &options, &progress);
            rayon::join(judge, || after.map(|paths| Batch::read(paths, args)))
        });
        next = read;
        let judged = match judged {
            Ok(judged) => judged,
            // A fault of a map is not about a module.
            Err(error) => {
                progress.finish();
                return reporter.symbols(&[error]);
            }
        };
        for Judged { line, assumed, remark, end } in judged {
            if end != Outcome::Done && outcome != Outcome::UsageOrIo {
                outcome = end;
            }
            progress.above(|| {
                if let Some(assumed) = &assumed {
                    for text in assumed.lines() {
                        reporter.remark(&format!("{}: {text}", line.module));
                    }
                }
                reporter.diagnostics(&line.diagnostics);
                if let Some(remark) = &remark {
                    reporter.remark(&format!("{}: {remark}", line.module));
                }
            });
            // In JSON, all lines are kept to make one document.
            if reporter.is_json() {
                lines.push(line);
            }
        }
    }
    progress.finish();
    if reporter.is_json() && reporter.json(&lines) == Outcome::UsageOrIo {
        return Outcome::UsageOrIo;
    }
    outcome
}

/// The files in batches of [`ROOM`] bytes.
fn batches(files: &[PathBuf]) -> impl Iterator<Item = &[PathBuf]> {
    let mut rest = files;
    std::iter::from_fn(move || {
        let (mut count, mut room) = (0, 0_u64);
        for file in rest {
            let size = file.metadata().map_or(0, |metadata| metadata.len());
            let plain = file.extension().is_some_and(|extension| extension == "ko");
            let size = if plain { size } else { size.saturating_mul(EXPANSION) };
            room = room.saturating_add(size.max(SMALL));
            count += 1;
            if room > ROOM {
                break;
            }
        }
        let (batch, remaining) = rest.split_at_checked(count)?;
        rest = remaining;
        (!batch.is_empty()).then_some(batch)
    })
}

/// A module that has been judged.
struct Judged {
    line: Line,
    /// The assumptions, if `--verbose` is given.
    assumed: Option<String>,
    /// A remark besides the diagnostics.
    remark: Option<String>,
    /// The outcome of its check.
    end: Outcome,
}

/// A module that was read, or why not.
type Read = Result<ModuleBytes, SymbolError>;

/// Modules that are read and judged together.
struct Batch<'a> {
    paths: &'a [PathBuf],
    /// What was read; `None`: it is larger than was assumed.
    read: Vec<Option<Read>>,
}

/// Bytes that a module may have, at most.
fn most(args: &Check) -> u64 {
    args.max_unpacked.saturating_mul(1 << 20)
}

impl<'a> Batch<'a> {
    /// Reads those that are as large as was assumed.
    fn read(paths: &'a [PathBuf], args: &Check) -> Self {
        let most = most(args);
        let read = paths.par_iter().with_max_len(1).map(|path| {
            let size = path.metadata().map_or(0, |metadata| metadata.len());
            let limit = size.saturating_mul(EXPANSION_MAX).saturating_add(SMALL);
            match read_module_within(path, limit.min(most)) {
                Err(error) if is_too_large(&error) && limit < most => None,
                read => Some(read),
            }
        });
        Self { paths, read: read.collect() }
    }

    /// Judges those that were read together, and each of the others alone.
    fn judge(
        mut self,
        args: &Check,
        sources: &Sources,
        options: &Options,
        progress: &Progress,
    ) -> Result<Vec<Judged>, SymbolError> {
        let mut all = Vec::new();
        let groups = self.read.chunk_by_mut(|one, next| one.is_some() && next.is_some());
        let mut rest = self.paths;
        for group in groups {
            let Some((paths, others)) = rest.split_at_checked(group.len()) else { break };
            rest = others;
            let group = group.iter_mut().zip(paths);
            let group = group.map(|(read, path)| {
                read.take().unwrap_or_else(|| read_module_within(path, most(args)))
            });
            all.extend(judged(paths, group.collect(), sources, options, args.verbose, progress)?);
        }
        Ok(all)
    }
}

fn is_too_large(error: &SymbolError) -> bool {
    matches!(error.kind, SymbolErrorKind::ModuleTooLarge { .. })
}

fn judged(
    batch: &[PathBuf],
    read: Vec<Read>,
    sources: &Sources,
    options: &Options,
    verbose: bool,
    progress: &Progress,
) -> Result<Vec<Judged>, SymbolError> {
    let modules: Vec<_> = read
        .par_iter()
        .with_max_len(1)
        .map(|read| Some(Module::parse_as_kernel(&read.as_ref().ok()?.bytes)))
        .collect();
    let answer = if sources.is_empty() {
        None
    } else {
        // Sources that do not record their kernel cannot be used for modules of several kernels.
        let release = modules.iter().flatten().flatten().find_map(built_for);
        let wanted = modules.par_iter().flatten().flatten();
        let wanted: Vec<_> = wanted.filter_map(|module| Judge::wanted(module).ok()).collect();
        let wanted = Wanted::new(wanted.into_iter().flatten());
        Some(sources.answer(&wanted.of_release(release))?)
    };
    let judge = Judge { answer: answer.as_ref(), options };
    let assumed = |module: &Module<'_>| {
        let assumed = verbose.then(|| Assumed::of(module, options.target, answer.as_ref()).ok());
        assumed.flatten().map(|assumed| assumed.to_string())
    };
    let assumed: Vec<_> =
        modules.iter().map(|module| module.as_ref()?.as_ref().ok().and_then(assumed)).collect();
    // One takes a thousand times as long as another: none waits in a group after it.
    let modules = modules.into_par_iter().with_max_len(1);
    let verdicts = modules.zip(&read).map(|(module, read)| {
        let objection = read.as_ref().ok().and_then(|read| read.objection.as_deref());
        let verdict = module.map(|module| {
            let module = module?;
            let mut verdict = judge.judge(&module)?;
            let compressed = objection.and_then(|objection| judge.compressed(&module, objection));
            verdict.findings.extend(compressed);
            Ok(verdict)
        });
        progress.step();
        verdict
    });
    let mut verdicts: Vec<Option<Result<Verdict, Error>>> = verdicts.collect();
    suggest(verdicts.iter_mut().flatten().flatten(), sources)?;
    let judged = batch.iter().zip(read.into_iter().zip(verdicts)).zip(assumed);
    let judged = judged.filter_map(|((path, (read, verdict)), assumed)| {
        let judged = match read {
            Ok(_) => line(path, verdict?),
            Err(error) => line(path, Err(Error::Symbols(error))),
        };
        Some(Judged { assumed, ..judged })
    });
    Ok(judged.collect())
}

fn line(path: &Path, verdict: Result<Verdict, Error>) -> Judged {
    let module = path_text(path);
    match verdict {
        Ok(verdict) => {
            let diagnostics = verdict.diagnostics(&module);
            let conclusion = verdict.conclusion();
            let simulated_loads = if let Tried::At(count) = verdict.tried { count } else { 0 };
            let remark = remark(&verdict);
            let accepted = conclusion == Conclusion::Loads;
            let conclusion = Some(conclusion.to_string());
            let line = Line { module, accepted, conclusion, simulated_loads, diagnostics };
            let end = if accepted { Outcome::Done } else { Outcome::Refused };
            Judged { line, assumed: None, remark, end }
        }
        Err(failure) => {
            let diagnostics = failure.diagnostics(&module);
            let (accepted, conclusion, simulated_loads) = (false, None, 0);
            let line = Line { module, accepted, conclusion, simulated_loads, diagnostics };
            Judged { line, assumed: None, remark: None, end: Outcome::of(&failure) }
        }
    }
}

/// The remark about a module.
pub(super) fn remark(verdict: &Verdict) -> Option<String> {
    match verdict.conclusion() {
        Conclusion::Loads => {}
        Conclusion::LoadsWrong => return Some("would load incorrectly".into()),
        Conclusion::Refused => return Some("would be refused".into()),
    }
    Some(match &verdict.tried {
        Tried::NoSymbols => "no rule is broken".into(),
        Tried::NoAddress(name) => {
            format!(
                "no rule is broken; not loaded in simulation: no source has the address of '{name}'"
            )
        }
        Tried::At(count) => format!("loads, tried at {count} placements"),
    })
}
