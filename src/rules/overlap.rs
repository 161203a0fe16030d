//! The rule that no two relocations write the same bytes, on machines whose loader demands
//! untouched bytes.
//!
//! Compilers emit relocations in the order of their offsets, so one pass in file order settles
//! nearly every section; only sections with several or unordered tables are sorted.

use std::collections::BTreeMap;

use super::Checker;
use crate::elf::{Rela, SectionIndex};
use crate::findings::Rule;

/// Bytes of the widest field that any loader writes.
const WIDEST: u64 = 8;

pub(super) fn check(checker: &mut Checker<'_, '_>) {
    if !checker.machine.needs_untouched_place {
        return;
    }
    let mut targets: BTreeMap<u32, Vec<SectionIndex>> = BTreeMap::new();
    for section in checker.module.relocation_sections() {
        let target = checker.module.section(SectionIndex::new(section.sh_info));
        if target.is_some_and(Checker::is_loaded) {
            targets.entry(section.sh_info).or_default().push(section.index);
        }
    }
    for sections in targets.into_values() {
        if !matches!(sections.as_slice(), [only] if in_order(checker, *only)) {
            written_once(checker, &sections);
        }
    }
}

/// How many bytes the loader writes for a relocation; 0 for a type that it does not know.
fn size(checker: &Checker<'_, '_>, rela: Rela) -> u64 {
    let size = checker.machine.row(rela.kind).map_or(0, |row| row.field.size());
    u64::try_from(size).unwrap_or(u64::MAX)
}

/// Whether every relocation's field follows the one before.
fn in_order(checker: &Checker<'_, '_>, section: SectionIndex) -> bool {
    let mut relocations = checker.module.relocations(section);
    let Some(mut last) = relocations.next() else { return true };
    relocations.all(|rela| {
        let gap = rela.offset.checked_sub(last.offset);
        let follows = gap.is_some_and(|gap| gap >= WIDEST || gap >= size(checker, last));
        last = rela;
        follows
    })
}

/// The bytes that one relocation writes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Written {
    start: u64,
    end: u64,
    section: SectionIndex,
    entry: usize,
}

fn written_once(checker: &mut Checker<'_, '_>, sections: &[SectionIndex]) {
    let module = checker.module;
    let mut places = Vec::new();
    for &section in sections {
        for (entry, rela) in module.relocations(section).enumerate() {
            let (start, size) = (rela.offset, size(checker, rela));
            if size > 0 {
                places.push(Written { start, end: start.saturating_add(size), section, entry });
            }
        }
    }
    places.sort_unstable();
    let mut end = 0;
    for written in places {
        if written.start < end
            && let Some(rela) = module.relocations(written.section).nth(written.entry)
        {
            let (rule, what) = (Rule::PlaceTwice, "another relocation writes the same bytes");
            let at = (written.section, written.entry, rela);
            checker.broken_at(rule, rule.consequence(), at, what.into());
        }
        end = end.max(written.end);
    }
}
