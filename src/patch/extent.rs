//! Where the tables of a patch lie: what the kernel reads of them, and what it writes.

use super::pointers::{Pointers, WORD};
use crate::elf::Location;

/// Bytes of a `struct klp_patch` without a symbol.
const PATCH_SIZE: u64 = 200;
/// Bytes that a `struct klp_patch` has with any configuration.
pub(super) const PATCH_MIN: u64 = 128;

/// The extent of a table, and of the fields that authors fill in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Extent {
    pub(super) start: Location,
    /// Offset of its end in its section.
    pub(super) end: u64,
    /// The part that the kernel reads.
    read: (u64, u64),
}

impl Extent {
    /// A table of so many entries, of this size in bytes, and the empty one at its end.
    pub(super) fn of_table(start: Location, entries: usize, size: u64) -> Self {
        let entries = u64::try_from(entries).unwrap_or(u64::MAX).saturating_add(1);
        let end = start.plus(entries.saturating_mul(size)).offset;
        Self { start, end, read: (start.offset, end) }
    }

    /// A patch, of which only one field matters, at this offset.
    pub(super) fn of_patch(pointers: &Pointers<'_, '_>, start: Location, field: u64) -> Self {
        let end = start.plus(pointers.size(start).unwrap_or(PATCH_SIZE)).offset;
        let read = start.plus(field).offset;
        Self { start, end, read: (read, read.saturating_add(WORD)) }
    }

    /// Whether a location is in it.
    pub(super) fn whole(&self, location: Location) -> bool {
        location.section == self.start.section
            && (self.start.offset..self.end).contains(&location.offset)
    }

    /// Whether a write of `size` bytes here changes what the kernel reads.
    pub(super) fn is_written(&self, location: Location, size: u64) -> bool {
        let end = location.offset.saturating_add(size);
        location.section == self.start.section && location.offset < self.read.1 && self.read.0 < end
    }

    /// Whether this address leads to what the kernel reads.
    pub(super) fn leads_to(&self, location: Location) -> bool {
        location.section == self.start.section
            && (self.start.offset..self.read.1).contains(&location.offset)
    }
}

/// What the kernel uses of one table: it reads all of it, and initialises the entries before the empty one
/// (`klp_init_patch_early`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Used {
    pub(super) start: Location,
    /// Bytes from the start.
    pub(super) written: u64,
    /// Bytes from the start.
    pub(super) read: u64,
}

impl Used {
    pub(super) fn end(&self) -> Location {
        self.start.plus(self.read)
    }
}

/// Whether the kernel reads something of one table in what it has initialised of another.
pub(super) fn overlap(mut tables: Vec<Used>) -> bool {
    tables.sort_unstable();
    let sections = tables.chunk_by(|one, other| one.start.section == other.start.section);
    sections.into_iter().any(|tables| {
        let (mut written, mut read) = (0, 0);
        tables.iter().any(|table| {
            let start = table.start.offset;
            let meets = start < written || table.written != 0 && start < read;
            written = written.max(start.saturating_add(table.written));
            read = read.max(start.saturating_add(table.read));
            meets
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elf::SectionIndex;

    fn used((section, offset): (u32, u64), written: u64, read: u64) -> Used {
        Used { start: Location { section: SectionIndex::new(section), offset }, written, read }
    }

    #[test]
    fn tables_overlap_where_one_is_written_and_the_other_read() {
        let patch = used((1, 0), 200, 200);
        assert!(!overlap(vec![]));
        assert!(!overlap(vec![patch, used((1, 200), 168, 184)]));
        assert!(!overlap(vec![patch, used((2, 8), 168, 184)]));
        assert!(overlap(vec![patch, used((1, 199), 168, 184)]));
        assert!(overlap(vec![patch, used((1, 8), 0, 24)]));
        // One entry may be the end of two tables, which nobody writes.
        assert!(!overlap(vec![used((1, 0), 152, 176), used((1, 152), 0, 24)]));
        assert!(overlap(vec![used((1, 0), 152, 176), used((1, 152), 152, 176)]));
        // Objects that share a table.
        assert!(overlap(vec![used((1, 0), 152, 176), used((1, 0), 152, 176)]));
        assert!(!overlap(vec![used((1, 0), 0, 24), used((1, 0), 0, 24)]));
    }
}
