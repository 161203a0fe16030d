//! Old indices to new ones, and what may not be removed.
//!
//! Entries that stay keep their order; those behind a removed one move up. Without removals the
//! maps are identities. Invariant: once made, no kept section, symbol or relocation that the module
//! had names anything removed.

use object::elf::{SHT_GROUP, SHT_NULL, SHT_RELA, SHT_SYMTAB};

use super::section::Section;
use super::{
    Edits, ElfError, Module, Rela, SectionFlags, SectionIndex, SymbolIndex, SymbolSection,
};

/// Where every old index went.
#[derive(Debug)]
pub(super) struct Renumbering {
    sections: Vec<Option<SectionIndex>>,
    /// `None` where no symbol is removed.
    symbols: Option<Vec<Option<SymbolIndex>>>,
    /// Number of old sections that stay.
    pub(super) kept_sections: usize,
    /// Sections that lost their group.
    ungrouped: Vec<SectionIndex>,
}

impl Renumbering {
    /// The maps for checked edits.
    pub(super) fn new(module: &Module<'_>, edits: &Edits) -> Result<Self, ElfError> {
        let (removed, ungrouped) = removed_sections(module, edits);
        let mut next = 0;
        let sections = removed.iter().map(|&removed| (!removed).then(|| take(&mut next)));
        let sections: Vec<_> = sections.map(|slot| slot.map(SectionIndex::of_slot)).collect();
        let kept_sections = next;
        let symbols = (!edits.removed_symbols.is_empty()).then(|| {
            let mut next = 0;
            let kept = |slot| !edits.removed_symbols.contains(&SymbolIndex::of_slot(slot));
            (0..module.symbol_count())
                .map(|slot| kept(slot).then(|| SymbolIndex::of_slot(take(&mut next))))
                .collect()
        });
        let renumbering = Self { sections, symbols, kept_sections, ungrouped };
        renumbering.check_sections(module)?;
        renumbering.check_symbols(module, edits)?;
        renumbering.check_relocations(module, edits)?;
        Ok(renumbering)
    }

    /// Whether any section has another index than before.
    pub(super) fn moves_sections(&self) -> bool {
        self.kept_sections != self.sections.len()
    }

    /// Whether any symbol has another index than before.
    pub(super) fn moves_symbols(&self) -> bool {
        self.symbols.is_some()
    }

    /// The new index of a section, unless it is removed or never was.
    pub(super) fn section(&self, old: SectionIndex) -> Option<SectionIndex> {
        self.sections.get(old.slot()).copied().flatten()
    }

    /// Where a symbol that stays is in new numbering.
    pub(super) fn place(&self, old: SymbolSection) -> SymbolSection {
        match old {
            SymbolSection::Defined(section) => {
                SymbolSection::Defined(self.section(section).unwrap_or_default())
            }
            other => other,
        }
    }

    /// The new index of a symbol, unless it is removed.
    pub(super) fn symbol(&self, old: SymbolIndex) -> Option<SymbolIndex> {
        match &self.symbols {
            None => Some(old),
            Some(symbols) => symbols.get(old.slot()).copied().flatten(),
        }
    }

    /// A section's flags, without membership in a group that is gone.
    pub(super) fn flags(&self, section: &Section<'_>) -> SectionFlags {
        let lost = self.ungrouped.binary_search(&section.index).is_ok();
        if lost { section.sh_flags.difference(SectionFlags::GROUP) } else { section.sh_flags }
    }

    /// `sh_info` with the index in it renumbered.
    pub(super) fn info(&self, section: &Section<'_>) -> u32 {
        if names_section(section) {
            let target = self.section(SectionIndex::new(section.sh_info));
            return target.unwrap_or_default().get();
        }
        match section.sh_type {
            SHT_GROUP => self.symbol(SymbolIndex::new(section.sh_info)).unwrap_or_default().get(),
            // The first global symbol: as many fewer as there are removed before it.
            SHT_SYMTAB => {
                let locals = SymbolIndex::new(section.sh_info).slot();
                let Some(symbols) = &self.symbols else {
                    return section.sh_info;
                };
                let kept = symbols.iter().take(locals).flatten().count();
                SymbolIndex::of_slot(kept).get()
            }
            _ => section.sh_info,
        }
    }

