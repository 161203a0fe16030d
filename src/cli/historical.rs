//! The calls of the C tool: `klp-convert SYMBOLS IN OUT` (v1 to v7) and `klp-convert IN OUT`
//! (minimal version).
//!
//! Build scripts call these and search their output, so each error is reported twice: first in the
//! historical words, on a line that starts with `klp-convert: `, then in ours. One text differs:
//! the candidate list of v7 counted homonyms from 0, which chose the wrong one.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::iter;
use std::path::{Path, PathBuf};

use clap::CommandFactory;

use super::args::Args;
use super::overwrite::overwritten;
use super::report::{Reporter, io_diagnostic};
use super::{Outcome, output};
use crate::annotation::{AnnotationError, Selector};
use crate::convert::convert;
use crate::diagnostic::{Code, Diagnostic, OneLine};
use crate::elf::ElfError;
use crate::findings::{Error, Finding, PassedOver, Refusal, Unapplied, Unfinished};
use crate::name::{NameError, ObjectName};
use crate::options::Options;
use crate::path_text::path_text;
use crate::resolve::Unresolved;
use crate::symbols::{Candidate, Sources, SymbolErrorKind, TextList};

/// The C tool's message for a list whose first line is not a known header.
const UNKNOWN_FORMAT: &str = "Symbol list is in unknown format.";

/// A historical call.
#[derive(Debug)]
pub(super) struct Call {
    symbols: Option<PathBuf>,
    input: PathBuf,
    output: PathBuf,
}

/// The historical call in these words, if they are one: two or three file names and nothing else,
/// the first of which is not a command.
pub(super) fn recognise(words: &[OsString]) -> Option<Call> {
    let files = words.get(1..)?;
    let first = files.first()?;
    let option = |word: &OsString| word.as_encoded_bytes().starts_with(b"-");
    if files.iter().any(option) || is_command(first) {
        return None;
    }
    let (symbols, input, output) = match files {
        [input, output] => (None, input, output),
        [symbols, input, output] => (Some(symbols), input, output),
        _ => return None,
    };
    Some(Call { symbols: symbols.map(Into::into), input: input.into(), output: output.into() })
}

/// Whether a word names a command, `help` among them.
fn is_command(word: &OsStr) -> bool {
    // clap adds `help` only when it parses, and to build all of it takes as long as a conversion.
    word == "help" || Args::command().find_subcommand(word).is_some()
}

pub(super) fn run(call: &Call) -> Outcome {
    let reporter = Reporter::plain();
    let outcome = attempt(call, &reporter);
    match call.mistyped() {
        Some(word) if outcome != Outcome::Done => reporter.usage(&format!(
            "'{}' is neither a command nor a file: see klp-convert --help",
            word.display()
        )),
        _ => outcome,
    }
}

impl Call {
    /// The first word, if it looks like a command rather than a file and no such file exists.
    fn mistyped(&self) -> Option<&Path> {
        let first = self.symbols.as_ref().unwrap_or(&self.input);
        let like_file = first.as_os_str().as_encoded_bytes().iter().any(|b| b"/.".contains(b));
        (!like_file && !first.exists()).then_some(first)
    }

    /// The files that are read, each with its role.
    fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let symbols = self.symbols.as_deref().map(|path| ("the symbol list", path));
        iter::once(("the input", self.input.as_path())).chain(symbols)
    }
}

