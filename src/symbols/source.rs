//! The trait of symbol sources, and several sources as one.
//!
//! Between the options of a command and the use of the sources. They are read in parallel, each
//! once. Invariant: neither the answer nor the error depends on which of them finishes first.

use super::merge::settle;
use std::fmt::{self, Debug};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::data::{Scope, SymbolData};
use super::{Answer, Merged, Neighbours, Suggestions, SymbolError, Wanted};
use crate::path_text::path_text;
use crate::threads::on_all;

/// A source of what some objects of a kernel define or export.
pub trait SymbolSource: Debug + Send + Sync {
    /// The file, for messages.
    fn path(&self) -> &Path;

    /// The objects that the source describes, and everything it has about the names in scope.
    ///
    /// # Errors
    /// [`SymbolError`] when the file cannot be read or is malformed.
    fn read(&self, scope: Scope<'_>) -> Result<SymbolData, SymbolError>;

    /// Offers every name that the source has, for advice; takes as long as reading the whole file.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn similar(&self, near: &mut Suggestions) -> Result<(), SymbolError> {
        let data = self.read(Scope::All)?;
        for object in &data.objects {
            for symbol in &object.symbols {
                near.offer(&object.name, object.text(symbol.name));
            }
        }
        for (name, export) in &data.exports {
            near.offer(&export.owner, name.as_bytes());
        }
        Ok(())
    }

    /// Offers every symbol with an address of the objects that are searched, for advice; takes as long as
    /// reading the whole file.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn neighbours(&self, near: &mut Neighbours) -> Result<(), SymbolError> {
        self.read(Scope::All)?.objects.iter().for_each(|object| object.offer(near));
        Ok(())
    }
}

/// The sources of one kernel. Where two describe the same object, a proven order wins over an
/// alphabetical list; two that are equally good must agree.
#[derive(Debug, Default)]
pub struct Sources {
    sources: Vec<Box<dyn SymbolSource>>,
    notes: Vec<Note>,
}

/// Something that was found with the sources and is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The file.
    pub path: PathBuf,
    /// What was done with it, and why.
    pub text: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", path_text(&self.path), self.text)
    }
}

impl Sources {
    /// No sources.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a source; the answer does not depend on the order.
    pub fn push(&mut self, source: impl SymbolSource + 'static) {
        self.sources.push(Box::new(source));
    }

    pub(super) fn note(&mut self, path: &Path, text: String) {
        self.notes.push(Note { path: path.into(), text });
    }

    /// What was skipped, in the order in which it was found.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Whether there are no sources.
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

    /// Reads every source, on all processors, and passes the data of each to `done`. Sources that cannot
    /// be used or contradict the others are returned separately, and are not in the result.
    pub fn gather(
        &self,
        scope: Scope<'_>,
        done: impl Fn(&Path, Option<&SymbolData>) + Sync,
    ) -> (Merged, Vec<SymbolError>) {
        let read = |source: &dyn SymbolSource| {
            let data = source.read(scope);
            done(source.path(), data.as_ref().ok());
            data
        };
        // One takes a thousand times as long as another: none waits in a group after it.
        let sources = self.sources.par_iter().with_max_len(1);
        let mut data: Vec<_> = on_all(|| sources.map(|source| read(source.as_ref())).collect());
        settle(data.iter_mut().flatten(), scope);
        let (mut merged, mut errors) = (Merged::default(), Vec::new());
        for (source, data) in self.sources.iter().zip(data) {
            let added = data.and_then(|data| merged.add(data, source.path()));
            errors.extend(added.err());
        }
        (merged, errors)
    }

    /// Looks up some names in every source.
    ///
    /// # Errors
    /// The first [`SymbolError`] of a source, or the first contradiction between two.
    pub fn answer(&self, wanted: &Wanted<'_>) -> Result<Answer, SymbolError> {
        let scope = Scope::Names(wanted);
        let mut merged = Merged::default();
        // Threads for a single source would cost more than a map's answer.
        let mut data: Vec<_> = match self.sources.as_slice() {
            [one] => vec![one.read(scope)],
            many => {
                let many = many.par_iter().with_max_len(1);
                on_all(|| many.map(|source| source.read(scope)).collect())
            }
        };
        settle(data.iter_mut().flatten(), scope);
        for (source, data) in self.sources.iter().zip(data) {
            merged.add(data?, source.path())?;
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

    /// Offers every symbol of the objects that are searched to `near`.
    ///
    /// # Errors
    /// The first [`SymbolError`] of a source.
    pub fn neighbours(&self, near: &mut Neighbours) -> Result<(), SymbolError> {
        self.sources.iter().try_for_each(|source| {
            let mut found = near.again();
            source.neighbours(&mut found)?;
            near.take(found);
            Ok(())
        })
    }
}
