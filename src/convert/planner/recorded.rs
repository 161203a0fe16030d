//! Klp relocations that another tool has recorded: each is made as recorded, once the kernel would apply it and has its
//! symbol.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use super::super::plan::{Named, PlannedEntry, PlannedSection, PlannedSymbol};
use super::{Klp, Planner};
use crate::annotation::Selector;
use crate::elf::{SectionFlags, SectionIndex, SymbolIndex, SymbolSection};
use crate::findings::{Finding, Refusal};
use crate::intermediate::{Intermediate, Record};
use crate::name::{KlpSection, KlpSymbol, ObjectName, shown};
use crate::resolve::{Query, Request, Resolution};

impl Planner<'_, '_> {
    /// Plans all of it: the symbols, their relocations, and the removal of what was in their place.
    pub(super) fn take_records(
        &mut self,
        recorded: &Intermediate,
        first: &mut BTreeMap<KlpSymbol, SymbolIndex>,
    ) {
        self.recorded_symbols(recorded, first);
        self.recorded_relocations(recorded);
        let plain = recorded.records.iter().filter_map(|record| record.plain);
        self.replaced = plain.map(|plain| (plain.table, plain.entry)).collect();
        let disables = self.keeps_records && self.machine.has_none();
        match disables {
            true => self.plan.disabled_relocations.extend(&self.replaced),
            false => self.plan.removed_relocations.extend(&self.replaced),
        }
        self.remove_shadows(recorded, disables);
    }

    /// Looks up each symbol as if its name were an annotation.
    fn recorded_symbols(
        &mut self,
        recorded: &Intermediate,
        first: &mut BTreeMap<KlpSymbol, SymbolIndex>,
    ) {
        let mut uses: BTreeMap<SymbolIndex, &Record> = BTreeMap::new();
        for record in &recorded.records {
            uses.entry(record.rela.symbol).or_insert(record);
        }
        for symbol in &recorded.symbols {
            let KlpSymbol { owner, symbol: name, position } = symbol.klp.clone();
            let which = Selector::Position(position);
            let request = Request { owner, gate: None, which };
            let (name, annotation) = (name.as_str(), Some(&request));
            let query = Query { name, weak: false, loader: false, annotation };
            let klp = match self.resolve.resolve_recorded(&query) {
                Ok(Resolution::Klp(klp)) => klp,
                // What is annotated is nothing else.
                Ok(_) => continue,
                Err(reason) => {
                    let site = uses.get(&symbol.index);
                    let site = site.map(|record| recorded.site(&self.sites, record));
                    let refusal = Refusal::Unresolved { gate: None, reason: Box::new(reason) };
                    self.found.push(Finding::from(refusal).about(symbol.index).at(site));
                    continue;
                }
            };
            self.warn_about(&klp, None);
            let same_as = first.get(&klp.symbol).copied();
            first.entry(klp.symbol.clone()).or_insert(symbol.index);
            self.plan.symbols.push(PlannedSymbol {
                index: symbol.index,
                name: symbol.klp.to_string(),
                klp: klp.symbol.clone(),
                same_as,
                basis: klp.basis,
                new: symbol.new.filter(|_| same_as.is_none()),
            });
            let used = Cell::new(uses.contains_key(&symbol.index));
            self.klp.insert(symbol.index, Klp { symbol: klp.symbol, gate: None, used });
        }
    }

    /// Plans the relocations, and their sections, in the order of the records.
    fn recorded_relocations(&mut self, recorded: &Intermediate) {
        let mut planned: Vec<(_, Vec<PlannedEntry>)> = Vec::new();
        let mut numbers: BTreeMap<_, usize> = BTreeMap::new();
        let mut needs: BTreeMap<(ObjectName, ObjectName), &Record> = BTreeMap::new();
        for record in &recorded.records {
            let (Some(target), Some(klp)) =
                (self.module.section(record.target), self.klp.get(&record.rela.symbol))
            else {
                continue;
            };
            if let Err(refusal) = self.check_location(target, record.rela, klp, &record.gate) {
                self.found.push_at(refusal.into(), || recorded.site(&self.sites, record));
                continue;
            }
            needs.entry((record.gate.clone(), klp.symbol.owner.clone())).or_insert(record);
            let relocation = self.sites.relocation_name(record.rela.kind);
            let entry = PlannedEntry { entry: record.number, rela: record.rela, relocation };
            let key = (record.section, record.target, record.gate.clone());
            let number = *numbers.entry(key.clone()).or_insert(planned.len());
            match planned.get_mut(number) {
                Some((_, entries)) => entries.push(entry),
                None => planned.push((key, vec![entry])),
            }
        }
        for ((gate, owner), record) in needs {
            self.check_dependency(gate, owner, &|sites| recorded.site(sites, record));
        }
        let existing = self.klp_sections();
        let name = |index| {
            let section = self.module.section(index);
            section.map_or_else(String::new, |section| shown(section.name).into_owned())
        };
        for ((section, target, gate), entries) in planned {
            let to = KlpSection { gate, section: name(target) };
            let key = (to.to_string().into_bytes(), target.get());
            self.plan.sections.push(PlannedSection {
                from: Named { index: section, name: name(section) },
                recorded: true,
                target,
                existing: existing.get(&key).copied(),
                to,
                entries,
            });
        }
    }

    /// Removes the symbols of the relocations that records replace, or disables them; unless something else that is
    /// loaded uses them.
    fn remove_shadows(&mut self, recorded: &Intermediate, disables: bool) {
        let module = self.module;
        let plain = recorded.records.iter().filter_map(|record| record.plain);
        let mut shadows: BTreeSet<_> = plain.map(|plain| plain.symbol).collect();
        shadows.retain(|symbol| !self.klp.contains_key(symbol));
        let unused = module.symbols_in(SymbolSection::Undefined).skip(1).filter(|symbol| {
            crate::intermediate::awaits_post_link(symbol) && !self.klp.contains_key(&symbol.index)
        });
        shadows.extend(unused.map(|symbol| symbol.index));
        if shadows.is_empty() {
            return;
        }
        let mut unloaded = Vec::new();
        for section in module.relocation_sections() {
            if recorded.sections.contains(&section.index) {
                continue;
            }
            let loaded = self.loaded_target(section).is_some();
            for (entry, rela) in module.relocations(section.index).enumerate() {
                let at = (section.index, entry);
                if !shadows.contains(&rela.symbol) || self.replaced.contains(&at) {
                    continue;
                }
                if loaded {
                    shadows.remove(&rela.symbol);
                } else {
                    unloaded.push((rela.symbol, at));
                }
            }
        }
        let named = |&index: &_| Named { index, name: self.sites.symbol_name(index) };
        let named = shadows.iter().map(named);
        if disables {
            self.plan.disabled_symbols.extend(named);
        } else {
            self.plan.removed_symbols.extend(named);
            unloaded.retain(|(symbol, _)| shadows.contains(symbol));
            self.plan.removed_relocations.extend(unloaded.into_iter().map(|(_, at)| at));
        }
        self.shadows = shadows;
    }

    /// The klp sections that the module has, by name and patched section.
    pub(super) fn klp_sections(&self) -> BTreeMap<(Vec<u8>, u32), SectionIndex> {
        let tables = self.module.relocation_sections();
        let klp = tables.filter(|table| table.sh_flags.contains(SectionFlags::RELA_LIVEPATCH));
        klp.map(|table| ((table.name.to_vec(), table.sh_info), table.index)).collect()
    }
}