fn attempt(call: &Call, reporter: &Reporter) -> Outcome {
    let input = path_text(&call.input);
    let fail = |texts: Vec<String>, diagnostics: &[Diagnostic], outcome| {
        texts.iter().for_each(|text| reporter.lines(&format!("klp-convert: {text}")));
        reporter.diagnostics(diagnostics);
        outcome
    };
    if let Some(diagnostic) = overwritten(&call.output, call.files()) {
        return fail(Vec::new(), &[diagnostic], Outcome::UsageOrIo);
    }
    let data = match std::fs::read(&call.input) {
        Ok(data) => data,
        Err(error) => {
            let text = format!("Unable to read elf file {input}");
            return fail(
                vec![text],
                &[io_diagnostic(Code::Read, &call.input, &error)],
                Outcome::UsageOrIo,
            );
        }
    };
    let mut sources = Sources::new();
    call.symbols.iter().for_each(|path| sources.push(TextList::new(path)));
    // As in the historical tools.
    let options = Options { allow_undeclared_dependency: true, ..Options::default() };
    let conversion = match convert(&data, &sources, &options) {
        Ok(conversion) => conversion,
        Err(failure) => {
            let texts = historical(&failure, &input, call.symbols.as_deref());
            return fail(texts, &failure.diagnostics(&input), Outcome::of(&failure));
        }
    };
    let warnings: Vec<_> =
        conversion.warnings.iter().map(|w| Diagnostic::warning(&input, w)).collect();
    reporter.diagnostics(&warnings);
    if conversion.bytes == data && output::holds(&call.output, &data) {
        return Outcome::Done;
    }
    match output::write(&call.output, &conversion.bytes, &call.input) {
        Ok(()) => Outcome::Done,
        Err(error) => fail(
            Vec::new(),
            &[io_diagnostic(Code::Write, &call.output, &error)],
            Outcome::UsageOrIo,
        ),
    }
}

/// The C tool's messages.
fn historical(failure: &Error, input: &str, symbols: Option<&Path>) -> Vec<String> {
    let list = symbols.map_or_else(String::new, path_text);
    match failure {
        Error::Elf(ElfError::NoSymbolTable) => {
            vec![format!("{input}: missing symbol table")]
        }
        Error::Elf(
            ElfError::RelocationTarget { section, .. }
            | ElfError::Link { section, field: "sh_info", .. },
        ) => {
            vec![format!("can't find base section for rela section {}", section.name)]
        }
        Error::Elf(_) | Error::Machine(_) => vec![format!("Unable to read elf file {input}")],
        Error::Symbols(error) => vec![match error.kind {
            SymbolErrorKind::Io(_) => format!("Unable to open Symbol list: {list}"),
            // The first line is the header, however wrong; an empty file has none.
            SymbolErrorKind::NoHeader | SymbolErrorKind::Image(_) => UNKNOWN_FORMAT.to_owned(),
            _ if error.line == Some(1) => UNKNOWN_FORMAT.to_owned(),
            _ => format!("Unable to read Symbol list: {list}: File format error"),
        }],
        Error::Refused(refusals) => refusals.iter().map(refusal).collect(),
        _ => Vec::new(),
    }
}

fn refusal(finding: &Finding) -> String {
    let Some(refusal) = finding.refusal() else {
        return format!("Unable to convert relocation: {finding}");
    };
    let used = finding.site.as_ref().map_or("", |site| &site.symbol);
    let text = match refusal {
        Refusal::Annotation(error) => annotation(error),
        Refusal::AnnotationUnused { name, .. } => {
            format!("Couldn't find rela for annotated symbol: {name}")
        }
        // The only ones of several lines.
        Refusal::Unresolved { reason, .. } => return unresolved(reason),
        Refusal::Misplaced { gate, .. } | Refusal::GateNotPatched { gate } => {
            let section = finding.site.as_ref().map_or("", |site| &site.rela_section);
            format!("Conversion not supported for symbol: {used} section: {section} object: {gate}")
        }
        Refusal::NotUtf8 { name, .. }
        | Refusal::Unfinished(Unfinished::KlpBuild { first: name, .. }) => {
            format!("Unable to convert symbol name ({name})")
        }
        Refusal::Unfinished(unfinished) => format!("Unable to convert module: {unfinished}"),
        Refusal::NotConverted { name } => format!("Unable to find missing symbol: {name}"),
        Refusal::PassedOver(PassedOver { name, reason: Unapplied::Target(_), .. }) => {
            format!("can't find base section for rela section {name}")
        }
        Refusal::PassedOver(table) => format!("Unable to convert relocation: {table}"),
        Refusal::AnnotationNeeded
        | Refusal::GatedVmlinuxSymbol { .. }
        | Refusal::UnknownRelocation
        | Refusal::GateUndecided { .. }
        | Refusal::ModuleSymbolInVmlinux { .. }
        | Refusal::UndeclaredDependency { .. }
        | Refusal::Place(_) => format!("Unable to convert relocation: {used}"),
        // The historical tools did not check replaced functions.
        _ => "Unable to convert livepatch".to_owned(),
    };
    OneLine(text).to_string()
}

