//! Functions, variables and other contents of a module, each in a form that does not depend on layout.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use object::elf::STT_FUNC;

use super::facts::{Facts, What};
use super::fingerprint::Contents;
use super::labels::{Labels, text};
use super::written::Written;
use crate::elf::{
    Module, Rela, SHT_NOBITS, SHT_RELA, Section, SectionFlags, Symbol, SymbolSection,
};
use crate::intermediate::{Intermediate, is_kpatch_record, is_objtool_record};
use crate::kmod;
use crate::name::{ObjectName, shown};

/// Adds each function and variable, and what else loaded sections have.
pub(super) fn read<'data>(
    module: &Module<'data>,
    recorded: &Intermediate,
    written: &Written,
    labels: &Labels<'_, 'data>,
    facts: &mut Facts,
) {
    let mut named: BTreeMap<_, Vec<Symbol<'_>>> = BTreeMap::new();
    for symbol in module.symbols().filter(Symbol::is_function_or_object) {
        if let SymbolSection::Defined(section) = symbol.section {
            named.entry(section).or_default().push(symbol);
        }
    }
    let loaded = module.sections().filter(|section| {
        section.sh_flags.contains(SectionFlags::ALLOC)
            && section.sh_type != SHT_RELA
            && section.sh_size > 0
            && !recorded.sections.contains(&section.index)
    });
    for section in loaded.filter(|section| !is_left_out(section)) {
        let relocations = written.by_section.get(&section.index).map_or(&[][..], Vec::as_slice);
        let symbols = named.remove(&section.index).unwrap_or_default();
        let mut parts = Parts { module, section, relocations, labels, facts };
        if section.sh_flags.contains(SectionFlags::MERGE) && is_compared_where_used(module, section)
        {
            continue;
        }
        parts.read(symbols);
    }
}

/// Whether a section only holds what a tool has for itself, what is compared otherwise, or what every build changes.
fn is_left_out(section: &Section<'_>) -> bool {
    const NAMES: [&[u8]; 7] = [
        b".modinfo",
        b"__versions",
        b"__version_ext_crcs",
        b"__version_ext_names",
        b".kpatch.strings",
        b".kpatch.arch",
        b".note.gnu.build-id",
    ];
    is_objtool_record(section) || is_kpatch_record(section) || NAMES.contains(&section.name)
}

/// Whether each entry of a section of mergeable ones is short enough to be compared with what refers to it.
fn is_compared_where_used(module: &Module<'_>, section: &Section<'_>) -> bool {
    let width = usize::try_from(section.sh_entsize).unwrap_or(usize::MAX).max(1);
    if !section.sh_flags.contains(SectionFlags::STRINGS) {
        return width <= 4096;
    }
    let mut rest = module.body(section.index);
    while !rest.is_empty() {
        let Some(text) = text(rest, width) else { return false };
        rest = rest.get(text.len().saturating_add(width)..).unwrap_or_default();
    }
    true
}

/// The parts of one section.
struct Parts<'p, 'm, 'data> {
    module: &'p Module<'data>,
    section: &'p Section<'data>,
    relocations: &'p [(Rela, Option<ObjectName>)],
    labels: &'p Labels<'m, 'data>,
    facts: &'p mut Facts,
}

impl Parts<'_, '_, '_> {
    /// Adds each symbol's part, and what is between them. Of each byte there is one part, as symbols may overlap.
    fn read(&mut self, mut symbols: Vec<Symbol<'_>>) {
        symbols.sort_by_key(|symbol| (symbol.st_value, Reverse(symbol.st_size), symbol.name));
        let starts: Vec<u64> = symbols.iter().map(|symbol| symbol.st_value).collect();
        let mut covered = 0;
        let mut last: Option<&Symbol<'_>> = None;
        for symbol in &symbols {
            let start = symbol.st_value;
            self.unnamed(covered, start);
            let end = match symbol.st_size {
                // Assembly may leave it out: it goes on to the next.
                0 => {
                    let next = starts.get(starts.partition_point(|other| *other <= start));
                    next.copied().unwrap_or(self.section.sh_size)
                }
                size => start.saturating_add(size),
            };
            let free = start.max(covered);
            let mut contents = self.contents(free, end);
            if let Some(before) = last.filter(|_| start < covered) {
                contents.add(shown(before.name).as_bytes());
                contents.add(&start.saturating_sub(before.st_value).to_le_bytes());
            }
            let what = if symbol.kind == STT_FUNC { What::Function } else { What::Variable };
            let size = end.saturating_sub(start);
            let name = shown(symbol.name).into_owned();
            self.facts.contents(what, name, size, contents.fingerprint());
            if end > covered {
                (covered, last) = (end, Some(symbol));
            }
        }
        self.unnamed(covered, self.section.sh_size);
    }

    /// Adds what has no name, unless it is there to align what follows.
    fn unnamed(&mut self, start: u64, end: u64) {
        if end <= start {
            return;
        }
        let relocations = !self.relocations_in(start, end).is_empty();
        let code = self.section.sh_flags.contains(SectionFlags::EXECINSTR);
        let empty = self.bytes(start, end).iter().all(|byte| *byte == 0);
        let whole = (start, end) == (0, self.section.sh_size);
        if relocations || whole || !code && !empty {
            let contents = self.contents(start, end).fingerprint();
            let name = shown(self.section.name).into_owned();
            self.facts.contents(What::Section, name, end.saturating_sub(start), contents);
        }
    }

    fn bytes(&self, start: u64, end: u64) -> &[u8] {
        let body = self.module.body(self.section.index);
        let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(body.len());
        body.get(at(start)..at(end)).unwrap_or_default()
    }

    fn relocations_in(&self, start: u64, end: u64) -> &[(Rela, Option<ObjectName>)] {
        let first = self.relocations.partition_point(|(rela, _)| rela.offset < start);
        let after = self.relocations.partition_point(|(rela, _)| rela.offset < end);
        self.relocations.get(first..after).unwrap_or_default()
    }

    /// The bytes of a part, where it is loaded, and what its relocations mean.
    fn contents(&self, start: u64, end: u64) -> Contents {
        let Section { sh_flags, sh_type, name, .. } = *self.section;
        let mut contents = Contents::new();
        contents.add(self.bytes(start, end));
        contents.add(&end.saturating_sub(start).to_le_bytes());
        let kept = sh_flags & (SectionFlags::WRITE | SectionFlags::EXECINSTR);
        contents.add(&kept.bits().to_le_bytes());
        contents.add(&[u8::from(sh_type == SHT_NOBITS), u8::from(kmod::is_init(name))]);
        for (rela, gate) in self.relocations_in(start, end) {
            let gate = gate.as_ref().map_or("", ObjectName::as_str);
            let kind = self.labels.kind(rela.kind);
            let target = self.labels.target(self.section.index, *rela);
            contents.add(&rela.offset.saturating_sub(start).to_le_bytes());
            [kind.as_str(), &target, gate].iter().for_each(|word| contents.add(word.as_bytes()));
        }
        contents
    }
}
