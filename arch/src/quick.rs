//! The relocations of a table that take the fast path.

use crate::fast_path::FastPath;
use crate::linkage::{Anchors, Linkage};
use crate::loader::ModuleLoader;
use crate::object::Rela;
use crate::relocate::RelocationTable;
use crate::row_index::NUMBERS;

/// More rows than any machine has.
const ROWS: usize = 48;
/// Entries that take less time than to find the paths.
const FEW: usize = 8;
/// Entries whose places are prefetched together.
const AHEAD: usize = 32;
/// Bytes around a place that a processor reads ahead by itself.
const NEAR: u64 = 4096;

/// The fast paths of a table.
#[derive(Debug)]
pub(crate) struct Quick {
    /// Which of the paths, by number; tables are many, and this is small.
    index: [u8; NUMBERS],
    paths: [Option<FastPath>; ROWS],
}

impl Quick {
    /// Those of the rows of a kernel; `whole` as [`FastPath::of`] has it, and `None` for no paths.
    pub(crate) fn of<L: ModuleLoader + ?Sized>(
        loader: &L,
        table: &RelocationTable<'_, '_>,
        anchors: Anchors,
        whole: Option<bool>,
    ) -> Self {
        let mut quick = Self { index: [0; NUMBERS], paths: [None; ROWS] };
        let Some(whole) = whole.filter(|_| table.entries.len() > FEW) else { return quick };
        // The first is none.
        let mut free = (0..).zip(quick.paths.iter_mut()).skip(1);
        let features = table.conditions.features;
        let rows = loader.machine().rows.iter().filter(|row| row.when.holds(features));
        for row in rows {
            let path = FastPath::of(loader, row, &table.conditions, anchors, whole);
            let number = usize::try_from(row.number).ok();
            let index = number.and_then(|number| quick.index.get_mut(number));
            if let (Some(_), Some(index)) = (path, index)
                && let Some((place, slot)) = free.next()
            {
                (*index, *slot) = (place, path);
            }
        }
        quick
    }

    /// Writes relocations from an entry on; returns the first that takes longer, or the number of entries.
    #[inline]
    pub(crate) fn write<L: ModuleLoader + ?Sized>(
        &self,
        loader: &L,
        table: &RelocationTable<'_, '_>,
        start: usize,
        linkage: &dyn Linkage,
        section: &mut [u8],
    ) -> usize {
        let slot = |index: u32| usize::try_from(index).unwrap_or(usize::MAX);
        let RelocationTable { entries, symbols, .. } = *table;
        for (entry, bytes) in entries.iter().enumerate().skip(start) {
            if entry % AHEAD == 0 {
                touch(loader, table, entry, section);
            }
            let rela = Rela::read(bytes, loader.machine().endian);
            let path =
                self.index.get(slot(rela.kind)).and_then(|path| self.paths.get(usize::from(*path)));
            let done = match (path, symbols.get(slot(rela.symbol))) {
                (Some(Some(path)), Some(symbol)) => {
                    path.apply(loader, table, rela, symbol, linkage, section)
                }
                _ => false,
            };
            if !done {
                return entry;
            }
        }
        entries.len()
    }
}

/// Reads a byte at each of the next places. The loads are independent, and a processor waits
/// for memory once and not for each. The places of sorted tables are anywhere in a section.
#[inline]
fn touch<L: ModuleLoader + ?Sized>(
    loader: &L,
    table: &RelocationTable<'_, '_>,
    entry: usize,
    section: &[u8],
) {
    let next = table.entries.get(entry..).unwrap_or_default();
    let next = next.get(..AHEAD).unwrap_or(next);
    let place = |entry: &[u8; Rela::SIZE]| Rela::read(entry, loader.machine().endian).offset;
    if let [first, .., last] = next
        && place(last).abs_diff(place(first)) < NEAR
    {
        return;
    }
    let byte = |entry| section.get(usize::try_from(place(entry)).ok()?).copied();
    core::hint::black_box(next.iter().filter_map(byte).fold(0, |sum: u8, byte| sum ^ byte));
}
