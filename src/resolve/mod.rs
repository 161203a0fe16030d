//! What a name that a livepatch uses means in a kernel.
//!
//! Between the symbol map and the conversion: a [`Query`] is a name with what the author wrote about
//! it; the result is a [`Resolution`], or an [`Unresolved`] that lists every candidate and the line
//! to paste. A relocation has two objects: the *owner* has the symbol, and the *gate* is the
//! object whose loading makes the kernel write it. Invariant: a position is written only if it
//! exists in the sources, or there are no sources. Rules: `klp_find_object_symbol` in
//! `kernel/livepatch/core.c`.

mod beside;
mod choose;
mod homonyms;
mod line_to_paste;
mod resolver;
mod unresolved;

use crate::annotation::{self, Selector};
use crate::name::{KlpSymbol, ObjectName, Position, shown};
use crate::symbols::{Answer, Candidate, Export, Order};

pub use beside::place_between;
pub use line_to_paste::{KlpRelocSymbol, KlpSymbolIn, KlpSympos, pasteable};
pub use resolver::{Resolver, suggest};
use unresolved::LISTED;
pub use unresolved::{Cause, Unresolved};

/// What the author asked for under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The object that has the symbol.
    pub owner: ObjectName,
    /// The object whose loading triggers the write; `None` for the owner.
    pub gate: Option<ObjectName>,
    /// Which of the symbols of this name.
    pub which: Selector,
}

impl From<&annotation::Annotation> for Request {
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
    /// Whether the livepatch works without it (`STB_WEAK`).
    pub weak: bool,
    /// Whether the machine's loader defines the name itself.
    pub loader: bool,
    /// What the author wrote about it.
    pub annotation: Option<&'a Request>,
}

/// How a klp symbol was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum Basis {
    /// The name occurs once in all objects.
    Inferred,
    /// The author annotated it, and the sources agree.
    Annotated,
    /// The author annotated it, and there is no source to verify it.
    Unverified,
    /// The owner exports it, but a livepatch cannot use the export.
    Exported,
}

/// A symbol that is to become a klp symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Klp {
    /// Owner, name and position.
    pub symbol: KlpSymbol,
    /// The object whose loading triggers the write, as the author annotated; `None`: the code that uses
    /// the symbol decides.
    pub gate: Option<ObjectName>,
    /// How it was decided.
    pub basis: Basis,
    /// The symbol in the sources, if they have it.
    pub candidate: Option<Candidate>,
    /// The export, if there is one.
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
    /// It stays an ordinary symbol: the loader resolves it to this export.
    Export(Export),
    /// It stays an ordinary symbol: the machine's loader defines it itself.
    Loader,
    /// It stays an ordinary symbol: weak and not defined anywhere, it resolves to 0.
    WeakMissing,
    /// It stays an ordinary symbol: not annotated, and there is no source.
    NoSource,
}

/// Anything that can resolve names.
pub trait Resolve {
    /// Resolves one name.
    ///
    /// # Errors
    /// [`Unresolved`] when the name has no meaning, several, or a different one than the author says.
    fn resolve(&self, query: &Query<'_>) -> Result<Resolution, Unresolved>;

    /// Whether positions in the module are those of another kernel.
    fn is_for_another_kernel(&self) -> bool {
        false
    }

    /// Resolves a name that another tool has recorded with a position, perhaps for another kernel.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    fn resolve_recorded(&self, query: &Query<'_>) -> Result<Resolution, Unresolved> {
        self.resolve(query)
    }

    /// Whether an object can only be loaded after another, because it depends on it, directly or
    /// indirectly (`depends=`). `None` if unknown.
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

/// What is known about a name that is not found, in an object or anywhere.
fn not_found(answer: &Answer, name: &str, owner: Option<&ObjectName>) -> Unresolved {
    let named = answer.candidates(name).chunk_by(|a, b| a.object == b.object);
    let others = named.filter_map(|chunk| Some(chunk.first()?.object.clone()));
    let mut causes: Vec<_> = others.take(LISTED).map(Cause::OtherObject).collect();
    if let Some(export) = answer.export(name)
        && !answer.knows_object(&export.owner)
    {
        causes.push(Cause::ExportedElsewhere(export.owner.clone()));
    }
    let (name, owner) = (shown(name.as_bytes()).into_owned(), owner.cloned());
    Unresolved::NotFound { name, owner, causes, similar: Vec::new() }
}

#[cfg(test)]
mod tests;
