//! `klp-convert build`: livepatches for kernels, as `klp.toml` names them, and one table of what became of each.
//!
//! A cell is one livepatch for one kernel: kbuild builds it in a folder of its own, then it is converted and
//! checked. What it was made from is known by content, so that a cell is built once.

mod cell;
mod dependencies;
mod digests;
mod drift;
mod estimate;
mod inputs;
pub(super) mod kbuild_run;
pub(super) mod kernel;
mod matrix;
mod merge;
mod page;
mod plan;
mod project;
mod report;
mod results;
mod selection;
mod store;
mod table;
mod tree;

use std::collections::BTreeMap;
use std::io;

use self::cell::{Cell, End};
use self::matrix::{Job, Matrix};
use self::project::{Place, Project, ProjectError};
use self::report::Document;
use self::results::{LOG, Results};

use super::args::BuildMatrix;
use super::interruption::Held;
use super::report::{Reporter, io_diagnostic};
use super::{Outcome, cache, interruption, output};
use crate::diagnostic::{Code, Diagnostic};
use crate::path_text::path_text;
use crate::threads;

pub(super) fn run(args: &BuildMatrix, reporter: &Reporter) -> Outcome {
    let loaded = load(args);
    let folder = args.output.clone().unwrap_or_else(|| args.file.with_file_name("klp"));
    let results = Results { folder: &folder };
    if !args.merge.is_empty() {
        if let Err(diagnostic) = &loaded {
            let text = "which cells should be there is not known";
            reporter.remark(&format!("{}: {}; {text}", diagnostic.file, diagnostic.message));
        }
        let wanted = loaded.as_ref().ok().map(|(project, places)| (project, places.as_slice()));
        return match merge::merge(wanted, &args.merge, &results) {
            Ok(cells) => finish(cells, &results, reporter),
            Err((path, error)) => {
                let diagnostic = io_diagnostic(Code::Read, &path, &error);
                reporter.failure(&[diagnostic], Outcome::UsageOrIo)
            }
        };
    }
    let (project, places) = match loaded {
        Ok(loaded) => loaded,
        Err(diagnostic) => return reporter.failure(&[diagnostic], Outcome::UsageOrIo),
    };
    // Interrupted compilers end by themselves; what is built already stays.
    let _held = Held::new();
    let cache = cache::folder().unwrap_or_else(|| results.folder.join(".cache")).join("build");
    if let Err(error) = std::fs::create_dir_all(&cache) {
        let diagnostic = io_diagnostic(Code::Write, &cache, &error);
        return reporter.failure(&[diagnostic], Outcome::UsageOrIo);
    }
    let matrix = Matrix::new(&project, &places, (results.folder, cache), reporter);
    let unreadable = unreadable(&matrix, reporter);
    let jobs = matrix.jobs(&places);
    if let Some(form) = args.plan {
        if !unreadable.is_empty() {
            return Outcome::UsageOrIo;
        }
        return plan::print(form, args, &matrix, &jobs, &results, reporter);
    }
    if let Err(error) = expected(&project, args, &jobs) {
        let diagnostic = Diagnostic::error(&path_text(&args.file), &error);
        return reporter.failure(&[diagnostic], Outcome::UsageOrIo);
    }
    let threads = args.jobs.map_or_else(threads::count, std::num::NonZeroUsize::get);
    let done = matrix.run(&jobs, threads, &results, reporter);
    let cells = done.into_iter().map(|done| done.cell).chain(unreadable);
    let cells = of_all(&project, &places, cells.collect());
    // A cell alone is a part of a build that `--merge` ends.
    if args.cells.is_empty() {
        finish(cells, &results, reporter)
    } else {
        print(&Document::new(cells), &results, reporter)
    }
}

/// Reads `klp.toml`, and finds the cells that are meant.
fn load(args: &BuildMatrix) -> Result<(Project, Vec<Place>), Diagnostic> {
    let read = |error: io::Error| {
        let help = vec![
            "it says what is built for what; the least is".into(),
            "  patches = [\"FOLDER-WITH-KBUILD\"]".into(),
            "  [[target]]".into(),
            "  kernel = \"BUILD-TREE-OR-HEADERS\"".into(),
        ];
        let help = if error.kind() == io::ErrorKind::NotFound { help } else { Vec::new() };
        Diagnostic { help, ..io_diagnostic(Code::Read, &args.file, &error) }
    };
    let wrong = |error| Diagnostic::error(&path_text(&args.file), &error);
    let text = std::fs::read_to_string(&args.file).map_err(read)?;
    let root = args.folder().canonicalize().map_err(read)?;
    let project = Project::of(&root, &text).map_err(wrong)?;
    let places = selection::places(&project, args).map_err(wrong)?;
    Ok((project, places))
}

