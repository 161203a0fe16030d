//! Anything that can tell a kernel's symbols, and several such things as one.

use std::fmt::Debug;
use std::path::Path;

use super::told::{Scope, Told};
use super::{Answer, Merged, Near, SymbolError, Wanted};

/// Something that knows what some objects of a kernel define or export.
pub trait SymbolSource: Debug {
    /// The file, for messages.
    fn path(&self) -> &Path;

    /// The objects that the source speaks for, and all that it knows about the names in question.
    ///
    /// # Errors
    /// [`SymbolError`] when the file cannot be read or is malformed.
    fn tell(&self, scope: Scope<'_>) -> Result<Told, SymbolError>;

    /// Offers every name that the source has, for advice; takes as long as reading the whole file.
    ///
    /// # Errors
    /// As [`tell`](Self::tell).
    fn similar(&self, near: &mut Near) -> Result<(), SymbolError> {
        let told = self.tell(Scope::All)?;
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

    /// Whether there is nothing to ask.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Asks every source.
    ///
    /// # Errors
    /// The first [`SymbolError`] of a source, or the first contradiction between two.
    pub fn tell(&self, scope: Scope<'_>) -> Result<Merged, SymbolError> {
        let mut merged = Merged::default();
        for source in &self.sources {
            merged.add(source.tell(scope)?, source.path())?;
        }
        Ok(merged)
    }

    /// Asks every source about some names.
    ///
    /// # Errors
    /// As [`tell`](Self::tell).
    pub fn answer(&self, wanted: &Wanted<'_>) -> Result<Answer, SymbolError> {
        Answer::new(self.tell(Scope::Names(wanted))?)
    }

    /// Offers every name of every source to `near`.
    ///
    /// # Errors
    /// The first [`SymbolError`] of a source.
    pub fn similar(&self, near: &mut Near) -> Result<(), SymbolError> {
        self.sources.iter().try_for_each(|source| source.similar(near))
    }
}
