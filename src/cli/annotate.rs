//! `klp-convert annotate`: what to write for names that a livepatch uses.

use std::io::{self, Read};
use std::path::Path;

use serde::Serialize;

use super::Outcome;
use super::args::Annotate;
use super::report::{Reporter, io_diagnostic};
use crate::diagnostic::{Code, OneLine};
use crate::draft::{Declared, Known, comment, declare, source_trees, undeclared};
use crate::inspect::{NameUse, meanings};
use crate::options::Options;
use crate::path_text::path_text;
use crate::symbols::read_module;

/// Longest output of a compiler that is read.
const LOG_MAX: u64 = 64 << 20;

/// What `--format json` prints, one for each name that something is to be written for.
#[derive(Serialize)]
struct Document {
    name: String,
    known: &'static str,
    lines: Vec<String>,
}

impl From<Declared> for Document {
    fn from(declared: Declared) -> Self {
        let Declared { name, known, lines } = declared;
        Self { name, known: word(known), lines }
    }
}

/// What is known of a name, as programs read it.
fn word(known: Known) -> &'static str {
    match known {
        Known::Exported => "exported",
        Known::Unique => "unique",
        Known::Ambiguous => "ambiguous",
        Known::Unknown => "unknown",
    }
}

/// What an object lacks until kbuild links the `.mod.o` of the module (`scripts/mod/modpost.c`).
const LINKED_LATER: &str = "__this_module";

pub(super) fn run(args: &Annotate, reporter: &Reporter) -> Outcome {
    let sources = match args.maps.sources(reporter) {
        Ok(sources) => sources,
        Err(error) => return reporter.symbols(&[error]),
    };
    let mut all = Vec::new();
    if let Some(path) = &args.module {
        let data = match read_module(path) {
            Ok(data) => data,
            Err(error) => return reporter.symbols(&[error]),
        };
        // A line for every name is what it is for.
        let options =
            Options { allow_stale_map: args.maps.allow_stale_map, all: true, ..Options::default() };
        match meanings(&data, &sources, &options) {
            Ok(meanings) => all.extend(meanings.into_iter().filter_map(|meaning| {
                if meaning.name == LINKED_LATER {
                    return None;
                }
                let NameUse::Unresolved { code, message, help, .. } = meaning.means else {
                    return None;
                };
                let known = if code == Code::NotFound { Known::Unknown } else { Known::Ambiguous };
                Some(Declared {
                    name: meaning.name.into_owned(),
                    known,
                    lines: comment(&message, &help),
                })
            })),
            Err(error) => {
                let diagnostics = error.diagnostics(&path_text(path));
                return reporter.failure(&diagnostics, Outcome::of(&error));
            }
        }
    }
    if let Some(path) = &args.errors {
        let log = match log(path) {
            Ok(log) => log,
            Err(error) => {
                let diagnostic = io_diagnostic(Code::Read, path, &error);
                return reporter.failure(&[diagnostic], Outcome::UsageOrIo);
            }
        };
        let trees = source_trees(&args.kernel_source, args.maps.kernel.as_deref());
        match declare(&undeclared(&log), &sources, &trees) {
            Ok(declared) => all.extend(declared),
            Err(error) => return reporter.symbols(&[error]),
        }
    }
    let is_unknown = all.iter().any(|d| d.known == Known::Unknown && !is_include(d));
    let printed = print(all, reporter);
    if is_unknown && printed == Outcome::Done { Outcome::Refused } else { printed }
}

/// Whether a name is a macro or type of a header.
fn is_include(declared: &Declared) -> bool {
    declared.lines.iter().any(|line| line.starts_with("#include "))
}

fn print(all: Vec<Declared>, reporter: &Reporter) -> Outcome {
    if reporter.is_json() {
        return reporter.json(&all.into_iter().map(Document::from).collect::<Vec<_>>());
    }
    if all.is_empty() {
        reporter.remark("nothing to write: a conversion finds every name");
    }
    // Includes first, each once.
    let (mut includes, others): (Vec<_>, Vec<_>) =
        all.into_iter().flat_map(|d| d.lines).partition(|line| line.starts_with("#include "));
    includes.sort();
    includes.dedup();
    let lines = includes.into_iter().chain(others).map(|line| format!("{}\n", OneLine(line)));
    reporter.text(&lines.collect::<String>())
}

/// The output of a compiler: a file, or standard input.
fn log(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    if path == "-" {
        io::stdin().take(LOG_MAX).read_to_end(&mut bytes)?;
    } else {
        std::fs::File::open(path)?.take(LOG_MAX).read_to_end(&mut bytes)?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
