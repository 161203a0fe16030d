//! Where the atoms of each section are in a list that is sorted by section and offset.

use std::ops::Range;

use super::atom::Atom;

/// The end of each section's atoms, by index of the section.
#[derive(Debug, Default)]
pub(super) struct BySection(Vec<usize>);

impl BySection {
    pub(super) fn of(atoms: &[Atom], sections: usize) -> Self {
        let mut next = 0;
        let end = |section| {
            let rest = atoms.iter().skip(next);
            next += rest.take_while(|atom| atom.section == section).count();
            next
        };
        Self((0..sections).map(end).collect())
    }

    /// How many atoms there are.
    pub(super) fn count(&self) -> usize {
        self.0.last().copied().unwrap_or(0)
    }

    /// Those of a section.
    pub(super) fn range(&self, section: usize) -> Range<usize> {
        let Some(end) = self.0.get(section).copied() else { return 0..0 };
        let before = section.checked_sub(1).and_then(|before| self.0.get(before));
        before.copied().unwrap_or(0)..end
    }

    /// The last one of a section that begins at an offset or before it.
    pub(super) fn before(&self, atoms: &[Atom], section: usize, offset: u64) -> Option<usize> {
        let range = self.range(section);
        let own = atoms.get(range.clone())?;
        let count = own.partition_point(|atom| atom.span.start <= offset);
        count.checked_sub(1).map(|last| range.start.saturating_add(last))
    }
}
