//! `klp-convert kbuild`: what external modules include, and the conversion of what kbuild has built.
//!
//! kbuild decides what is compiled and linked; this decides what is converted anew. Modules of one folder
//! may patch and use each other, and are done side by side: each that is not a livepatch is a source of
//! symbols for all.

mod converted;
mod kept;
mod order;
mod tree;

use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;

pub(super) use self::converted::{Converted, converted};
use self::kept::Kept;
pub(super) use self::order::modules;
use super::args::Kbuild;
use super::digest::{Digest, digest, sizes_and_times};
use super::report::{Reporter, io_diagnostic};
use super::{Outcome, document, kernel_map, output};
use crate::diagnostic::{Code, Diagnostic};
use crate::elf::Module;
use crate::options::Options;
use crate::path_text::path_text;
use crate::symbols::{ModuleFile, Sources, Symvers};
use crate::threads::on_all;

/// What livepatches and their Makefiles include, by name.
pub(super) const INCLUDED: [(&str, &[u8]); 2] = [
    ("klp-convert.h", include_bytes!("../../../kbuild/klp-convert.h")),
    ("klp.mk", include_bytes!("../../../kbuild/klp.mk")),
];

/// The exports of the modules that kbuild has built.
pub(super) const SYMVERS: &str = "Module.symvers";

pub(super) fn run(args: &Kbuild, reporter: &Reporter) -> Outcome {
    match (&args.tree, &args.convert, &args.output) {
        (Some(tree), ..) => tree::finish(tree, args, reporter),
        (None, Some(folder), Some(output)) => finish(args, folder, output, reporter),
        (None, _, Some(output)) => hand_out(output, reporter),
        // clap requires one of them.
        (None, _, None) => Outcome::UsageOrIo,
    }
}

/// Writes what is included.
fn hand_out(folder: &Path, reporter: &Reporter) -> Outcome {
    let failed = |path: &Path, error| {
        let diagnostic = io_diagnostic(Code::Write, path, &error);
        reporter.failure(&[diagnostic], Outcome::UsageOrIo)
    };
    if let Err(error) = std::fs::create_dir_all(folder) {
        return failed(folder, error);
    }
    let mut written = Vec::new();
    for (name, bytes) in INCLUDED {
        let path = folder.join(name);
        if let Err(error) = output::write_new(&path, bytes) {
            return failed(&path, error);
        }
        written.push(path_text(&path));
    }
    written.iter().for_each(|path| reporter.remark(path));
    if reporter.is_json() { reporter.json(&HandedOut { written }) } else { Outcome::Done }
}

/// What `--format json` prints of it.
#[derive(Serialize)]
struct HandedOut {
    written: Vec<String>,
}

/// Converts and checks what kbuild has built in a folder.
fn finish(args: &Kbuild, folder: &Path, output: &Path, reporter: &Reporter) -> Outcome {
    let modules = match modules(folder) {
        Ok(modules) => modules,
        Err(error) => {
            let diagnostic = io_diagnostic(Code::Read, &folder.join(order::ORDER), &error);
            return reporter.failure(&[diagnostic], Outcome::UsageOrIo);
        }
    };
    let mut sources = match kernel_map::sources(&args.maps, reporter) {
        Ok(sources) => sources,
        Err(error) => return reporter.symbols(&[error]),
    };
    let symvers = folder.join(SYMVERS);
    if symvers.metadata().is_ok_and(|file| file.len() > 0) {
        sources.push(Symvers::new(symvers));
    }
    let kept: Vec<_> = modules.iter().map(|module| Kept::new(module, output)).collect();
    finish_all(&kept, sources, args, reporter)
}

