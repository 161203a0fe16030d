//! One snapshot against our memory.

use std::ops::Range;

use klp_arch::special::Moment;
use klp_convert::load::{LateEdit, Loaded, RegionKind, Relocated};

use super::dump::Snapshot;
use super::sorted::SORTED_BY;
use super::tally::Tally;

/// At most this many differences of a region are reported.
const SHOWN: usize = 6;

/// Which bytes are not compared one by one: ranges in order, none of which touches another.
pub(crate) struct Mask {
    ranges: Vec<Range<u64>>,
    /// Those of them that are compared sorted.
    sorted: Vec<Range<u64>>,
}

impl Mask {
    /// What the kernel has changed by then, and nothing else.
    pub(crate) fn of(loaded: &Loaded<'_>, until: Moment, tally: &mut Tally) -> Self {
        let patched = loaded.patched_later();
        let patched = patched.iter().filter(|patched| patched.moment <= until);
        let range = |p: &LateEdit| p.address..p.address + p.size;
        let (mut ranges, mut sorted) = (Vec::new(), Vec::new());
        for patched in patched {
            ranges.push(range(patched));
            if patched.by == SORTED_BY {
                sorted.push(range(patched));
            } else {
                *tally.masked.entry(patched.by).or_default() += patched.size;
            }
        }
        ranges.sort_by_key(|range| range.start);
        ranges.dedup_by(|next, range| {
            let joined = next.start <= range.end;
            if joined {
                range.end = range.end.max(next.end);
            }
            joined
        });
        Self { ranges, sorted }
    }

    fn has(&self, address: u64) -> bool {
        let after = self.ranges.partition_point(|range| range.start <= address);
        after.checked_sub(1).is_some_and(|index| self.ranges[index].contains(&address))
    }

    /// Whether a byte is not compared at all.
    fn hides(&self, address: u64) -> bool {
        self.has(address) && !self.sorted.iter().any(|range| range.contains(&address))
    }
}

/// Counts relocations, and those of which nothing can be seen.
pub(crate) fn count(relocations: &[Relocated], mask: &Mask, tally: &mut Tally) {
    for relocation in relocations {
        *tally.relocations.entry(relocation.row.name).or_default() += 1;
        let bytes = relocation.before.iter().zip(&relocation.after);
        let changed =
            (relocation.inputs.p..).zip(bytes).filter(|(_, (before, after))| before != after);
        let mut changed = changed.map(|(address, _)| address).peekable();
        if changed.peek().is_some() {
            tally.written += 1;
            tally.hidden += u64::from(changed.all(|address| mask.hides(address)));
        }
    }
}

/// Compares the bytes selected by `wanted`, and otherwise only the fields of relocations. Gives
/// the differences.
pub(crate) fn regions(
    loaded: &Loaded<'_>,
    snapshot: &Snapshot,
    mask: &Mask,
    wanted: impl Fn(RegionKind, u64) -> bool,
    fields: &[Range<u64>],
    tally: &mut Tally,
) -> Vec<String> {
    let title = format!("memory of {} when {}", snapshot.module, snapshot.point);
    let mut failures = Vec::new();
    for (kind, base, ours) in loaded.regions() {
        let Some(theirs) = snapshot.regions.iter().find(|region| region.kind == kind) else {
            if snapshot.point == "coming" {
                failures.push(format!("{title}: the kernel has no region {kind}"));
            }
            continue;
        };
        if theirs.bytes.len() != ours.len() {
            let (ours, theirs) = (ours.len(), theirs.bytes.len());
            failures.push(format!("{title}: {kind} has {theirs} bytes, ours {ours}"));
        }
        let mut differences = 0;
        for ((address, ours), theirs) in (base..).zip(ours).zip(&theirs.bytes) {
            let in_field = || fields.iter().any(|field| field.contains(&address));
            if mask.has(address) || !wanted(kind, address) && !in_field() {
                continue;
            }
            tally.compared += 1;
            if ours != theirs {
                differences += 1;
                if differences <= SHOWN {
                    let place = place(loaded, address);
                    failures.push(format!(
                        "{title}: {kind} {address:#x} is {theirs:02x}, ours {ours:02x}: {place}"
                    ));
                }
            }
        }
        if differences > SHOWN {
            failures.push(format!("{title}: {kind}: {differences} bytes differ"));
        }
    }
    for region in &snapshot.regions {
        if !loaded.regions().any(|(kind, _, _)| kind == region.kind) {
            failures.push(format!("{title}: we have no region {}", region.kind));
        }
    }
    failures
}

/// What is at an address: the section, and the relocation that has written there.
fn place(loaded: &Loaded<'_>, address: u64) -> String {
    let section = loaded.section_at(address).map_or_else(
        || "no section".into(),
        |(index, name, offset)| {
            format!("section {index} {}+{offset:#x}", String::from_utf8_lossy(name))
        },
    );
    let relocation = loaded.relocations().iter().rev().find(|r| {
        let size = u64::try_from(r.after.len()).unwrap();
        (r.inputs.p..r.inputs.p + size).contains(&address)
    });
    let relocation = relocation.map_or_else(String::new, |r| {
        let (before, after) = (&r.before, &r.after);
        format!(", {} {:x?}, {before:02x?} became {after:02x?}", r.row.name, r.inputs)
    });
    section + &relocation
}
