//! The relocations of a module by what they do.

use std::collections::{BTreeMap, BTreeSet};

use bstr::ByteSlice;
use klp_arch::Machine;

use crate::elf::{Module, Rela, SectionFlags, SectionIndex};
use crate::intermediate::Intermediate;
use crate::name::{KlpSection, ObjectName};

/// The relocations that the kernel applies, or will once records are finished; not those that only serve a tool.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// Those of each section, by offset; and what a klp relocation waits for.
    pub(super) by_section: BTreeMap<SectionIndex, Vec<(Rela, Option<ObjectName>)>>,
}

impl Written {
    pub(super) fn of(module: &Module<'_>, machine: &Machine, recorded: &Intermediate) -> Self {
        let mut written = Self::default();
        let plain = recorded.records.iter().filter_map(|record| record.plain);
        let plain: BTreeSet<_> = plain.map(|plain| (plain.table, plain.entry)).collect();
        for table in module.relocation_sections() {
            let section = SectionIndex::new(table.sh_info);
            let target = module.section(section);
            let loaded = target.is_some_and(|target| target.sh_flags.contains(SectionFlags::ALLOC));
            if !loaded || recorded.sections.contains(&table.index) {
                continue;
            }
            let klp = table.sh_flags.contains(SectionFlags::RELA_LIVEPATCH);
            let name = klp.then(|| table.name.to_str_lossy().parse::<KlpSection>().ok()).flatten();
            let gate = name.map(|name| name.gate);
            let there = written.by_section.entry(section).or_default();
            for (entry, rela) in module.relocations(table.index).enumerate() {
                let writes = machine.row(rela.kind).is_none_or(|row| row.field.size() > 0);
                if writes && !plain.contains(&(table.index, entry)) {
                    there.push((rela, gate.clone()));
                }
            }
        }
        for record in &recorded.records {
            let there = written.by_section.entry(record.target).or_default();
            there.push((record.rela, Some(record.gate.clone())));
        }
        for relocations in written.by_section.values_mut() {
            relocations.sort_by_key(|(rela, _)| (rela.offset, rela.kind));
        }
        written
    }
}
