//! Rules about klp relocation sections.

use bstr::ByteSlice;

use super::arch_sections::ReadLate;
use super::{Checker, gate_timing};
use crate::elf::{SHT_RELA, Section, SectionFlags, SectionIndex};
use crate::findings::{Consequence, Misplaced, Rule};
use crate::name::{KLP_RELA_PREFIX, KlpSection};

pub(super) fn check(checker: &mut Checker<'_, '_>) {
    let late = ReadLate::of(checker.module, checker.machine, checker.target);
    for section in checker.klp_sections() {
        if let Some(klp) = name(checker, section) {
            shape(checker, section);
            target(checker, section, &klp, &late);
        }
    }
    let unmarked = checker.module.sections().filter(|s| {
        s.name.starts_with(KLP_RELA_PREFIX.as_bytes())
            && !s.sh_flags.contains(SectionFlags::RELA_LIVEPATCH)
    });
    for section in unmarked {
        let name = section.name.as_bstr();
        let detail = format!("section {} '{name}' is not marked SHF_RELA_LIVEPATCH", section.index);
        checker.broken(Rule::SectionShape, detail);
    }
}

fn name(checker: &mut Checker<'_, '_>, section: &Section<'_>) -> Option<KlpSection> {
    match section.name.to_str_lossy().parse() {
        Ok(klp) => Some(klp),
        Err(error) => {
            let rest = section.name.strip_prefix(KLP_RELA_PREFIX.as_bytes());
            let consequence = match rest {
                // The kernel waits for an object that never arrives.
                Some([first, ..]) if *first != b'.' => Consequence::Ignored,
                _ => Consequence::Refused,
            };
            let detail = format!("section {}: {error}", section.index);
            checker.broken_with(Rule::SectionName, consequence, detail);
            None
        }
    }
}

fn shape(checker: &mut Checker<'_, '_>, section: &Section<'_>) {
    let section_ref = format!("section {} '{}'", section.index, section.name.as_bstr());
    if section.sh_type != SHT_RELA {
        let kind = section.sh_type;
        checker
            .broken(Rule::SectionShape, format!("{section_ref}: sh_type {kind} is not SHT_RELA"));
    }
    if !section.sh_flags.contains(SectionFlags::ALLOC) {
        checker.broken(Rule::SectionLoaded, format!("{section_ref}: SHF_ALLOC is not set"));
    }
}

fn target(checker: &mut Checker<'_, '_>, section: &Section<'_>, klp: &KlpSection, late: &ReadLate) {
    let section_ref = format!("section {} '{klp}'", section.index);
    let Some(target) = checker.module.section(SectionIndex::new(section.sh_info)) else {
        let detail = format!("{section_ref}: sh_info {} is not a section", section.sh_info);
        checker.broken(Rule::TargetLoaded, detail);
        return;
    };
    let name = target.name.as_bstr();
    match gate_timing::check(target, &klp.gate, checker.machine, late) {
        Ok(()) => {}
        Err(Misplaced::NotLoaded) => {
            checker.broken(
                Rule::TargetLoaded,
                format!("{section_ref}: patches '{name}', which is not loaded"),
            );
        }
        Err(Misplaced::Init) => {
            checker.broken(
                Rule::TargetInit,
                format!("{section_ref}: patches '{name}', which is freed after init"),
            );
        }
        Err(Misplaced::Percpu) => {
            checker
                .broken(Rule::TargetPercpu, format!("{section_ref}: patches the percpu template"));
        }
        Err(Misplaced::Consumed(consumed)) => {
            let by = consumed.by;
            checker.broken(
                Rule::TargetConsumed,
                format!("{section_ref}: patches '{name}' after {by} has read it"),
            );
        }
    }
}
