//! What is known about the kernel that is patched: which names of a source file it has as symbols.

use std::collections::BTreeSet;

use super::{DraftError, Placed, Target};
use crate::annotation::{Selector, SourceFile};
use crate::c_source::{ItemKind, Treatment};
use crate::diagnostic::Diagnose;
use crate::findings::{Finding, Refusal};
use crate::name::ObjectName;
use crate::patch::{Replaced, Unpatchable};
use crate::resolve::{KlpSympos, Query, Request, Resolve, Resolver, Unresolved, suggest};
use crate::symbols::{Answer, Binding, Candidate, Kind, Sources};

/// An object of a kernel, as one source file of it sees it.
#[derive(Debug, Clone, Copy)]
pub struct Kernel<'a> {
    /// What the sources of symbols know; `None`: there are none.
    pub answer: Option<&'a Answer>,
    /// The object that the file is part of.
    pub object: &'a ObjectName,
    /// The file, by its path in the source tree.
    pub file: &'a str,
}

impl<'a> Kernel<'a> {
    /// What becomes of a static function or variable of the file.
    ///
    /// Without a symbol that may be the file's, the compiler has inlined the function, or has replaced the
    /// variable by its value. Where source files are not known, a function is copied, because that is never
    /// wrong; a variable has only one place.
    #[must_use]
    pub fn treat(&self, name: &str, kind: ItemKind) -> Treatment {
        let is_function = kind == ItemKind::Function;
        let Some(answer) = self.answer else {
            return if is_function { Treatment::Copy } else { Treatment::Declare };
        };
        let here: Vec<_> = symbols(answer, name, self.object)
            .filter(|candidate| !is_global(candidate) && !candidate.init)
            .collect();
        let known = here.iter().any(|c| c.file.as_ref().is_some_and(|f| self.is_file(f)));
        let unknown = here.iter().any(|candidate| candidate.file.is_none());
        if known || unknown && !is_function { Treatment::Declare } else { Treatment::Copy }
    }

    /// Lines after the declaration of a name, which select its symbol or list what there is.
    #[must_use]
    pub fn annotate(&self, name: &str, is_static: bool) -> Vec<String> {
        let Some(answer) = self.answer else { return Vec::new() };
        let Err(reason) = resolve(answer, name, None) else { return Vec::new() };
        let object = self.object;
        if let Some(file) = self.source_file() {
            let which = Selector::InFile(file);
            let request = Request { owner: object.clone(), gate: None, which };
            if resolve(answer, name, Some(&request)).is_ok() {
                return vec![format!("KLP_SYMBOL_IN({object}, {name}, \"{}\");", self.file)];
            }
        }
        // A symbol table has no file for a global symbol, of which an object has one.
        let here: Vec<_> = symbols(answer, name, object).filter(|c| is_global(c)).collect();
        if let ([only], false) = (here.as_slice(), is_static) {
            let position = only.klp_position();
            return vec![KlpSympos { owner: object, name, position }.to_string()];
        }
        comment(&reason)
    }

    /// Remarks about names that are declared, whose symbols may be another file's.
    #[must_use]
    pub fn doubts(&self, declared: &BTreeSet<String>) -> Vec<String> {
        let Some(answer) = self.answer else { return Vec::new() };
        let doubtful = |name: &&String| {
            let mut here = symbols(answer, name, self.object).peekable();
            here.peek().is_some()
                && here.all(|c| c.file.is_none() && c.letter.is_some_and(is_local))
        };
        let names: Vec<_> = declared.iter().filter(doubtful).map(|n| format!("'{n}'")).collect();
        if names.is_empty() {
            return Vec::new();
        }
        vec![format!(
            "no source of symbols says from which file {} of '{}' is: taken to be from {}; --vmlinux would \
             tell",
            names.join(", "),
            self.object,
            self.file
        )]
    }

    fn is_file(&self, known: &str) -> bool {
        self.source_file().is_some_and(|file| file.agrees_with(known))
    }

    fn source_file(&self) -> Option<SourceFile> {
        self.file.parse().ok()
    }
}

/// Whether a type letter is that of a static symbol.
fn is_local(letter: u8) -> bool {
    letter.is_ascii_lowercase()
}

fn is_global(candidate: &Candidate) -> bool {
    match candidate.binding {
        Some(binding) => matches!(binding, Binding::Global | Binding::Weak),
        // What has no binding has a letter, if anything.
        None => candidate.letter.is_some_and(|letter| letter.is_ascii_uppercase()),
    }
}

