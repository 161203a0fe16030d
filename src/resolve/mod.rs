//! What one name that a livepatch uses means in one kernel.
//!
//! Between the symbol map and the conversion: a [`Query`] is a name with what the author wrote about
//! it, the result is a [`Resolution`], or an [`Unresolved`] that lists every candidate and the line
//! to paste. Two objects belong to a relocation: the *owner* has the symbol, and the *gate* is the
//! object whose loading makes the kernel write it. Invariant: a position is written only if the
//! sources say that it exists, unless there are no sources. Rules: `klp_find_object_symbol` in
//! `kernel/livepatch/core.c`.

mod choose;
mod line_to_paste;
mod resolver;
mod unresolved;

use crate::annotation::{self, Selector};
use crate::name::{KlpSymbol, ObjectName, Position};
use crate::symbols::{Answer, Candidate, Export, Order};

pub use line_to_paste::{KlpRelocSymbol, KlpSymbolIn, KlpSympos, pasteable};
pub use resolver::{Resolver, suggest};
pub use unresolved::{Cause, Unresolved};

/// What the author wrote about a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// The object that has the symbol.
    pub owner: ObjectName,
    /// The object whose loading triggers the write; `None` for the owner.
    pub gate: Option<ObjectName>,
    /// Which of the symbols of this name.
    pub which: Selector,
}

impl From<&annotation::Annotation> for Annotation {
    fn from(written: &annotation::Annotation) -> Self {
        let annotation::Annotation { owner, gate, which, .. } = written;
        Self { owner: owner.clone(), gate: gate.clone(), which: which.clone() }
    }
}

/// A question about one name.
#[derive(Debug, Clone)]
pub struct Query<'a> {
    /// The name as the livepatch uses it.
    pub name: &'a str,
    /// Whether the livepatch can do without it (`STB_WEAK`).
    pub weak: bool,
    /// Whether the machine's loader makes the name itself; the back end says so.
    pub loader: bool,
    /// What the author wrote about it.
    pub annotation: Option<&'a Annotation>,
}

/// How a klp symbol was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum Basis {
    /// The name occurs once in all objects.
    Inferred,
    /// The author said so, and the sources agree.
    Annotated,
    /// The author said so, and there is no source to ask.
    Unverified,
    /// The owner exports it, but not so that a livepatch could use the export.
    Exported,
}

/// A symbol that is to become a klp symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Klp {
    /// Owner, name and position.
    pub symbol: KlpSymbol,
    /// The object whose loading triggers the write, as the author says; `None`: the code that uses
    /// the symbol decides.
    pub gate: Option<ObjectName>,
    /// How it was decided.
    pub basis: Basis,
    /// The symbol in the sources, where they tell it.
    pub candidate: Option<Candidate>,
    /// The export, where there is one.
    pub export: Option<Export>,
}

impl Klp {
    /// Whether a position is used that the source cannot prove ([`Order`]).
    #[must_use]
    pub fn order_unproven(&self) -> bool {
        let unproven = self.candidate.as_ref().is_some_and(|c| c.order != Order::Proven);
        unproven && self.symbol.position != Position::Unique
    }
}

/// What a name means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// It becomes a klp symbol.
    Klp(Box<Klp>),
    /// It stays an ordinary symbol: the loader binds it to this export.
    Export(Export),
    /// It stays an ordinary symbol: the machine's loader makes it itself.
    Loader,
    /// It stays an ordinary symbol: weak and nowhere defined, so it is bound to 0.
    WeakMissing,
    /// It stays an ordinary symbol: not annotated, and there is no source to ask.
    NoSource,
}

/// Anything that can say what a name means.
pub trait Resolve {
    /// Answers one question.
    ///
    /// # Errors
    /// [`Unresolved`] when the name has no meaning, several, or another than the author says.
    fn resolve(&self, query: &Query<'_>) -> Result<Resolution, Unresolved>;

    /// Whether an object is loaded after another only, because it needs it, directly or through
    /// others (`depends=`). `None` where that is not known.
    fn depends(&self, object: &ObjectName, on: &ObjectName) -> Option<bool> {
        let _ = (object, on);
        None
    }

    /// Whether an object is known to have no other source file with the base name of this one.
    fn is_only_file(&self, object: &ObjectName, file: &str) -> bool {
        let _ = (object, file);
        false
    }
}

/// What is known of a name that is not found, in an object or anywhere.
fn not_found(answer: &Answer, name: &str, owner: Option<&ObjectName>) -> Unresolved {
    let mut others: Vec<_> = answer.candidates(name).iter().map(|c| &c.object).collect();
    others.dedup();
    let mut causes: Vec<_> = others.into_iter().cloned().map(Cause::OtherObject).collect();
    if let Some(export) = answer.export(name)
        && !answer.knows_object(&export.owner)
    {
        causes.push(Cause::ExportedElsewhere(export.owner.clone()));
    }
    let (name, owner) = (name.into(), owner.cloned());
    Unresolved::NotFound { name, owner, causes, similar: Vec::new() }
}

#[cfg(test)]
mod tests;
