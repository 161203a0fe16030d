//! The symbols of one name, shared by all that refer to them.
//!
//! A name may have thousands of symbols and a module thousands of references to it, so nothing copies them.
//! Invariant: they are grouped by object, vmlinux first and modules in alphabetical order, and within an
//! object in the order of positions.

use std::ops::{Deref, Range};
use std::sync::Arc;

use super::Candidate;
use crate::name::ObjectName;

/// Symbols of one name: in all objects, in one, or those that a selector fits.
#[derive(Debug, Clone, Default)]
pub struct Candidates {
    /// Not a slice, into which hundreds of thousands would be copied.
    all: Arc<Vec<Candidate>>,
    range: Range<usize>,
    /// How many there are besides.
    more: usize,
}

impl Candidates {
    /// Most symbols that are kept if they are not all of a name.
    pub(crate) const KEPT: usize = 256;

    /// The first ones of so many.
    #[must_use]
    pub(crate) fn first(some: &[&Candidate], count: usize) -> Self {
        let kept: Vec<_> = some.iter().take(Self::KEPT).copied().cloned().collect();
        let more = count.saturating_sub(kept.len());
        Self { more, ..Self::from(kept) }
    }

    /// How many there are, also of those that are not kept.
    #[must_use]
    pub fn count(&self) -> usize {
        self.len().saturating_add(self.more)
    }

    /// Those in one object.
    #[must_use]
    pub fn of(&self, object: &ObjectName) -> Self {
        Self { all: Arc::clone(&self.all), range: range(&self.all, object), more: 0 }
    }
}

/// The symbols in one object, among all of a name.
pub(super) fn of<'a>(all: &'a [Candidate], object: &ObjectName) -> &'a [Candidate] {
    all.get(range(all, object)).unwrap_or_default()
}

fn range(all: &[Candidate], object: &ObjectName) -> Range<usize> {
    let wanted = (!object.is_vmlinux(), object);
    let before = |c: &Candidate| (!c.object.is_vmlinux(), &c.object) < wanted;
    let start = all.partition_point(before);
    let length = all.get(start..).unwrap_or_default().partition_point(|c| c.object == *object);
    start..start + length
}

impl Deref for Candidates {
    type Target = [Candidate];

    fn deref(&self) -> &[Candidate] {
        self.all.get(self.range.clone()).unwrap_or_default()
    }
}

impl PartialEq for Candidates {
    fn eq(&self, other: &Self) -> bool {
        **self == **other && self.more == other.more
    }
}

impl Eq for Candidates {}

impl From<Vec<Candidate>> for Candidates {
    fn from(candidates: Vec<Candidate>) -> Self {
        let range = 0..candidates.len();
        Self { all: Arc::new(candidates), range, more: 0 }
    }
}