    /// Checks that relocations name symbols that stay.
    pub(super) fn check_entries(
        &self,
        module: &Module<'_>,
        place: impl Fn() -> super::SectionRef,
        relocations: impl Iterator<Item = Rela>,
    ) -> Result<(), ElfError> {
        let count = module.symbol_count();
        for (entry, rela) in relocations.enumerate() {
            let symbol = rela.symbol;
            if symbol.slot() >= count {
                let section = place();
                return Err(ElfError::RelocationSymbol { section, entry, symbol, count });
            }
            if self.symbol(symbol).is_none() {
                let (section, removed) = (place(), module.symbol_place(symbol));
                return Err(ElfError::NamesRemovedSymbol { section, entry, removed });
            }
        }
        Ok(())
    }

    fn check_sections(&self, module: &Module<'_>) -> Result<(), ElfError> {
        if !self.moves_sections() {
            return Ok(());
        }
        // The fields of a null section mean nothing.
        let used = module.sections().filter(|section| section.sh_type != SHT_NULL);
        for section in used.filter(|section| self.section(section.index).is_some()) {
            let info = names_section(section).then(|| SectionIndex::new(section.sh_info));
            let fields = [("sh_link", Some(section.sh_link)), ("sh_info", info)];
            for (field, target) in fields {
                let target = target.and_then(|target| module.section(target));
                if let Some(removed) = target.filter(|target| self.section(target.index).is_none())
                {
                    let (section, removed) = (section.place(), removed.place());
                    return Err(ElfError::NamesRemovedSection { section, field, removed });
                }
            }
        }
        Ok(())
    }

    fn check_symbols(&self, module: &Module<'_>, edits: &Edits) -> Result<(), ElfError> {
        if self.moves_symbols() {
            let groups = module.sections().filter(|section| section.sh_type == SHT_GROUP);
            for group in groups.filter(|group| self.section(group.index).is_some()) {
                let name = SymbolIndex::new(group.sh_info);
                if self.symbol(name).is_none() {
                    let (section, removed) = (group.place(), module.symbol_place(name));
                    return Err(ElfError::GroupOfRemovedSymbol { section, removed });
                }
            }
        }
        if !self.moves_sections() {
            return Ok(());
        }
        let places = module.symbols.places();
        for (symbol, old) in places.filter(|(symbol, _)| self.symbol(*symbol).is_some()) {
            let SymbolSection::Defined(index) = edits.place(symbol, old) else {
                continue;
            };
            let section = module.section(index).filter(|_| self.section(index).is_none());
            if let Some(removed) = section {
                let (symbol, removed) = (module.symbol_place(symbol), removed.place());
                return Err(ElfError::InRemovedSection { symbol, removed });
            }
        }
        Ok(())
    }

    fn check_relocations(&self, module: &Module<'_>, edits: &Edits) -> Result<(), ElfError> {
        for section in module.relocation_sections().filter(|s| self.section(s.index).is_some()) {
            let place = || section.place();
            if let Some(edited) = edits.relocations.get(&section.index) {
                self.check_entries(module, place, edited.iter().copied())?;
            } else if self.moves_symbols() {
                self.check_entries(module, place, module.relocations(section.index))?;
            }
        }
        Ok(())
    }
}

fn take(next: &mut usize) -> usize {
    let taken = *next;
    *next = taken.saturating_add(1);
    taken
}

/// Whether `sh_info` is a section index.
fn names_section(section: &Section<'_>) -> bool {
    section.sh_type == SHT_RELA || section.sh_flags.contains(SectionFlags::INFO_LINK)
}

/// By old index whether a section goes, and which sections lose their group by that.
fn removed_sections(module: &Module<'_>, edits: &Edits) -> (Vec<bool>, Vec<SectionIndex>) {
    let mut removed = vec![false; module.sections().len()];
    for index in &edits.removed_sections {
        if let Some(slot) = removed.get_mut(index.slot()) {
            *slot = true;
        }
    }
    let mut ungrouped = Vec::new();
    if !edits.removed_sections.is_empty() {
        for group in module.sections().filter(|section| section.sh_type == SHT_GROUP) {
            let Some(gone) = removed.get(group.index.slot()).copied() else {
                continue;
            };
            let mut members = module.group_members(group.index).peekable();
            if gone {
                ungrouped.extend(members);
            } else if members.peek().is_some()
                && members.all(|member| removed.get(member.slot()).is_some_and(|&gone| gone))
                && let Some(slot) = removed.get_mut(group.index.slot())
            {
                *slot = true;
            }
        }
        ungrouped.sort_unstable();
    }
    (removed, ungrouped)
}