fn annotation(error: &AnnotationError) -> String {
    match error {
        AnnotationError::Length { section, .. } => {
            format!("section {section} length beyond nr_entries")
        }
        AnnotationError::NoSymbol { section, entry } => {
            format!("nr_entries mismatch ({entry}) for {section}")
        }
        AnnotationError::Conflict { first, second } => {
            let meaning = |which: &Selector| match which {
                Selector::Position(position) => position.to_string(),
                selector => selector.to_string(),
            };
            let (owner, name) = (&first.owner, &first.name);
            let (first, second) = (meaning(&first.which), meaning(&second.which));
            format!("Conflicting KLP_SYMPOS definition: {owner}.{name} {first} vs. {second}.")
        }
        AnnotationError::NameParts(name) => format!("Invalid format of symbol ({name})"),
        AnnotationError::Name {
            error: NameError::SymbolTooLong(name) | NameError::ObjectTooLong(name),
            ..
        } => format!("Length error ({name})"),
        AnnotationError::Name { location, .. } => format!("Invalid format of symbol ({location})"),
        _ => "Unable to load user-provided sympos".to_owned(),
    }
}

fn unresolved(reason: &Unresolved) -> String {
    match reason {
        Unresolved::Ambiguous { name, candidates, .. } => {
            let block = block(name, candidates);
            format!("Define KLP_SYMPOS for the symbol: {}\n{block}", OneLine(name))
        }
        Unresolved::AnnotatedNotUnique { name, owner, candidates } => {
            let count = candidates.len();
            let block = block(name, candidates);
            format!(
                "Provided KLP_SYMPOS of 0, but found {count} symbols matching: {owner}.{},0\n{block}",
                OneLine(name)
            )
        }
        Unresolved::AnnotatedNoSuchPosition { name, owner, position, candidates } => {
            let block = block(name, candidates);
            format!(
                "Provided KLP_SYMPOS does not match a symbol: {owner}.{},{position}\n{block}",
                OneLine(name)
            )
        }
        Unresolved::Name(error) => format!("Length error ({})", OneLine(error)),
        Unresolved::NotFound { name, .. }
        | Unresolved::ObjectUnknown { name, .. }
        | Unresolved::VmlinuxUnknown { name, .. }
        | Unresolved::SelectedNone { name, .. }
        | Unresolved::SelectedSeveral { name, .. }
        | Unresolved::FilesUnknown { name, .. }
        | Unresolved::NeighbourFileUnknown { name, .. }
        | Unresolved::InitMemory { name, .. } => {
            format!("Unable to find missing symbol: {}", OneLine(name))
        }
    }
}

/// The candidates as v7 lists them, but with the kernel's positions.
fn block(name: &str, candidates: &[Candidate]) -> String {
    let name = OneLine(name);
    let title = format!("Valid KLP_SYMPOS for symbol {name}:");
    let mut text = format!("{title}\n{}", "-".repeat(title.len()));
    let mut last: Option<&ObjectName> = None;
    for candidate in candidates {
        if last != Some(&candidate.object) {
            let close = if last.is_some() { "\n}" } else { "" };
            let _ = write!(text, "{close}\nKLP_MODULE_RELOC({}){{", candidate.object);
            last = Some(&candidate.object);
        }
        let _ = write!(text, "\n\tKLP_SYMPOS({name},{})", candidate.klp_position());
    }
    text + if last.is_some() { "\n}" } else { "" }
}
