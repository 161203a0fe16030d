//! `klp-convert match`.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;

use super::args::Match;
use super::compile::compile;
use super::object_files::objects;
use super::report::Reporter;
use super::{Outcome, document};
use crate::diagnostic::{Code, Diagnose, Diagnostic, OneLine};
use crate::path_text::path_text;
use crate::run_pre::{
    FunctionMatch, MatchError, MatchVerdict, Mismatch, ObjectMatch, ShippedKernel, VariableMatch,
    match_object,
};
use crate::symbols::{SymbolError, read_module_within};
use crate::threads;

/// What `--format json` prints.
#[derive(Serialize)]
struct Document {
    kernel: String,
    /// `linux_banner`.
    banner: Option<String>,
    objects: Vec<Object>,
}

#[derive(Serialize)]
struct Object {
    path: String,
    functions: Vec<Function>,
    variables: Vec<Variable>,
    /// Constants, and first contents of variables, that the kernel does not have.
    data: Vec<Data>,
    #[serde(serialize_with = "document::diagnostics")]
    diagnostics: Vec<Diagnostic>,
    #[serde(skip)]
    outcome: Outcome,
}

#[derive(Serialize)]
struct Function {
    name: String,
    verdict: &'static str,
    /// Gone once the kernel has started.
    init: bool,
    address: Option<u64>,
    /// Which of the kernel's symbols of that name, counted from 1, and of how many.
    position: Option<u64>,
    of: usize,
    why: Option<String>,
}

#[derive(Serialize)]
struct Data {
    name: String,
    /// Whether it cannot be told.
    #[serde(skip)]
    is_unknown: bool,
    why: String,
}

#[derive(Serialize)]
struct Variable {
    name: String,
    address: u64,
    position: u64,
    of: usize,
}

impl From<&FunctionMatch> for Function {
    fn from(found: &FunctionMatch) -> Self {
        let FunctionMatch { name, init, address, position, of, verdict } = found;
        let why = match verdict {
            MatchVerdict::Differs(mismatch) => Some(mismatch.to_string()),
            MatchVerdict::Unknown(why) => Some(why.to_string()),
            _ => None,
        };
        let (init, address, position, of) = (*init, *address, *position, *of);
        Self { name: name.clone(), verdict: verdict.into(), init, address, position, of, why }
    }
}

impl From<&VariableMatch> for Variable {
    fn from(found: &VariableMatch) -> Self {
        let VariableMatch { name, address, position, of } = found;
        Self { name: name.clone(), address: *address, position: *position, of: *of }
    }
}

pub(super) fn run(args: &Match, reporter: &Reporter) -> Outcome {
    let (path, kernel) = match shipped(args, reporter) {
        Ok(shipped) => shipped,
        Err(outcome) => return outcome,
    };
    let paths = match &args.tree {
        Some(tree) => compile(&kernel, tree, &args.objects, &args.make),
        None => paths(&args.objects),
    };
    let paths = match paths {
        Ok(paths) => paths,
        Err(error) if args.tree.is_some() => return reporter.failure(&[error], Outcome::Refused),
        Err(error) => return reporter.failure(&[error], Outcome::UsageOrIo),
    };
    let compare = |path: &PathBuf| compared(&kernel, path, args);
    let objects: Vec<Object> = threads::on_all(|| paths.par_iter().map(compare).collect());
    let banner = kernel.banner().map(str::to_owned);
    let document = Document { kernel: path_text(path), banner, objects };
    for object in &document.objects {
        reporter.diagnostics(&object.diagnostics);
    }
    let text = match &args.resolve {
        Some(name) => resolved(&document, name),
        None => Some(text(&document, args.all)),
    };
    let worst = |outcome: Outcome| document.objects.iter().any(|object| object.outcome == outcome);
    let outcome = match (&text, worst(Outcome::UsageOrIo), worst(Outcome::Refused)) {
        (_, true, _) => Outcome::UsageOrIo,
        (None, ..) | (_, _, true) => Outcome::Refused,
        _ => Outcome::Done,
    };
    let printed = match (text, &args.resolve) {
        _ if reporter.is_json() => reporter.json(&document),
        (Some(text), _) => reporter.text(&text),
        (None, name) => {
            let name = name.as_deref().unwrap_or_default();
            let not_found = Diagnostic::error(&document.kernel, &NotResolved(name.to_owned()));
            return reporter.failure(&[not_found], outcome);
        }
    };
    if printed == Outcome::Done { outcome } else { printed }
}

