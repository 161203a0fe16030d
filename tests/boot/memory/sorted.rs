//! The unwinder's tables, which a kernel sorts: what must be there is the same entries in some order.
//!
//! `.orc_unwind_ip` has distances from each entry to code, 4 bytes little-endian, and `.orc_unwind` what
//! is known about that code (arch/x86/kernel/unwind_orc.c:`unwind_module_init`).

use std::ops::Range;

use klp_convert::load::Loaded;

use super::dump::Snapshot;
use super::tally::Tally;

/// The kernel function that sorts.
pub(super) const SORTED_BY: &str = "unwind_module_init";
const PLACES: &[u8] = b".orc_unwind_ip";
const ENTRIES: &[u8] = b".orc_unwind";

/// Where both tables are, if the module has them.
fn tables(loaded: &Loaded<'_>) -> Option<[Range<u64>; 2]> {
    let table = |wanted: &[u8]| {
        let mut sections = loaded.sections();
        let (_, _, address, size) = sections.find(|(name, ..)| *name == wanted)?;
        Some(address..address + size)
    };
    Some([table(PLACES)?, table(ENTRIES)?])
}

/// Compares the tables of the kernel with ours.
pub(super) fn compare(loaded: &Loaded<'_>, snapshot: &Snapshot, tally: &mut Tally) -> Vec<String> {
    let Some(tables) = tables(loaded) else { return Vec::new() };
    let [places, entries] = &tables;
    let size = |range: &Range<u64>| usize::try_from(range.end - range.start).unwrap();
    let ours = |range: &Range<u64>| loaded.bytes_at(range.start).map(|bytes| &bytes[..size(range)]);
    let theirs = |range: &Range<u64>| snapshot.bytes(range.start, size(range));
    let sorted = |tables: Option<(&[u8], &[u8])>| {
        tables.map(|(p, e)| sorted(places.start, p, e)).unwrap_or_default()
    };
    let ours = sorted(ours(places).zip(ours(entries)));
    let theirs = sorted(theirs(places).zip(theirs(entries)));
    tally.compared += places.end - places.start + entries.end - entries.start;
    let differ = ours.iter().zip(&theirs).filter(|(ours, theirs)| ours != theirs).count();
    if differ == 0 && ours.len() == theirs.len() && !ours.is_empty() {
        return Vec::new();
    }
    let title = format!("memory of {} when {}", snapshot.module, snapshot.point);
    let lengths = format!("{} entries, ours {}", theirs.len(), ours.len());
    vec![format!("{title}: the unwinder's tables have {lengths}; sorted, {differ} differ")]
}

/// Addresses of code, and what is known about it.
fn sorted(start: u64, places: &[u8], entries: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let count = places.len() / 4;
    let size = entries.len() / count.max(1);
    let entry = |index: usize| {
        let distance = i32::from_le_bytes(places[index * 4..][..4].try_into().unwrap());
        let address = start + u64::try_from(index * 4).unwrap();
        let code = address.wrapping_add_signed(distance.into());
        (code, entries[index * size..][..size].to_vec())
    };
    let mut sorted: Vec<_> = (0..count).map(entry).collect();
    sorted.sort();
    sorted
}
