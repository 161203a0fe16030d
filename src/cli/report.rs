//! Printing: diagnostics to stderr, results to stdout, text or JSON.

use std::fmt::{self, Display};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anstream::adapter::StripBytes;
use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::args::{Format, Global};
use super::destination::is_stdout;
use super::{Outcome, document};
use crate::diagnostic::{Code, Diagnose, Diagnostic, Json, Lines, OneLine, Severity};
use crate::path_text::path_text;
use crate::symbols::SymbolError;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HELP: Style = AnsiColor::Cyan.on_default();

/// How many further locations of one cause are printed.
const ALSO: usize = 5;

/// What `--format json` prints instead of a result.
#[derive(Serialize)]
struct NoResult<'a> {
    #[serde(serialize_with = "document::diagnostics")]
    diagnostics: &'a [Diagnostic],
}

/// Prints the output of a command.
#[derive(Debug)]
pub(super) struct Reporter {
    format: Format,
    quiet: bool,
    verbose: bool,
}

impl Reporter {
    pub(super) fn new(global: &Global, verbose: bool) -> Self {
        Self { format: global.format, quiet: global.quiet, verbose }
    }

    /// For the historical calls: text, errors and warnings.
    pub(super) fn plain() -> Self {
        Self { format: Format::Text, quiet: false, verbose: false }
    }

    /// For calls that cannot be read, but ask for JSON.
    pub(super) fn for_programs() -> Self {
        Self { format: Format::Json, quiet: false, verbose: false }
    }

    pub(super) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.quiet
    }

    pub(super) fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// Prints diagnostics as text. In JSON they are part of the document that the command prints.
    pub(super) fn diagnostics(&self, diagnostics: &[Diagnostic]) {
        if self.is_json() || diagnostics.is_empty() {
            return;
        }
        let mut out = whole(io::stderr().lock());
        for diagnostic in diagnostics {
            let warning = diagnostic.severity == Severity::Warning;
            if !(warning && self.quiet) {
                // A closed stderr cannot be reported.
                let _ = print(&mut out, diagnostic).and_then(|()| out.flush());
            }
        }
    }

    /// Reports why a command has no result: as text, or as the document in place of the result's.
    pub(super) fn failure(&self, diagnostics: &[Diagnostic], outcome: Outcome) -> Outcome {
        self.diagnostics(diagnostics);
        if self.is_json() && self.json(&NoResult { diagnostics }) == Outcome::UsageOrIo {
            return Outcome::UsageOrIo;
        }
        outcome
    }

    /// Reports why symbols cannot be read.
    pub(super) fn symbols(&self, errors: &[SymbolError]) -> Outcome {
        let diagnostics: Vec<_> = errors.iter().map(SymbolError::diagnostic).collect();
        let io = errors.iter().any(SymbolError::is_io);
        self.failure(&diagnostics, if io { Outcome::UsageOrIo } else { Outcome::Refused })
    }

    /// Prints a remark to stderr, on one line, unless quiet or JSON.
    pub(super) fn remark(&self, text: &str) {
        self.lines(&OneLine(text).to_string());
    }

    /// As [`remark`](Self::remark), on several lines: what comes from files is on one line already.
    pub(super) fn lines(&self, text: &str) {
        if !self.quiet && !self.is_json() {
            to_stderr(format_args!("{}", Lines(text)));
        }
    }

    /// Reports wrong arguments: the first line is a sentence, others are help.
    pub(super) fn usage(&self, text: &str) -> Outcome {
        if self.is_json() {
            let mut lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
            let message = lines.next().unwrap_or_default().to_owned();
            let help = lines.map(str::to_owned).collect();
            let diagnostic = Diagnostic {
                severity: Severity::Error,
                code: Code::Usage,
                file: String::new(),
                message,
                help,
                also: Vec::new(),
                more: 0,
            };
            return self.failure(&[diagnostic], Outcome::UsageOrIo);
        }
        to_stderr(format_args!("{ERROR}error:{ERROR:#} {}", Lines(text)));
        Outcome::UsageOrIo
    }

    /// Reports that an output and the document of `--format json` would both go to standard output.
    pub(super) fn both_to_stdout(&self, output: Option<&Path>) -> Option<Outcome> {
        let both = self.is_json() && output.is_some_and(is_stdout);
        both.then(|| self.usage("--format json prints to standard output, and so does the output"))
    }

    /// Prints a result. What comes from files is on one line already ([`OneLine`]).
    pub(super) fn text(&self, text: &(impl Display + ?Sized)) -> Outcome {
        let mut out = whole(io::stdout().lock());
        written(write!(out, "{}", Lines(text)).and_then(|()| out.flush()))
    }

    /// Prints raw bytes: a script, a page.
    #[expect(clippy::unused_self, reason = "everything printed goes through the reporter")]
    pub(super) fn bytes(&self, bytes: &[u8]) -> Outcome {
        written(io::stdout().lock().write_all(bytes))
    }

    /// Prints one JSON document.
    pub(super) fn json(&self, document: &impl Serialize) -> Outcome {
        let mut out = BufWriter::new(io::stdout().lock());
        let printed = serde_json::to_writer_pretty(JsonText(&mut out), document);
        let printed = printed.map_err(io::Error::from).and_then(|()| writeln!(out));
        written(printed.and_then(|()| out.flush()))
    }
}