/// The cells in order, with those that are not there.
fn of_all(project: &Project, places: &[Place], cells: Vec<Cell>) -> Vec<Cell> {
    let name = |cell: Cell| ((cell.patch.clone(), cell.target.clone()), cell);
    let mut cells: BTreeMap<_, _> = cells.into_iter().map(name).collect();
    let all = places.iter().filter_map(|place| {
        let (patch, target) = project.of_place(*place)?;
        let cell = cells.remove(&(patch.name.clone(), target.name.clone()));
        Some(cell.unwrap_or_else(|| Cell::new(patch, target)))
    });
    all.collect()
}

/// The cells of kernels whose symbols cannot be read, once said.
fn unreadable(matrix: &Matrix<'_>, reporter: &Reporter) -> Vec<Cell> {
    let mut cells = Vec::new();
    for (target, error) in matrix.unreadable() {
        let diagnostic = error.diagnostic();
        reporter.diagnostics(std::slice::from_ref(&diagnostic));
        let patches = target.patches.iter().filter_map(|index| matrix.project.patches.get(*index));
        cells.extend(patches.map(|patch| Cell {
            end: End::Failed,
            reason: Some(format!(
                "the kernel's symbols: {}: {}",
                diagnostic.file, diagnostic.message
            )),
            diagnostics: vec![diagnostic.clone().into()],
            ..Cell::new(patch, target)
        }));
    }
    cells
}

/// Compares what cells are made from with what a plan says.
fn expected(project: &Project, args: &BuildMatrix, jobs: &[Job]) -> Result<(), ProjectError> {
    for cell in &selection::cells(args)? {
        let Some(expected) = &cell.expected else { continue };
        let job = jobs.iter().find(|job| selection::is(project, job.place, cell));
        let Some(job) = job else { continue };
        let differs = job.identity.differs(expected);
        if !differs.is_empty() {
            return Err(ProjectError::new(
                format!(
                    "{cell}: not what the plan was made for: {} differ; here it is {}",
                    differs.join(", "),
                    job.identity
                ),
                "bring this machine up to date, or make the plan anew: klp-convert build --plan",
            ));
        }
    }
    Ok(())
}

/// Writes the document and the page, and prints the table.
fn finish(cells: Vec<Cell>, results: &Results<'_>, reporter: &Reporter) -> Outcome {
    let document = Document::new(cells);
    let log = |cell: &Cell| {
        let log = std::fs::read(results.of(&cell.patch, &cell.target).join(LOG));
        String::from_utf8_lossy(&log.unwrap_or_default()).into_owned()
    };
    let files = [
        ("report.json", serde_json::to_string_pretty(&document).unwrap_or_default()),
        ("report.html", page::page(&document, log)),
    ];
    for (name, text) in files {
        let path = results.folder.join(name);
        let same = std::fs::read(&path).is_ok_and(|there| there == text.as_bytes());
        let write = || {
            std::fs::create_dir_all(results.folder)?;
            output::write_new(&path, text.as_bytes())
        };
        if !same && let Err(error) = write() {
            let diagnostic = io_diagnostic(Code::Write, &path, &error);
            return reporter.failure(&[diagnostic], Outcome::UsageOrIo);
        }
    }
    reporter.remark(&format!("{}, report.json", results.folder.join("report.html").display()));
    print(&document, results, reporter)
}

/// Prints the table.
fn print(document: &Document, results: &Results<'_>, reporter: &Reporter) -> Outcome {
    let printed = if reporter.is_json() {
        reporter.json(document)
    } else {
        reporter.text(&table::text(document, results))
    };
    if printed != Outcome::Done {
        return printed;
    }
    if interruption::answer() {
        reporter.remark("interrupted: the same command goes on where it was");
        return Outcome::UsageOrIo;
    }
    if document.cells.iter().all(|cell| cell.end == End::Ok) {
        Outcome::Done
    } else {
        Outcome::Refused
    }
}
