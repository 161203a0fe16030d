//! Maps old indices to new ones, and refuses removals that leave references.
//!
//! Entries that stay keep their order; those after a removed one move up. Without removals the maps
//! are identities. Invariant: once built, no remaining section, symbol or relocation of the module
//! refers to anything removed.

use object::elf::{SHT_GROUP, SHT_NULL, SHT_RELA, SHT_SYMTAB};

use super::section::Section;
use super::{
    Edits, ElfError, Module, Rela, SectionFlags, SectionIndex, SymbolIndex, SymbolSection,
};

/// The new index of every old one.
#[derive(Debug)]
pub(super) struct Renumbering {
    sections: Vec<Option<SectionIndex>>,
    /// The new symbols come after the old ones. `None` if none is removed or added.
    symbols: Option<Vec<Option<SymbolIndex>>>,
    /// How many of the old and of the new symbols are local and stay.
    locals: usize,
    /// Number of old sections that stay.
    pub(super) kept_sections: usize,
    /// Sections whose group is removed.
    ungrouped: Vec<SectionIndex>,
}

impl Renumbering {
    /// Builds the maps for checked edits.
    pub(super) fn new(module: &Module<'_>, edits: &Edits) -> Result<Self, ElfError> {
        let (removed, ungrouped) = removed_sections(module, edits);
        let mut next = 0;
        let sections = removed.iter().map(|&removed| (!removed).then(|| take(&mut next)));
        let sections: Vec<_> = sections.map(|slot| slot.map(SectionIndex::of_slot)).collect();
        let kept_sections = next;
        let (symbols, locals) = symbols(module, edits);
        let renumbering = Self { sections, symbols, locals, kept_sections, ungrouped };
        renumbering.check_sections(module)?;
        renumbering.check_symbols(module, edits)?;
        renumbering.check_relocations(module, edits)?;
        Ok(renumbering)
    }

    /// Whether any section index changes.
    pub(super) fn moves_sections(&self) -> bool {
        self.kept_sections != self.sections.len()
    }

    /// Whether symbols are removed or added.
    pub(super) fn moves_symbols(&self) -> bool {
        self.symbols.is_some()
    }

    /// The new index of a section, unless it is removed or does not exist.
    pub(super) fn section(&self, old: SectionIndex) -> Option<SectionIndex> {
        self.sections.get(old.slot()).copied().flatten()
    }

    /// The section of a remaining symbol, in new numbering.
    pub(super) fn symbol_section(&self, old: SymbolSection) -> SymbolSection {
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

    /// A section's flags, without membership in a removed group.
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
            // The first global symbol.
            SHT_SYMTAB if self.moves_symbols() => SymbolIndex::of_slot(self.locals).get(),
            _ => section.sh_info,
        }
    }

    /// Checks that relocations do not refer to removed symbols.
    pub(super) fn check_entries(
        &self,
        module: &Module<'_>,
        reference: impl Fn() -> super::SectionRef,
        relocations: impl Iterator<Item = Rela>,
    ) -> Result<(), ElfError> {
        let count = self.symbols.as_ref().map_or_else(|| module.symbol_count(), Vec::len);
        for (entry, rela) in relocations.enumerate() {
            let symbol = rela.symbol;
            if symbol.slot() >= count {
                let section = reference();
                return Err(ElfError::RelocationSymbol { section, entry, symbol, count });
            }
            if self.symbol(symbol).is_none() {
                let (section, removed) = (reference(), module.symbol_ref(symbol));
                return Err(ElfError::NamesRemovedSymbol { section, entry, removed });
            }
        }
        Ok(())
    }

    fn check_sections(&self, module: &Module<'_>) -> Result<(), ElfError> {
        if !self.moves_sections() {
            return Ok(());
        }
        // The fields of a null section have no meaning.
        let used = module.sections().filter(|section| section.sh_type != SHT_NULL);
        for section in used.filter(|section| self.section(section.index).is_some()) {
            let info = names_section(section).then(|| SectionIndex::new(section.sh_info));
            let fields = [("sh_link", Some(section.sh_link)), ("sh_info", info)];
            for (field, target) in fields {
                let target = target.and_then(|target| module.section(target));
                if let Some(removed) = target.filter(|target| self.section(target.index).is_none())
                {
                    let (section, removed) = (section.reference(), removed.reference());
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
                    let (section, removed) = (group.reference(), module.symbol_ref(name));
                    return Err(ElfError::GroupOfRemovedSymbol { section, removed });
                }
            }
        }
        if !self.moves_sections() {
            return Ok(());
        }
        let sections = module.symbols.sections();
        for (symbol, old) in sections.filter(|(symbol, _)| self.symbol(*symbol).is_some()) {
            let SymbolSection::Defined(index) = edits.section_of(symbol, old) else {
                continue;
            };
            let section = module.section(index).filter(|_| self.section(index).is_none());
            if let Some(removed) = section {
                let (symbol, removed) = (module.symbol_ref(symbol), removed.reference());
                return Err(ElfError::InRemovedSection { symbol, removed });
            }
        }
        Ok(())
    }

    fn check_relocations(&self, module: &Module<'_>, edits: &Edits) -> Result<(), ElfError> {
        for section in module.relocation_sections().filter(|s| self.section(s.index).is_some()) {
            let reference = || section.reference();
            if let Some(edited) = edits.relocations.get(&section.index) {
                self.check_entries(module, reference, edited.iter().copied())?;
            } else if self.moves_symbols() {
                self.check_entries(module, reference, module.relocations(section.index))?;
            }
        }
        Ok(())
    }
}

/// The new index of every symbol, and how many symbols are local.
fn symbols(module: &Module<'_>, edits: &Edits) -> (Option<Vec<Option<SymbolIndex>>>, usize) {
    let count = module.symbol_count();
    let first_global = module.first_global().min(count);
    if edits.removed_symbols.is_empty() && edits.new_symbols.is_empty() {
        return (None, first_global);
    }
    let old = |slot, next: &mut usize| {
        let removed = edits.removed_symbols.contains(&SymbolIndex::of_slot(slot));
        (!removed).then(|| SymbolIndex::of_slot(take(next)))
    };
    let mut local = 0;
    let mut symbols: Vec<_> = (0..first_global).map(|slot| old(slot, &mut local)).collect();
    let new_locals = edits.new_symbols.iter().filter(|symbol| symbol.is_local()).count();
    let locals = local.saturating_add(new_locals);
    let mut global = locals;
    symbols.extend((first_global..count).map(|slot| old(slot, &mut global)));
    symbols.extend(edits.new_symbols.iter().map(|symbol| {
        let next = if symbol.is_local() { &mut local } else { &mut global };
        Some(SymbolIndex::of_slot(take(next)))
    }));
    (Some(symbols), locals)
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

/// By old index whether a section is removed, and the sections that thereby lose their group.
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