/// Writes a document without what a terminal would obey ([`Json`]). The serialiser writes whole characters.
struct JsonText<W>(W);

impl<W: Write> Write for JsonText<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        write!(self.0, "{}", Json(text))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The diagnostic of a file that cannot be read or written.
pub(super) fn io_diagnostic(code: Code, path: &Path, error: &io::Error) -> Diagnostic {
    Diagnostic::error(&path_text(path), &IoProblem { code, error })
}

/// A reader that has gone away needs no message, but not all was read.
pub(super) fn written(result: io::Result<()>) -> Outcome {
    match result.and_then(|()| io::stdout().flush()) {
        Ok(()) => Outcome::Done,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Outcome::UsageOrIo,
        Err(error) => {
            to_stderr(format_args!("{ERROR}error:{ERROR:#} stdout: {error}"));
            Outcome::UsageOrIo
        }
    }
}

/// Prints a line to stderr; a closed one cannot be reported.
fn to_stderr(text: fmt::Arguments<'_>) {
    let mut out = whole(io::stderr().lock());
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// A stream that gets whole messages: under `make -j` others write there between two calls. Without colours where it is
/// no terminal, or they are not wanted.
fn whole<W: Write + RawStream>(out: W) -> BufWriter<Whole<W>> {
    let plain = AutoStream::choice(&out) == ColorChoice::Never;
    let strip = plain.then(StripBytes::new);
    BufWriter::new(Whole { out, strip })
}

/// See [`whole`].
struct Whole<W> {
    out: W,
    strip: Option<StripBytes>,
}

impl<W: Write> Write for Whole<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.strip {
            Some(strip) => {
                let plain: Vec<&[u8]> = strip.strip_next(bytes).collect();
                self.out.write_all(&plain.concat())?;
            }
            None => self.out.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn print(out: &mut impl Write, diagnostic: &Diagnostic) -> io::Result<()> {
    let Diagnostic { severity, code, file, message, help, also, more } = diagnostic;
    let (style, word) = match severity {
        Severity::Error => (ERROR, "error"),
        Severity::Warning => (WARNING, "warning"),
    };
    let (file, message) = (OneLine(file), OneLine(message));
    writeln!(out, "{style}{word}[{code}]{style:#}: {file}: {message}")?;
    for location in also.iter().take(ALSO) {
        writeln!(out, "  {HELP}also:{HELP:#} {}", OneLine(location))?;
    }
    if let Some(more) = also.len().checked_sub(ALSO).filter(|more| *more > 0) {
        writeln!(out, "  {HELP}also:{HELP:#} {more} more")?;
    }
    for line in help {
        writeln!(out, "  {HELP}help:{HELP:#} {}", OneLine(line))?;
    }
    if *more > 0 {
        writeln!(out, "  and {more} more of this kind; --all shows them")?;
    }
    Ok(())
}

/// A file that cannot be read or written.
struct IoProblem<'a> {
    code: Code,
    error: &'a io::Error,
}

impl std::fmt::Display for IoProblem<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl Diagnose for IoProblem<'_> {
    fn code(&self) -> Code {
        self.code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_write() {
        #[derive(Default)]
        struct Writes(Vec<Vec<u8>>);
        impl Write for Writes {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.push(bytes.to_vec());
                Ok(bytes.len())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let diagnostic = Diagnostic {
            severity: Severity::Error,
            code: Code::Usage,
            file: "lp.ko".into(),
            message: "a message".into(),
            help: vec!["what to do".into()],
            also: vec!["here".into(), "there".into()],
            more: 2,
        };
        for strip in [None, Some(StripBytes::new())] {
            let coloured = strip.is_none();
            let mut out = BufWriter::new(Whole { out: Writes::default(), strip });
            print(&mut out, &diagnostic).and_then(|()| out.flush()).unwrap();
            let writes = &out.get_ref().out.0;
            assert_eq!(writes.len(), 1, "{writes:?}");
            assert!(writes[0].starts_with(b"\x1b") == coloured && writes[0].ends_with(b"them\n"));
            assert_eq!(writes[0].contains(&0x1b), coloured);
        }
    }
}
