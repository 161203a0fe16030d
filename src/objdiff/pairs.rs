//! Which atom of one object is which of the other.

use super::atom::AtomIndex;
use super::object::slot;

/// Pairs of atoms, each in one at most.
#[derive(Debug)]
pub(super) struct Pairs {
    new_of_old: Vec<Option<AtomIndex>>,
    old_of_new: Vec<Option<AtomIndex>>,
}

impl Pairs {
    pub(super) fn none(old: usize, new: usize) -> Self {
        Self { new_of_old: vec![None; old], old_of_new: vec![None; new] }
    }

    /// The atom of the new object that one of the old object is.
    pub(super) fn new_of(&self, old: AtomIndex) -> Option<AtomIndex> {
        self.new_of_old.get(slot(old)).copied().flatten()
    }

    /// The atom of the old object that one of the new object is.
    pub(super) fn old_of(&self, new: AtomIndex) -> Option<AtomIndex> {
        self.old_of_new.get(slot(new)).copied().flatten()
    }

    /// Pairs two atoms; `false` if one of them has another.
    pub(super) fn pair(&mut self, old: AtomIndex, new: AtomIndex) -> bool {
        match (self.new_of_old.get_mut(slot(old)), self.old_of_new.get_mut(slot(new))) {
            (Some(a @ None), Some(b @ None)) => {
                *a = Some(new);
                *b = Some(old);
                true
            }
            _ => false,
        }
    }
}