/// Converts and checks modules, and reports each.
fn finish_all(kept: &[Kept], mut sources: Sources, args: &Kbuild, reporter: &Reporter) -> Outcome {
    let options = Options { allow_stale_map: args.maps.allow_stale_map, ..Options::default() };
    let originals: Vec<_> = on_all(|| kept.par_iter().map(Kept::original).collect());
    for (kept, original) in kept.iter().zip(&originals) {
        if original.as_ref().is_ok_and(|bytes| is_source(bytes)) {
            sources.push(ModuleFile::new(&kept.original));
        }
    }
    let circumstances = circumstances(&sources, &options);
    let job = Job { sources: &sources, options: &options, circumstances };
    let each = kept.par_iter().with_max_len(1).zip(originals);
    let done: Vec<_> = on_all(|| each.map(|(kept, original)| job.finish(kept, original)).collect());
    let mut outcome = Outcome::Done;
    for done in &done {
        reporter.diagnostics(&done.diagnostics);
        if let Some(remark) = &done.remark {
            reporter.remark(remark);
        }
        if done.end != Outcome::Done && outcome != Outcome::UsageOrIo {
            outcome = done.end;
        }
    }
    let lines: Vec<_> = kept.iter().zip(done).map(|(kept, done)| Line::new(kept, done)).collect();
    if reporter.is_json() && reporter.json(&lines) == Outcome::UsageOrIo {
        return Outcome::UsageOrIo;
    }
    outcome
}

/// What `--format json` prints, one for each module.
#[derive(Serialize)]
struct Line {
    module: String,
    /// `null` where there is none.
    output: Option<String>,
    /// Whether it was made now; otherwise it was up to date, or was refused.
    made: bool,
    #[serde(serialize_with = "document::diagnostics")]
    diagnostics: Vec<Diagnostic>,
}

impl Line {
    fn new(kept: &Kept, done: Finished) -> Self {
        let output = (done.end == Outcome::Done).then(|| path_text(&kept.converted));
        Self {
            module: path_text(&kept.linked),
            output,
            made: done.remark.is_some(),
            diagnostics: done.diagnostics,
        }
    }
}

/// Whether other modules of the folder may patch or use it: a module that is not a livepatch.
pub(super) fn is_source(bytes: &[u8]) -> bool {
    Module::parse(bytes).is_ok_and(|module| !module.is_livepatch())
}

/// Everything but the module that a conversion depends on: the program, its options, and the files that
/// symbols come from.
fn circumstances(sources: &Sources, options: &Options) -> String {
    let program = std::env::current_exe().ok();
    let files = program.iter().map(PathBuf::as_path).chain(sources.paths());
    format!("{}\n{options:?}\n{}", env!("CARGO_PKG_VERSION"), sizes_and_times(files))
}

/// What all modules of a folder share.
struct Job<'a> {
    sources: &'a Sources,
    options: &'a Options,
    circumstances: String,
}

/// A module that was looked at.
struct Finished {
    diagnostics: Vec<Diagnostic>,
    remark: Option<String>,
    end: Outcome,
}

impl Finished {
    fn failed(diagnostics: Vec<Diagnostic>, end: Outcome) -> Self {
        Self { diagnostics, remark: None, end }
    }
}

impl Job<'_> {
    fn finish(&self, kept: &Kept, original: io::Result<Vec<u8>>) -> Finished {
        let original = match original {
            Ok(original) => original,
            Err(error) => {
                let diagnostic = io_diagnostic(Code::Read, &kept.linked, &error);
                return Finished::failed(vec![diagnostic], Outcome::UsageOrIo);
            }
        };
        let made_from = digest(format!("{}{}", self.circumstances, digest(&original)).as_bytes());
        if kept.is_made_from(&made_from) {
            return Finished::failed(Vec::new(), Outcome::Done);
        }
        let finished = self.convert(kept, &original, made_from);
        if finished.end == Outcome::Done {
            return finished;
        }
        match kept.take_away() {
            Ok(()) => finished,
            Err(error) => {
                let mut diagnostics = finished.diagnostics;
                diagnostics.push(io_diagnostic(Code::Write, &kept.converted, &error));
                Finished::failed(diagnostics, Outcome::UsageOrIo)
            }
        }
    }

    fn convert(&self, kept: &Kept, original: &[u8], made_from: Digest) -> Finished {
        let name = path_text(&kept.linked);
        let Converted { mut diagnostics, result, .. } =
            converted(&name, original, self.sources, self.options);
        let loads = match result {
            Ok(loads) => loads,
            Err(end) => return Finished::failed(diagnostics, end),
        };
        if let Err(error) = kept.put(&loads.bytes, made_from) {
            diagnostics.push(io_diagnostic(Code::Write, &kept.converted, &error));
            return Finished::failed(diagnostics, Outcome::UsageOrIo);
        }
        let remark = format!("{}: {}", kept.converted.display(), loads.remark());
        Finished { diagnostics, remark: Some(remark), end: Outcome::Done }
    }
}
