//! The rows of a machine by their numbers.
//!
//! A module has millions of relocations, and each asks for its row. Invariant: the compiler makes the index, and
//! refuses rows that do not fit it.

use crate::row::Row;

/// One more than the greatest number of any machine's rows.
pub(crate) const NUMBERS: usize = 320;

/// Where each relocation type's row is among those of a machine.
#[derive(Debug)]
pub struct RowIndex {
    /// One more than the index of the row; 0 for none.
    places: [u8; NUMBERS],
}

impl RowIndex {
    /// The index of these rows.
    #[allow(
        clippy::indexing_slicing,
        reason = "evaluated by the compiler, for which it is an error"
    )]
    #[must_use]
    pub(crate) const fn of(rows: &[Row]) -> Self {
        let mut places = [0; NUMBERS];
        let (mut at, mut place) = (0, 1);
        while at < rows.len() {
            places[rows[at].number as usize] = place;
            at += 1;
            place += 1;
        }
        Self { places }
    }

    /// The index of a type's row.
    #[inline]
    pub(crate) fn find(&self, number: u32) -> Option<usize> {
        let place = self.places.get(usize::try_from(number).ok()?)?;
        usize::from(*place).checked_sub(1)
    }
}
