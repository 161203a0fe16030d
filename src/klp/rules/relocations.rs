//! Rules about single relocations, plain and klp.

use std::collections::BTreeMap;

use bstr::ByteSlice;
use klp_arch::Facts;

use super::{Checker, Rule};
use crate::elf::{Rela, Section, SectionFlags, SectionIndex, SymbolSection};
use crate::klp::{KlpSection, KlpSymbol, ObjectName, VMLINUX, placement};

/// The bytes that one relocation writes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Written {
    start: u64,
    end: u64,
    section: SectionIndex,
    entry: usize,
}

pub(super) fn check(checker: &mut Checker<'_, '_>) {
    let module = checker.module;
    let mut places: BTreeMap<SectionIndex, Vec<Written>> = BTreeMap::new();
    for section in module.relocation_sections() {
        let target = SectionIndex::new(section.sh_info);
        let Some(patched) = module.section(target).filter(|s| Checker::is_loaded(s)) else {
            continue;
        };
        let klp = section.sh_flags.contains(SectionFlags::RELA_LIVEPATCH);
        let gate = klp.then(|| section.name.to_str_lossy().parse::<KlpSection>().ok()).flatten();
        for (entry, rela) in module.relocations(section.index).enumerate() {
            if klp {
                names_klp_symbol(checker, section, entry, rela, gate.as_ref());
            } else {
                names_plain_symbol(checker, section, entry, rela);
            }
            let gate = gate.as_ref().map(|klp| &klp.gate);
            let size = place(checker, section, patched, entry, rela, gate);
            if size > 0 {
                let (start, end) = (rela.offset, rela.offset.saturating_add(size));
                let written = Written { start, end, section: section.index, entry };
                places.entry(target).or_default().push(written);
            }
        }
    }
    if checker.backend.needs_untouched_place() {
        for places in places.values_mut() {
            written_once(checker, places);
        }
    }
}

fn names_klp_symbol(
    checker: &mut Checker<'_, '_>,
    section: &Section<'_>,
    entry: usize,
    rela: Rela,
    klp: Option<&KlpSection>,
) {
    let symbol = checker.outside.get(&rela.symbol);
    let Some(symbol) = symbol.filter(|s| s.section == SymbolSection::Livepatch) else {
        let site = checker.sites.describe(section.index, entry, rela);
        checker.broken(Rule::SymbolMarked, format!("{site}: the symbol is not SHN_LIVEPATCH"));
        return;
    };
    let late = klp.is_some_and(|klp| !klp.gate.is_vmlinux());
    let name = symbol.name.to_str_lossy();
    let of_vmlinux = name.parse::<KlpSymbol>().is_ok_and(|klp| klp.owner.is_vmlinux());
    if late && of_vmlinux {
        let site = checker.sites.describe(section.index, entry, rela);
        checker.broken(
            Rule::VmlinuxSymbol,
            format!("{site}: a {VMLINUX} symbol in a section that a module gates"),
        );
    }
}

fn names_plain_symbol(
    checker: &mut Checker<'_, '_>,
    section: &Section<'_>,
    entry: usize,
    rela: Rela,
) {
    // Type 0 writes nothing where the loader accepts it; objtool leaves it behind.
    let symbol = checker.outside.get(&rela.symbol);
    if rela.kind != 0 && symbol.is_some_and(|s| s.section == SymbolSection::Livepatch) {
        let site = checker.sites.describe(section.index, entry, rela);
        checker.broken(
            Rule::PlainRelocation,
            format!("{site}: a plain relocation would write a klp symbol's unset value"),
        );
    }
}

/// How many bytes are written at a sound place, 0 for none and for an unsound one; klp relocations
/// and plain ones alike.
fn place(
    checker: &mut Checker<'_, '_>,
    section: &Section<'_>,
    patched: &Section<'_>,
    entry: usize,
    rela: Rela,
    gate: Option<&ObjectName>,
) -> u64 {
    let module = checker.module;
    let Some(row) = checker.backend.row(rela.kind) else {
        let site = checker.sites.describe(section.index, entry, rela);
        checker.broken(
            Rule::RelocationType,
            format!("{site}: the kernel's module loader does not know this relocation"),
        );
        return 0;
    };
    // No machine knows a local symbol by its name.
    let symbol = checker.outside.get(&rela.symbol);
    let external = symbol.is_some();
    let name = symbol.map_or(&b""[..], |s| s.name);
    let facts = Facts { external, ..placement::facts(patched, gate, name) };
    match checker.backend.check_site(row, &facts, module.body(patched.index), rela.offset) {
        Ok(()) => u64::try_from(row.field.size()).unwrap_or(u64::MAX),
        Err(fault) => {
            let site = checker.sites.describe(section.index, entry, rela);
            checker.broken(Rule::Place, format!("{site}: {fault}"));
            0
        }
    }
}

fn written_once(checker: &mut Checker<'_, '_>, places: &mut [Written]) {
    places.sort_unstable();
    let mut end = 0;
    for written in places {
        if written.start < end
            && let Some(rela) = checker.module.relocations(written.section).nth(written.entry)
        {
            let site = checker.sites.describe(written.section, written.entry, rela);
            checker
                .broken(Rule::PlaceTwice, format!("{site}: another relocation writes this place"));
        }
        end = end.max(written.end);
    }
}
