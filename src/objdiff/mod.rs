//! Which functions a change really changed: two objects, before and after, compared by meaning.
//!
//! An object is cut into atoms: functions, variables, constants, windows of what has no name, and entries of tables. An
//! atom's contents are its bytes, and what its relocations mean: this function, that variable, these contents. A function
//! has changed if its contents have, or an entry of a table that belongs to it, or read-only data that it refers to. Every
//! loaded byte is in an atom, and what nothing is known to refer to is compared as well, so no change is passed over.
//!
//! There is no rule for line numbers: one in the code is a change of the code.

mod atom;
mod audit;
mod by_section;
mod class;
mod contents;
mod correlate;
mod cut;
mod difference;
mod entries;
mod equal;
mod found;
mod leaf;
mod meaning;
mod merged;
mod names;
mod near;
mod object;
mod pairs;
mod reference;
mod refusal;
mod refused;
mod relative;
mod rest;
mod same;
mod shallow_hash;
mod stem;
mod texts;
mod traced;
mod users;

use crate::findings::Error;

pub use audit::{Audit, audit};
pub(crate) use class::{Class, classes};
pub use difference::Difference;
pub(crate) use entries::entry_shape;
pub use refusal::ChangeRefusal;

use found::Found;
use object::Object;
use same::Same;

/// What became of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::Display)]
#[strum(serialize_all = "kebab-case")]
pub enum Verdict {
    /// It is in both objects, and not the same.
    Changed,
    /// Only the new object has it.
    New,
    /// Only the old object has it.
    Gone,
}

/// What something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::Display)]
#[strum(serialize_all = "kebab-case")]
pub enum ObjectPart {
    /// Code with a name.
    Function,
    /// Data that code writes.
    Variable,
    /// Data that nothing writes.
    Constant,
    /// What a section has without a name, and nothing is known to refer to.
    Section,
}

/// Something that is not the same in both objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What became of it.
    pub verdict: Verdict,
    /// What it is.
    pub part: ObjectPart,
    /// Its name in the old object; in the new one if it is new.
    pub name: String,
    /// Its name in the new object, if that is another.
    pub renamed: Option<String>,
    /// Its other names.
    pub aliases: Vec<String>,
    /// Why it counts as changed.
    pub difference: Option<Difference>,
    /// Of a function of the old object that no other object can name: what refers to it there.
    pub users: Option<Vec<String>>,
}

/// What two objects have in common, and what not.
#[derive(Debug, Default)]
pub struct ObjectDiff {
    /// Functions first, by name; then data.
    pub changes: Vec<Change>,
    /// What of it a livepatch cannot do.
    pub refusals: Vec<ChangeRefusal>,
    /// Functions that are the same.
    pub same: usize,
}

/// Why two objects cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// The old one cannot be read.
    #[error(transparent)]
    Old(Error),
    /// The new one cannot be read.
    #[error(transparent)]
    New(Error),
    /// They are for different machines.
    #[error("one object is for {old}, the other for {new}")]
    Machines {
        /// That of the old one.
        old: &'static str,
        /// That of the new one.
        new: &'static str,
    },
}

/// Compares two objects: `.o`, `vmlinux.o` or `.ko`.
///
/// # Errors
/// [`DiffError`]: one cannot be read, or they are for different machines.
pub fn diff(old: &[u8], new: &[u8]) -> Result<ObjectDiff, DiffError> {
    let read = || rayon::join(|| Object::read(old), || Object::read(new));
    let (old, new) = crate::threads::on_all(read);
    let (old, new) = (old.map_err(DiffError::Old)?, new.map_err(DiffError::New)?);
    if old.machine.name != new.machine.name {
        return Err(DiffError::Machines { old: old.machine.name, new: new.machine.name });
    }
    if old.is_rust() || new.is_rust() {
        return Ok(ObjectDiff { refusals: vec![ChangeRefusal::Rust], ..ObjectDiff::default() });
    }
    let (pairs, ambiguous) = correlate::correlate(&old, &new);
    let mut same = Same::new(&old, &new, &pairs);
    let found = Found::of(&old, &new, &pairs, &mut same);
    let rest = rest::rest(&old, &new, &found, &mut same);
    let refusals = refused::refusals(&old, &new, &found, &ambiguous);
    let mut changes = found.changes(&old, &new, &ambiguous);
    changes.extend(rest);
    changes.sort_by(|a, b| (a.part, a.verdict, &a.name).cmp(&(b.part, b.verdict, &b.name)));
    Ok(ObjectDiff { changes, refusals, same: found.same })
}