/// The objects that are named, and those in folders that are.
fn paths(named: &[PathBuf]) -> Result<Vec<PathBuf>, Diagnostic> {
    let mut paths = Vec::new();
    for path in named {
        if path.is_dir() {
            paths.extend(objects(path)?.into_iter().map(|inside| path.join(inside)));
        } else {
            paths.push(path.clone());
        }
    }
    Ok(paths)
}

/// What objects are compared with, and its path.
fn shipped<'a>(args: &'a Match, reporter: &Reporter) -> Result<(&'a Path, ShippedKernel), Outcome> {
    let refused = |error: SymbolError| reporter.symbols(&[error]);
    let kernel = match (&args.module, &args.image) {
        (Some(path), _) => {
            let data = read_module_within(path, most(args)).map_err(refused)?;
            let kernel = ShippedKernel::module(&data.bytes).map_err(|error| {
                reporter.failure(&error.diagnostics(&path_text(path)), Outcome::Refused)
            });
            (&**path, kernel?)
        }
        (None, image) => {
            let path = image.as_deref().unwrap_or(Path::new(""));
            let bytes =
                std::fs::read(path).map_err(|error| refused(SymbolError::new(path, error)))?;
            let kernel = ShippedKernel::read(&bytes);
            (path, kernel.map_err(|error| refused(SymbolError::new(path, error)))?)
        }
    };
    Ok(kernel)
}

/// Bytes that something compressed may unpack to.
fn most(args: &Match) -> u64 {
    args.max_unpacked.saturating_mul(1 << 20)
}

fn compared(kernel: &ShippedKernel, path: &Path, args: &Match) -> Object {
    let mut object = Object {
        path: path_text(path),
        functions: Vec::new(),
        variables: Vec::new(),
        data: Vec::new(),
        diagnostics: Vec::new(),
        outcome: Outcome::UsageOrIo,
    };
    let data = match read_module_within(path, most(args)) {
        Ok(data) => data.bytes,
        Err(error) => {
            object.diagnostics.push(error.diagnostic());
            return object;
        }
    };
    match match_object(kernel, &data) {
        Ok(found) => object.take(&found),
        Err(MatchError::Object(error)) => object.diagnostics = error.diagnostics(&object.path),
        Err(error) => object.diagnostics.push(Diagnostic::error(&object.path, &error)),
    }
    object
}

impl Object {
    fn take(&mut self, found: &ObjectMatch) {
        self.functions = found.functions.iter().map(Function::from).collect();
        self.variables = found.variables.iter().map(Variable::from).collect();
        let data = found.data.iter();
        self.data = data
            .map(|data| Data {
                name: data.name.clone(),
                is_unknown: matches!(data.mismatch, Mismatch::Unknown(_)),
                why: data.mismatch.to_string(),
            })
            .collect();
        let other = found.other_compiler.iter().map(|compiler| OtherCompiler(compiler.clone()));
        self.diagnostics = other.map(|other| Diagnostic::error(&self.path, &other)).collect();
        let is_proven = self.data.is_empty() && self.functions.iter().all(Function::is_proven);
        self.outcome =
            if is_proven && self.diagnostics.is_empty() { Outcome::Done } else { Outcome::Refused };
    }

    fn count(&self, verdict: &str) -> usize {
        self.functions.iter().filter(|function| function.verdict == verdict).count()
    }
}

