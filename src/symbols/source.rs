//! Anything that can tell a kernel's symbols, and several such things as one.

use std::fmt::Debug;
use std::path::Path;

use super::{Answer, Near, Order, SymbolError, Wanted};

/// Something that knows what some objects of a kernel define or export.
pub trait SymbolSource: Debug {
    /// The file, for messages.
    fn path(&self) -> &Path;

    /// How well the source knows the order of symbols of one name.
    fn order(&self) -> Order;

    /// Adds the objects that the source speaks for, and all that it knows about the wanted names.
    ///
    /// # Errors
    /// [`SymbolError`] when the file cannot be read, is malformed, or contradicts what another
    /// source already answered.
    fn answer(&self, wanted: &Wanted<'_>, answer: &mut Answer) -> Result<(), SymbolError>;

    /// Offers every name that the source has, for advice; takes as long as reading the whole file.
    ///
    /// # Errors
    /// As [`answer`](Self::answer).
    fn similar(&self, near: &mut Near) -> Result<(), SymbolError>;
}

/// The sources of one kernel. Where two tell the same object, one with a proven order wins over an
/// alphabetical list; two that are equally good are an error.
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
    /// The first [`SymbolError`] of a source.
    pub fn answer(&self, wanted: &Wanted<'_>) -> Result<Answer, SymbolError> {
        let mut answer = Answer::default();
        for order in [Order::Proven, Order::Alphabetical] {
            for source in self.sources.iter().filter(|s| s.order() == order) {
                source.answer(wanted, &mut answer)?;
            }
        }
        Ok(answer)
    }

    /// Offers every name of every source to `near`.
    ///
    /// # Errors
    /// The first [`SymbolError`] of a source.
    pub fn similar(&self, near: &mut Near) -> Result<(), SymbolError> {
        self.sources.iter().try_for_each(|source| source.similar(near))
    }
}