/// The symbols of a name in an object that are not marks.
fn symbols<'a>(
    answer: &'a Answer,
    name: &str,
    object: &'a ObjectName,
) -> impl Iterator<Item = &'a Candidate> + use<'a> {
    let named = answer.candidates(name).iter();
    named.filter(move |c| c.object == *object && c.kind != Some(Kind::Marker))
}

fn resolve(answer: &Answer, name: &str, annotation: Option<&Request>) -> Result<(), Unresolved> {
    let query = Query { name, weak: false, loader: false, annotation };
    Resolver::new(answer).resolve(&query).map(|_| ())
}

/// A comment that says why a name means nothing yet, and what to paste.
pub(super) fn comment(reason: &Unresolved) -> Vec<String> {
    let refusal = Refusal::Unresolved { gate: None, reason: Box::new(reason.clone()) };
    super::comment(&reason.to_string(), &Finding::from(refusal).help())
}

/// The object that has a function.
///
/// # Errors
/// [`DraftError`] if none has it, several have, or the kernel cannot patch it.
pub(super) fn object_of(
    target: &Target,
    answer: &Answer,
    sources: &Sources,
) -> Result<ObjectName, DraftError> {
    let Target { object, file, function } = target;
    let named = answer.candidates(function).iter();
    let named = named.filter(|c| c.kind != Some(Kind::Marker));
    let all: Vec<_> = named.filter(|c| object.as_ref().is_none_or(|o| c.object == *o)).collect();
    let replaced = |object: &ObjectName| Replaced {
        object: object.clone(),
        name: function.clone(),
        position: 0,
    };
    if all.is_empty() {
        let object = object.clone().unwrap_or_else(ObjectName::vmlinux);
        let (causes, similar) = (Vec::new(), Vec::new());
        let name = function.clone();
        let mut reason = Unresolved::NotFound { name, owner: None, causes, similar };
        suggest(sources, &mut [&mut reason])?;
        let (function, reason) = (replaced(&object), Box::new(reason));
        return Err(refused(Refusal::NotReplaced { function, reason }));
    }
    let agrees = |known: &str| file.parse::<SourceFile>().is_ok_and(|f| f.agrees_with(known));
    let known: Vec<_> =
        all.iter().copied().filter(|c| c.file.as_deref().is_some_and(agrees)).collect();
    let unknown: Vec<_> = all.iter().copied().filter(|c| c.file.is_none()).collect();
    let fits = if known.is_empty() { unknown } else { known };
    let mut objects: Vec<_> = fits.iter().map(|candidate| candidate.object.clone()).collect();
    objects.dedup();
    let [object] = objects.as_slice() else {
        return Err(if objects.is_empty() {
            let mut files: Vec<_> = all.iter().filter_map(|c| c.file.clone()).collect();
            files.dedup();
            let (function, file) = (function.clone(), file.clone());
            DraftError::Elsewhere { function, file, files }
        } else {
            DraftError::Objects { function: function.clone(), objects }
        });
    };
    let unpatchable = |why| refused(Refusal::Unpatchable { function: replaced(object), why });
    if let [only] = fits.as_slice() {
        if only.init {
            return Err(unpatchable(Unpatchable::Init));
        }
        if only.untraceable {
            return Err(unpatchable(Unpatchable::Untraceable));
        }
    }
    Ok(object.clone())
}

fn refused(refusal: Refusal) -> DraftError {
    DraftError::Refused(Box::new(refusal.into()))
}

/// The lines that select a function to replace, if its name is not unique in its object.
pub(super) fn select(placed: &Placed, answer: &Answer) -> Vec<String> {
    let Placed { object, file, function, replacement, .. } = placed;
    let here: Vec<_> = symbols(answer, function, object).cloned().collect();
    if here.len() < 2 {
        return Vec::new();
    }
    let selected = file.parse::<SourceFile>().ok().is_some_and(|file| {
        let which = Selector::InFile(file);
        let request = Request { owner: object.clone(), gate: None, which };
        resolve(answer, function, Some(&request)).is_ok()
    });
    if selected {
        return vec![format!("KLP_FUNC_IN({object}, {function}, {replacement}, \"{file}\");")];
    }
    let (owner, candidates) = (object.clone(), here);
    let name = function.clone();
    let reason =
        Box::new(Unresolved::AnnotatedNotUnique { name, owner, candidates: candidates.into() });
    let function = Replaced { object: object.clone(), name: function.clone(), position: 0 };
    let finding = Finding::from(Refusal::NotReplaced { function, reason });
    let help: Vec<_> =
        finding.help().iter().map(|line| line.replace("NEW_FUNC", replacement)).collect();
    super::comment(&format!("{finding}; one of these:"), &help)
}
