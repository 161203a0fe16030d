//! `klp-convert symbols export`.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::super::args::{Export, ListForm};
use super::super::overwrite::overwritten;
use super::super::progress::Progress;
use super::super::report::{Reporter, io_diagnostic};
use super::super::{Outcome, output};
use crate::diagnostic::Code;
use crate::path_text::path_text;
use crate::symbols::{Merged, Scope, write_kallsyms, write_list};

/// What `--format json` prints; the list is in the output.
#[derive(Serialize)]
struct Document {
    output: String,
}

pub(super) fn run(args: &Export, reporter: &Reporter) -> Outcome {
    let output = args.output.as_deref().unwrap_or(Path::new("-"));
    if let Some(outcome) = reporter.both_to_stdout(Some(output)) {
        return outcome;
    }
    let (sources, mut errors) = args.maps.gather();
    sources.notes().iter().for_each(|note| reporter.remark(&note.to_string()));
    // A module in a folder is an input, too.
    let inputs = args.maps.files().chain(sources.paths().map(|path| ("the source", path)));
    let clash = args.output.as_deref().and_then(|output| overwritten(output, inputs));
    if let Some(diagnostic) = clash {
        return reporter.failure(&[diagnostic], Outcome::UsageOrIo);
    }
    let progress = Progress::new("reading", sources.len());
    let (merged, refused) = sources.gather(Scope::All, |_, _| progress.step());
    progress.finish();
    errors.extend(refused);
    if !errors.is_empty() {
        return reporter.symbols(&errors);
    }
    let mut text = Vec::new();
    // Writing to memory does not fail.
    let _ = write(args.form, &merged, &mut text);
    match &args.output {
        None => reporter.bytes(&text),
        Some(path) => match output::write_new(path, &text) {
            Ok(()) if reporter.is_json() => reporter.json(&Document { output: path_text(path) }),
            Ok(()) => Outcome::Done,
            Err(error) => {
                let diagnostic = io_diagnostic(Code::Write, path, &error);
                reporter.failure(&[diagnostic], Outcome::UsageOrIo)
            }
        },
    }
}

fn write(form: ListForm, merged: &Merged, out: &mut impl Write) -> io::Result<()> {
    match form {
        ListForm::Klp => write_list(merged, out),
        ListForm::Kallsyms => write_kallsyms(merged, out),
    }
}
