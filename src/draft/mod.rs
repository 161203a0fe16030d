//! The start of a livepatch: the source of the functions that it replaces, with what they need.
//!
//! Between a kernel's source tree ([`crate::c_source`]) with what is known about the kernel's symbols and
//! `klp-convert new`, which writes the files. What the kernel has as a symbol is declared; what the compiler
//! has inlined is copied. Invariant: a name is declared without a word only if a conversion for that kernel
//! finds the symbol; where it would not, the text says what to choose from.

mod declare;
mod error;
mod kernel;
mod skeleton;
mod stubs;
mod target;
mod tree;

use std::collections::{BTreeMap, BTreeSet};

use crate::c_source::{CFile, Extract, Extraction, kept_values};
use crate::name::ObjectName;
use crate::symbols::{Answer, Sources, Wanted};

pub use declare::{Declared, Known, declare, undeclared};
pub use error::DraftError;
pub use kernel::Kernel;
pub use skeleton::File;
pub use stubs::Stubs;
pub use target::Target;
pub use tree::{Origin, read, source_trees};

/// What a livepatch is started with.
#[derive(Debug)]
pub struct Request<'a> {
    /// The name of the module.
    pub name: &'a str,
    /// The functions to replace, each once.
    pub targets: &'a [Target],
    /// What to write besides.
    pub stubs: Stubs,
}

/// A livepatch that has been started.
#[derive(Debug)]
pub struct Draft {
    /// Its C files and Kbuild.
    pub files: Vec<File>,
    /// The functions, in the order of the request.
    pub functions: Vec<Placed>,
    /// Symbols of the kernel that are declared.
    pub declared: BTreeSet<String>,
    /// Static functions and variables that are copied, because the kernel has no symbol of them.
    pub copied: BTreeSet<String>,
    /// What an author should know.
    pub remarks: Vec<String>,
}

/// A function that is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The object that has it.
    pub object: ObjectName,
    /// Its source file in the tree.
    pub file: String,
    /// Its name.
    pub function: String,
    /// The name of the copy.
    pub replacement: String,
    /// The lines of the tables that select it among functions of the same name.
    pub selector: Vec<String>,
}

/// The functions of one source file.
struct Part<'a> {
    origin: &'a Origin,
    extraction: Extraction,
    functions: Vec<&'a Placed>,
}

/// Starts a livepatch. `origins`: the text of each target's file; without `sources` nothing is known about
/// the kernel: static functions are copied, and functions are taken to be vmlinux's.
///
/// # Errors
/// The first [`DraftError`].
pub fn draft(
    request: &Request<'_>,
    origins: &[Origin],
    sources: Option<&Sources>,
) -> Result<Draft, DraftError> {
    let mut remarks = Vec::new();
    for origin in origins {
        let fault = |fault| DraftError::fault(&origin.file, fault);
        let file = CFile::parse(&origin.text).map_err(fault)?;
        for target in request.targets.iter().filter(|target| target.file == origin.file) {
            let function = &target.function;
            let lines = file.definitions(function).map_err(fault)?;
            if lines.len() > 1 {
                let lines: Vec<_> = lines.iter().map(ToString::to_string).collect();
                let (file, lines) = (&origin.file, lines.join(" and "));
                remarks.push(format!(
                    "{file}: {function}() depends on the configuration: all are copied, of lines {lines}"
                ));
            }
            for (variable, line) in kept_values(&file, function) {
                remarks.push(format!(
                    "{}:{line}: '{variable}' keeps its value between calls of {function}(): the copy has its \
                     own, which starts anew",
                    origin.file
                ));
            }
        }
    }
    let mut files = Vec::new();
    for origin in origins {
        let file = CFile::parse(&origin.spliced);
        files.push(file.map_err(|fault| DraftError::fault(&origin.file, fault))?);
    }
    let mut names: BTreeSet<&str> = files.iter().flat_map(CFile::names).collect();
    names.extend(request.targets.iter().map(|target| &*target.function));
    let wanted = Wanted::new(names.iter().copied());
    let answer = sources.map(|sources| sources.answer(&wanted)).transpose()?;
    let answer = answer.as_ref();
    let mut functions = Vec::new();
    for target in request.targets {
        functions.push(place(request, target, answer, sources)?);
    }
    let mut parts = Vec::new();
    for (origin, file) in origins.iter().zip(&files) {
        let here: Vec<_> = functions.iter().filter(|placed| placed.file == origin.file).collect();
        let Some(object) = here.first().map(|placed| &placed.object) else { continue };
        if let Some(other) = here.iter().find(|placed| placed.object != *object) {
            let objects = vec![object.clone(), other.object.clone()];
            return Err(DraftError::Objects { function: origin.file.clone(), objects });
        }
        let kernel = Kernel { answer, object, file: &origin.file };
        let replacements: BTreeMap<_, _> =
            here.iter().map(|placed| (&*placed.function, placed.replacement.clone())).collect();
        let extract = Extract {
            functions: replacements,
            treat: &|name, kind| kernel.treat(name, kind),
            annotate: &|name, is_static| kernel.annotate(name, is_static),
        };
        let extraction = extract.from(file).map_err(|f| DraftError::fault(&origin.file, f))?;
        remarks.extend(kernel.doubts(&extraction.declared));
        parts.push(Part { origin, extraction, functions: here });
    }
    let files = skeleton::files(request, &parts);
    let of = |of: fn(&Extraction) -> &BTreeSet<String>| {
        parts.iter().flat_map(|part| of(&part.extraction)).cloned().collect()
    };
    let (declared, copied) = (of(|made| &made.declared), of(|made| &made.copied));
    Ok(Draft { files, declared, copied, remarks, functions: functions.clone() })
}

/// A comment of C: a sentence, and what to paste or to know.
#[must_use]
pub fn comment(sentence: &str, help: &[String]) -> Vec<String> {
    let lines = [sentence].into_iter().map(|sentence| format!(" * klp-convert: {sentence}"));
    let lines = lines.chain(help.iter().map(|line| format!(" * {line}")));
    // A name may have anything in it.
    let lines = lines.map(|line| line.replace("*/", "* /"));
    ["/*".to_owned()].into_iter().chain(lines).chain([" */".to_owned()]).collect()
}

/// Finds the object of a function, and how it is selected there.
fn place(
    request: &Request<'_>,
    target: &Target,
    answer: Option<&Answer>,
    sources: Option<&Sources>,
) -> Result<Placed, DraftError> {
    let Target { file, function, .. } = target;
    let twice = request.targets.iter().filter(|other| other.function == *function).count() > 1;
    let replacement = if twice {
        let stem = file.rsplit('/').next().unwrap_or(file).trim_end_matches(".c");
        format!("livepatch_{}_{function}", stem.replace(|c: char| !c.is_ascii_alphanumeric(), "_"))
    } else {
        format!("livepatch_{function}")
    };
    let mut placed = Placed {
        object: target.object.clone().unwrap_or_else(ObjectName::vmlinux),
        file: file.clone(),
        function: function.clone(),
        replacement,
        selector: Vec::new(),
    };
    if let (Some(answer), Some(sources)) = (answer, sources) {
        placed.object = kernel::object_of(target, answer, sources)?;
        placed.selector = kernel::select(&placed, answer);
    }
    Ok(placed)
}
