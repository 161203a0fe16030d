//! Functions, variables and other contents of a module, each in a form that does not depend on layout.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use object::elf::STT_FUNC;

use super::facts::{Facts, What};
use super::fingerprint::Contents;
use super::labels::Labels;
use super::written::Written;
use crate::elf::{Module, Rela, SHT_RELA, Section, SectionFlags, Symbol, SymbolSection};
use crate::intermediate::{Intermediate, is_kpatch_record, is_objtool_record};
use crate::name::{ObjectName, shown};

/// Adds each function and variable, and each loaded section that has neither.
pub(super) fn read(
    module: &Module<'_>,
    recorded: &Intermediate,
    written: &Written,
    labels: &Labels<'_, '_>,
    facts: &mut Facts,
) {
    let mut named: BTreeMap<_, Vec<Symbol<'_>>> = BTreeMap::new();
    for symbol in module.symbols().filter(Symbol::is_function_or_object) {
        if let SymbolSection::Defined(section) = symbol.section
            && symbol.st_size > 0
        {
            named.entry(section).or_default().push(symbol);
        }
    }
    let loaded = module.sections().filter(|section| {
        section.sh_flags.contains(SectionFlags::ALLOC)
            && section.sh_type != SHT_RELA
            && section.sh_size > 0
            && !recorded.sections.contains(&section.index)
    });
    for section in loaded.filter(|section| !serves_a_tool(section)) {
        let none = Vec::new();
        let relocations = written.by_section.get(&section.index).unwrap_or(&none);
        let part =
            |start: u64, size: u64| part(module, section, relocations, (start, size), labels);
        if let Some(symbols) = named.get_mut(&section.index) {
            symbols.sort_by_key(|symbol| (symbol.st_value, Reverse(symbol.st_size), symbol.name));
            // Symbols may overlap: of each byte there is one part.
            let mut last: Option<(Symbol<'_>, u64)> = None;
            for symbol in symbols {
                let what = if symbol.kind == STT_FUNC { What::Function } else { What::Variable };
                let (start, size) = (symbol.st_value, symbol.st_size);
                let end = start.saturating_add(size);
                let free = last.map_or(start, |(_, end)| end.max(start));
                let mut contents = part(free, end.saturating_sub(free));
                if let Some((before, _)) = last.filter(|(_, end)| *end > start) {
                    contents.add(shown(before.name).as_bytes());
                    contents.add(&start.saturating_sub(before.st_value).to_le_bytes());
                }
                let name = shown(symbol.name).into_owned();
                facts.contents(what, name, size, contents.fingerprint());
                if last.is_none_or(|(_, before)| before < end) {
                    last = Some((*symbol, end));
                }
            }
        } else if !section.sh_flags.contains(SectionFlags::MERGE | SectionFlags::STRINGS) {
            let name = shown(section.name).into_owned();
            let contents = part(0, section.sh_size).fingerprint();
            facts.contents(What::Section, name, section.sh_size, contents);
        }
    }
}

/// Whether a section only holds what a tool has for itself, or what is compared otherwise.
fn serves_a_tool(section: &Section<'_>) -> bool {
    let only = [&b".modinfo"[..], b".kpatch.strings", b".kpatch.arch"];
    is_objtool_record(section) || is_kpatch_record(section) || only.contains(&section.name)
}

/// The bytes of a part of a section, and what its relocations mean.
fn part(
    module: &Module<'_>,
    section: &Section<'_>,
    relocations: &[(Rela, Option<ObjectName>)],
    (start, size): (u64, u64),
    labels: &Labels<'_, '_>,
) -> Contents {
    let end = start.saturating_add(size);
    let body = module.body(section.index);
    let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(body.len());
    let mut contents = Contents::new();
    contents.add(body.get(at(start)..at(end)).unwrap_or_default());
    let first = relocations.partition_point(|(rela, _)| rela.offset < start);
    let after = relocations.partition_point(|(rela, _)| rela.offset < end);
    for (rela, gate) in relocations.get(first..after).unwrap_or_default() {
        let gate = gate.as_ref().map_or("", ObjectName::as_str);
        let (kind, target) = (labels.kind(rela.kind), labels.target(section.index, *rela));
        contents.add(&rela.offset.saturating_sub(start).to_le_bytes());
        [kind.as_str(), &target, gate].iter().for_each(|word| contents.add(word.as_bytes()));
    }
    contents
}