impl Function {
    fn is_proven(&self) -> bool {
        self.why.is_none()
    }
}

/// An object was compiled by another compiler than the kernel.
#[derive(Debug, thiserror::Error)]
#[error("compiled by {0}, the kernel by another compiler")]
struct OtherCompiler(String);

impl Diagnose for OtherCompiler {
    fn code(&self) -> Code {
        Code::OtherCompiler
    }

    fn help(&self) -> Vec<String> {
        vec!["compile it with the compiler that the kernel's banner names".to_owned()]
    }
}

/// No object has something of a name whose place is proven.
#[derive(Debug, thiserror::Error)]
#[error("no object has '{0}' in a place that is proven")]
struct NotResolved(String);

impl Diagnose for NotResolved {
    fn code(&self) -> Code {
        Code::PlaceNotProven
    }

    fn help(&self) -> Vec<String> {
        vec!["without --resolve, match says what is known of each function".to_owned()]
    }
}

impl Diagnose for MatchError {
    fn code(&self) -> Code {
        Code::OtherMachine
    }

    fn help(&self) -> Vec<String> {
        vec!["name objects and a kernel of one machine".to_owned()]
    }
}

fn text(document: &Document, all: bool) -> String {
    let mut text = String::new();
    for object in &document.objects {
        let shown = object.functions.iter().filter(|function| all || !function.is_proven());
        for function in shown {
            let Function { name, verdict, why, .. } = function;
            let _ = write!(text, "{verdict:<10} {} {}", OneLine(&object.path), OneLine(name));
            if let Some(why) = why {
                let _ = write!(text, ": {}", OneLine(why));
            } else if let Some(address) = function.address {
                let _ = write!(text, ": at {address:#x}");
            }
            text.push('\n');
        }
        for Data { name, why, .. } in &object.data {
            let path = OneLine(&object.path);
            let _ = writeln!(text, "{:<10} {path} {}: {}", "data", OneLine(name), OneLine(why));
        }
    }
    let count = |verdict: &str| -> usize {
        document.objects.iter().map(|object| object.count(verdict)).sum()
    };
    let objects = document.objects.iter().filter(|object| object.outcome != Outcome::UsageOrIo);
    let number = |count: usize, what: &str| {
        if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
    };
    let data = |is_unknown: bool, what: &str| {
        let all = document.objects.iter().flat_map(|object| &object.data);
        let count = all.filter(|data| data.is_unknown == is_unknown).count();
        if count == 0 { String::new() } else { format!("; {count} of data {what}") }
    };
    let data = data(false, "different") + &data(true, "unknown");
    let _ = writeln!(
        text,
        "{}: {} equal, {} different, {} unknown; {} overridden, {} left out by the linker{data}",
        number(objects.count(), "object"),
        number(count("equal"), "function"),
        count("differs"),
        count("unknown"),
        count("overridden"),
        count("absent"),
    );
    text
}

/// Where the kernel has what has a name; `None` if no object has it in a known place.
fn resolved(document: &Document, name: &str) -> Option<String> {
    let mut text = String::new();
    for object in &document.objects {
        let functions = object.functions.iter().filter(|function| function.name == name);
        let functions = functions.filter(|function| function.is_proven());
        let functions = functions
            .filter_map(|function| Some((function.address?, function.position?, function.of)));
        // Around a variable there is no code that proves its place by itself.
        let is_whole = object.outcome == Outcome::Done;
        let variables =
            object.variables.iter().filter(|variable| is_whole && variable.name == name);
        let variables =
            variables.map(|variable| (variable.address, variable.position, variable.of));
        for (address, position, of) in functions.chain(variables) {
            let path = OneLine(&object.path);
            let _ =
                writeln!(text, "{name} of {path}: position {position} of {of}, at {address:#x}");
        }
    }
    (!text.is_empty()).then_some(text)
}
