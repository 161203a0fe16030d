//! Anything that can tell a kernel's symbols, and several such things as one.
//!
//! Between the options of a command and what is made of the sources. They are asked side by side, each
//! once. Invariant: neither the answer nor the error depends on which of them is done first.

use super::merge::settle;
use std::fmt::{self, Debug};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::data::{Scope, SymbolData};
use super::{Answer, Merged, Suggestions, SymbolError, Wanted};

/// Something that knows what some objects of a kernel define or export.
pub trait SymbolSource: Debug + Send + Sync {
    /// The file, for messages.
    fn path(&self) -> &Path;

    /// The objects that the source speaks for, and all that it knows about the names in question.
    ///
    /// # Errors
    /// [`SymbolError`] when the file cannot be read or is malformed.
    fn read(&self, scope: Scope<'_>) -> Result<SymbolData, SymbolError>;

    /// Offers every name that the source has, for advice; takes as long as reading the whole file.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn similar(&self, near: &mut Suggestions) -> Result<(), SymbolError> {
        let told = self.read(Scope::All)?;
        for object in &told.objects {
            for symbol in &object.symbols {
                near.offer(&object.name, object.text(symbol.name));
            }
        }
        for (name, export) in &told.exports {
            near.offer(&export.owner, name.as_bytes());
        }
        Ok(())
    }
}

/// The sources of one kernel. Where two tell the same object, one with a proven order wins over an
/// alphabetical list; two that are equally good must agree.
#[derive(Debug, Default)]
pub struct Sources {
    sources: Vec<Box<dyn SymbolSource>>,
    notes: Vec<Note>,
}

/// Something that was found beside the sources and is none of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The file.
    pub path: PathBuf,
    /// What became of it, and why.
    pub text: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.text)
    }
}

impl Sources {
    /// No sources.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a source; the order of adding does not matter to the answer.
    pub fn push(&mut self, source: impl SymbolSource + 'static) {
        self.sources.push(Box::new(source));
    }

    pub(super) fn note(&mut self, path: &Path, text: String) {
        self.notes.push(Note { path: path.into(), text });
    }

    /// What was passed over, in the order in which it was met.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Whether there is nothing to ask.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// How many sources there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// The files, in the order of adding.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.sources.iter().map(|source| source.path())
    }

    /// Asks every source, on all processors, and gives `done` what each told. Sources that cannot be used
    /// or do not fit to the others are told beside the result, which is without them.
    pub fn gather(
        &self,
        scope: Scope<'_>,
        done: impl Fn(&Path, Option<&SymbolData>) + Sync,
    ) -> (Merged, Vec<SymbolError>) {
        let mut told: Vec<_> = self
            .sources
            .par_iter()
            .map(|source| {
                let told = source.read(scope);
                done(source.path(), told.as_ref().ok());
                told
            })
            .collect();
        settle(told.iter_mut().flatten(), scope);
        let (mut merged, mut errors) = (Merged::default(), Vec::new());
        for (source, told) in self.sources.iter().zip(told) {
            let added = told.and_then(|told| merged.add(told, source.path()));
            errors.extend(added.err());
        }
        (merged, errors)
    }

    /// Asks every source about some names.
    ///
    /// # Errors
    /// The first [`SymbolError`] of a source, or the first contradiction between two.
    pub fn answer(&self, wanted: &Wanted<'_>) -> Result<Answer, SymbolError> {
        let scope = Scope::Names(wanted);
        let mut merged = Merged::default();
        // One source needs no threads, which cost more than a map's answer.
        let mut told: Vec<_> = match self.sources.as_slice() {
            [one] => vec![one.read(scope)],
            many => many.par_iter().map(|source| source.read(scope)).collect(),
        };
        settle(told.iter_mut().flatten(), scope);
        for (source, told) in self.sources.iter().zip(told) {
            merged.add(told?, source.path())?;
        }
        Answer::new(merged)
    }

    /// Offers every name of every source to `near`.
    ///
    /// # Errors
    /// The first [`SymbolError`] of a source.
    pub fn similar(&self, near: &mut Suggestions) -> Result<(), SymbolError> {
        self.sources.iter().try_for_each(|source| source.similar(near))
    }
}
