//! The bytes of an atom that count.

use std::borrow::Cow;

use super::atom::{Atom, AtomKind};
use super::object::Object;

/// The bytes of an atom, without what does not count.
#[derive(Debug)]
pub(super) struct Contents<'o> {
    /// In the file; less than the atom's size where it has none there.
    pub(super) bytes: Cow<'o, [u8]>,
    /// Bytes in memory.
    size: u64,
    /// Offset and mask of what the assembler has resolved, with the number of the reference.
    resolved: Vec<(usize, usize, [u8; 4])>,
    is_trimmed: bool,
}

impl<'o> Contents<'o> {
    pub(super) fn of(object: &Object<'o>, atom: &Atom) -> Self {
        let mut bytes = Cow::Borrowed(object.bytes(atom));
        let references = object.references_of(atom);
        let mut resolved = Vec::new();
        for (index, reference) in references.iter().enumerate() {
            if reference.mask != [0; 4] {
                let at = usize::try_from(reference.offset - atom.span.start).unwrap_or(usize::MAX);
                resolved.push((index, at, reference.mask));
            }
        }
        for (at, length) in object.diagnostic_bytes(atom) {
            let range =
                usize::try_from(*at).unwrap_or(0)..usize::try_from(at + length).unwrap_or(0);
            bytes.to_mut().get_mut(range).into_iter().for_each(|bytes| bytes.fill(0));
        }
        // A window without a name ends where the next one is aligned to.
        let is_trimmed =
            atom.symbol.is_none() && matches!(atom.kind, AtomKind::Made | AtomKind::Code);
        Self { bytes, size: atom.span.end - atom.span.start, resolved, is_trimmed }
    }

    /// Clears the resolved distances of the first references, which mean the same.
    pub(super) fn mask(&mut self, references: usize) {
        for (index, at, mask) in &self.resolved {
            if *index < references {
                let field = self.bytes.to_mut().get_mut(*at..);
                field.into_iter().flatten().zip(mask).for_each(|(byte, mask)| *byte &= !mask);
            }
        }
    }

    /// Bytes that count.
    pub(super) fn size(&self) -> u64 {
        if self.is_trimmed {
            u64::try_from(self.trimmed().len()).unwrap_or(u64::MAX)
        } else {
            self.size
        }
    }

    fn trimmed(&self) -> &[u8] {
        if !self.is_trimmed {
            return &self.bytes;
        }
        let end =
            self.bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
        self.bytes.get(..end).unwrap_or(&self.bytes)
    }

    /// The offset of the first byte that differs; the length of the shorter if it is the start of the other.
    pub(super) fn first_difference(&self, other: &Self) -> Option<u64> {
        let (left, right) = (self.trimmed(), other.trimmed());
        if left == right {
            return None;
        }
        let at = left.iter().zip(right).position(|(a, b)| a != b);
        let at = at.unwrap_or_else(|| left.len().min(right.len()));
        u64::try_from(at).ok()
    }
}
