//! What is assumed to be equal, and can be taken back.

use super::atom::AtomIndex;
use super::object::slot;

/// Classes of atoms that are equal: those of the old object, then those of the new one.
#[derive(Debug)]
pub(super) struct Equal {
    /// Another atom of the same class; the atom itself for one of them.
    parent: Vec<u32>,
    rank: Vec<u8>,
    /// Atoms of the old object.
    old: u32,
}

/// An assumption.
#[derive(Debug)]
pub(super) struct Joined {
    root: u32,
    child: u32,
    deeper: bool,
}

impl Equal {
    pub(super) fn none(old: usize, new: usize) -> Self {
        let count = old.saturating_add(new);
        let old = u32::try_from(old).unwrap_or(u32::MAX);
        Self { parent: (0..).take(count).collect(), rank: vec![0; count], old }
    }

    fn find(&self, mut node: u32) -> u32 {
        while let Some(&parent) = self.parent.get(slot(node)).filter(|parent| **parent != node) {
            node = parent;
        }
        node
    }

    fn nodes(&self, a: AtomIndex, b: AtomIndex) -> (u32, u32) {
        (self.find(a), self.find(b.saturating_add(self.old)))
    }

    pub(super) fn is_joined(&self, a: AtomIndex, b: AtomIndex) -> bool {
        let (a, b) = self.nodes(a, b);
        a == b
    }

    pub(super) fn join(&mut self, a: AtomIndex, b: AtomIndex) -> Joined {
        let (a, b) = self.nodes(a, b);
        let rank = |node: u32| self.rank.get(slot(node)).copied().unwrap_or(0);
        let (root, child) = if rank(a) < rank(b) { (b, a) } else { (a, b) };
        let deeper = rank(root) == rank(child);
        self.parent.get_mut(slot(child)).into_iter().for_each(|parent| *parent = root);
        if deeper {
            self.rank
                .get_mut(slot(root))
                .into_iter()
                .for_each(|rank| *rank = rank.saturating_add(1));
        }
        Joined { root, child, deeper }
    }

    /// Takes assumptions back, the last one first.
    pub(super) fn part(&mut self, joined: Vec<Joined>) {
        for Joined { root, child, deeper } in joined.into_iter().rev() {
            self.parent.get_mut(slot(child)).into_iter().for_each(|parent| *parent = child);
            if deeper {
                self.rank
                    .get_mut(slot(root))
                    .into_iter()
                    .for_each(|rank| *rank = rank.saturating_sub(1));
            }
        }
    }
}
