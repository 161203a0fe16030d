//! Verifies that the written module is the planned one.
//!
//! The written module is read back independently of the rewriter: every symbol must have its index
//! and name, every moved relocation its klp section, offset, type and 64-bit addend, and every
//! other relocation must be unchanged, in the same order.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use bstr::ByteSlice;
use object::elf::STB_LOCAL;
use scroll::Pread;

use super::dependencies::{self, VersionTable};
use super::plan::{Plan, PlannedPosition};
use crate::elf::{Module, Rela, SectionFlags, SectionIndex, SymbolIndex, SymbolSection};
use crate::findings::VerifyError;
use crate::intermediate::ArchSection;
use crate::name::KlpSection;

/// Compares the written module with its plan and the module it was made from.
///
/// # Errors
/// [`VerifyError`] names the first difference.
pub fn verify(module: &Module<'_>, plan: &Plan, written: &Module<'_>) -> Result<(), VerifyError> {
    let renumbering = Renumbering::new(module, plan);
    symbols(module, plan, &renumbering, written)?;
    positions(plan, written)?;
    versions(module, plan, written)?;
    modinfo(module, plan, written)?;
    copies(module, plan, written)?;
    let expected = expected(module, plan, &renumbering);
    let found: Vec<_> = written.relocation_sections().collect();
    if found.len() != expected.len() {
        return Err(VerifyError::Sections { written: found.len(), planned: expected.len() });
    }
    for (section, expected) in found.into_iter().zip(expected) {
        let relocations = match expected.unchanged(&renumbering) {
            Some(old) => written.body(section.index) == module.body(old),
            None => {
                let relocations = expected.relocations(module, &renumbering);
                written.relocations(section.index).eq(relocations)
            }
        };
        let same = section.name == &*expected.name
            && section.sh_flags.contains(expected.flags)
            && relocations;
        if !same {
            let name = expected.name.to_str_lossy().into_owned();
            return Err(VerifyError::Relocations(name));
        }
    }
    Ok(())
}

/// Every position must be where the plan has it.
fn positions(plan: &Plan, written: &Module<'_>) -> Result<(), VerifyError> {
    for PlannedPosition { section, offset, function, .. } in &plan.positions {
        let removed = plan.removed_sections.iter().filter(|gone| gone.index < section.index);
        let below = u32::try_from(removed.count()).unwrap_or(u32::MAX);
        let index = SectionIndex::new(section.index.get().saturating_sub(below));
        let at = usize::try_from(*offset).ok();
        let body = written.body(index);
        let found = at.and_then(|at| body.pread_with::<u64>(at, written.endian()).ok());
        let named = written.section(index).is_some_and(|s| s.name == section.name.as_bytes());
        if found != Some(function.position) || !named {
            return Err(VerifyError::Position(function.to_string()));
        }
    }
    Ok(())
}

/// New indices of symbols when others are removed and added.
struct Renumbering {
    removed: BTreeSet<SymbolIndex>,
    same: BTreeMap<SymbolIndex, SymbolIndex>,
    /// The removed indices, ascending.
    below: Vec<SymbolIndex>,
    /// The first symbol of the module that is not local, and how many come before it that the module did not have.
    globals: (SymbolIndex, u32),
    /// The new indices of those that are added.
    added: BTreeMap<SymbolIndex, SymbolIndex>,
}

impl Renumbering {
    fn new(module: &Module<'_>, plan: &Plan) -> Self {
        let same: BTreeMap<_, _> =
            plan.symbols.iter().filter_map(|s| Some((s.index, s.same_as?))).collect();
        let mut removed: BTreeSet<_> = plan.removed_symbols.iter().map(|s| s.index).collect();
        let count = u32::try_from(module.symbol_count()).unwrap_or(u32::MAX);
        removed.extend(same.keys().filter(|symbol| symbol.get() < count));
        let below: Vec<SymbolIndex> = removed.iter().copied().collect();
        let (locals, others): (Vec<_>, Vec<_>) = plan
            .symbols
            .iter()
            .filter_map(|symbol| symbol.new.map(|(bind, _)| (symbol.index, bind == STB_LOCAL)))
            .partition(|(_, local)| *local);
        let table = module.section(module.symtab());
        // The null symbol is always the first.
        let first = SymbolIndex::new(table.map_or(1, |table| table.sh_info.max(1)));
        let new_locals = u32::try_from(locals.len()).unwrap_or(u32::MAX);
        let mut all =
            Self { removed, same, below, globals: (first, new_locals), added: BTreeMap::new() };
        let kept = |before: SymbolIndex| before.get().saturating_sub(all.removed_before(before));
        let of_locals = (kept(first)..).zip(locals);
        let of_others = (kept(SymbolIndex::new(count)).saturating_add(new_locals)..).zip(others);
        let added = of_locals.chain(of_others);
        all.added = added.map(|(new, (old, _))| (old, SymbolIndex::new(new))).collect();
        all
    }

    /// Whether every symbol keeps its index.
    fn keeps_all(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty()
    }

    /// How many symbols before this one are removed.
    fn removed_before(&self, symbol: SymbolIndex) -> u32 {
        let below = self.below.partition_point(|&removed| removed < symbol);
        u32::try_from(below).unwrap_or(u32::MAX)
    }

    fn after(&self, symbol: SymbolIndex) -> SymbolIndex {
        let symbol = self.same.get(&symbol).copied().unwrap_or(symbol);
        if let Some(added) = self.added.get(&symbol) {
            return *added;
        }
        let (first_global, new_locals) = self.globals;
        let before = if symbol < first_global { 0 } else { new_locals };
        let stays = symbol.get().saturating_sub(self.removed_before(symbol));
        SymbolIndex::new(stays.saturating_add(before))
    }

    fn rename(&self, rela: Rela) -> Rela {
        Rela { symbol: self.after(rela.symbol), ..rela }
    }
}

fn symbols(
    module: &Module<'_>,
    plan: &Plan,
    renumbering: &Renumbering,
    written: &Module<'_>,
) -> Result<(), VerifyError> {
    let klp: BTreeMap<_, _> = plan.symbols.iter().map(|s| (s.index, s.klp.to_string())).collect();
    for symbol in &plan.symbols {
        let Some(new) = symbol.new else { continue };
        let index = renumbering.after(symbol.index);
        let name = symbol.klp.to_string();
        let same = written.symbol(index).is_some_and(|found| {
            found.name == name.as_bytes()
                && (found.bind, found.kind) == new
                && (found.section, found.st_value) == (SymbolSection::Livepatch, 0)
        });
        if !same {
            return Err(VerifyError::Symbol { index, name });
        }
    }
    let kept = module.symbol_count().saturating_sub(renumbering.removed.len());
    let planned = kept.saturating_add(renumbering.added.len());
    if written.symbol_count() != planned {
        return Err(VerifyError::Symbols { written: written.symbol_count(), planned });
    }
    let disabled: BTreeSet<_> = plan.disabled_symbols.iter().map(|symbol| symbol.index).collect();
    let sizes: BTreeMap<_, _> = dependencies::sizes(module, plan).into_iter().collect();
    for symbol in module.symbols().filter(|s| !renumbering.removed.contains(&s.index)) {
        let index = renumbering.after(symbol.index);
        let found = written.symbol(index);
        let same = match klp.get(&symbol.index) {
            Some(name) => found.is_some_and(|found| {
                found.name == name.as_bytes() && found.section == SymbolSection::Livepatch
            }),
            None => found.is_some_and(|found| {
                let defined = |s| matches!(s, SymbolSection::Defined(_));
                let size = sizes.get(&symbol.index).copied().unwrap_or(symbol.st_size);
                found.name == symbol.name
                    && (found.st_value, found.st_size) == (symbol.st_value, size)
                    && (found.section == symbol.section
                        || disabled.contains(&symbol.index)
                            && found.section == SymbolSection::Livepatch
                        || defined(found.section) && defined(symbol.section))
            }),
        };
        if !same {
            let planned = klp.get(&symbol.index).map_or(symbol.name, |name| name.as_bytes());
            let name = planned.to_str_lossy().into_owned();
            return Err(VerifyError::Symbol { index, name });
        }
    }
    Ok(())
}

/// The entries of each table of versions: all that the plan keeps, byte for byte.
fn versions(module: &Module<'_>, plan: &Plan, written: &Module<'_>) -> Result<(), VerifyError> {
    let (old, new) = (VersionTable::all(module), VersionTable::all(written));
    if old.len() != new.len() {
        return Err(VerifyError::Contents("__versions".into()));
    }
    for (old, new) in old.iter().zip(&new) {
        let planned = plan.versions.iter().find(|p| p.section.index == old.section.index);
        let removed = planned.map_or(&[][..], |planned| &planned.removed);
        let removed: BTreeSet<_> = removed.iter().map(|entry| entry.index).collect();
        let kept = old.entries.iter().enumerate().filter(|(index, _)| !removed.contains(index));
        let kept = kept.map(|(_, (range, _))| old.body(module, range));
        let found = new.entries.iter().map(|(range, _)| new.body(written, range));
        if !kept.eq(found) || old.section.sh_flags != new.section.sh_flags {
            return Err(VerifyError::Contents(old.section.name.to_str_lossy().into_owned()));
        }
    }
    Ok(())
}

/// The pairs of `.modinfo`: unchanged, except `depends=`.
fn modinfo(module: &Module<'_>, plan: &Plan, written: &Module<'_>) -> Result<(), VerifyError> {
    let none = BTreeSet::new();
    let removed = plan.depends.as_ref().map_or(&none, |depends| &depends.removed);
    let pairs = module.modinfo().map(|(key, value)| match key {
        b"depends" => (key, Cow::Owned(dependencies::without(value, removed))),
        _ => (key, Cow::Borrowed(value)),
    });
    let written = written.modinfo().map(|(key, value)| (key, Cow::Borrowed(value)));
    if pairs.eq(written) { Ok(()) } else { Err(VerifyError::Contents(".modinfo".into())) }
}

/// The copies of special sections. Their relocations are compared with all others.
fn copies(module: &Module<'_>, plan: &Plan, written: &Module<'_>) -> Result<(), VerifyError> {
    let wrong = plan.arch_sections.iter().find(|copy| !is_copied(module, copy, written));
    wrong.map_or(Ok(()), |copy| Err(VerifyError::Contents(copy.name())))
}

/// Whether a copy has each piece in its place, and nothing else.
fn is_copied(module: &Module<'_>, copy: &ArchSection, written: &Module<'_>) -> bool {
    let name = copy.name();
    let mut sections = written.sections_named(name.as_bytes());
    let (Some(section), None) = (sections.next(), sections.next()) else { return false };
    let mut rest = written.body(section.index);
    for piece in copy.pieces.iter().rev() {
        let start = usize::try_from(piece.offset).unwrap_or(usize::MAX);
        let Some((before, found)) = rest.split_at_checked(start) else { return false };
        let filler = found.strip_prefix(module.body(piece.section));
        // An entry is filled up to the next piece.
        if filler.is_none_or(|filler| filler.iter().any(|byte| *byte != 0)) {
            return false;
        }
        rest = before;
    }
    let mut tables = written.relocation_sections();
    rest.is_empty()
        && section.sh_size == copy.size
        && section.sh_flags == SectionFlags::ALLOC
        && tables.any(|table| table.sh_info == section.index.get())
}

/// A relocation section as it should be written.
struct Expected<'data> {
    name: Cow<'data, [u8]>,
    flags: SectionFlags,
    /// The section whose relocations stay, but for these.
    stays: Option<(SectionIndex, BTreeSet<usize>)>,
    /// Those that get type 0.
    disabled: BTreeSet<usize>,
    /// What comes after them.
    added: Vec<Rela>,
}

impl Expected<'_> {
    /// The old section, if its relocations stay as they are.
    fn unchanged(&self, renumbering: &Renumbering) -> Option<SectionIndex> {
        let (section, gone) = self.stays.as_ref()?;
        let all_stay = gone.is_empty() && self.disabled.is_empty() && self.added.is_empty();
        let whole = all_stay && renumbering.keeps_all();
        whole.then_some(*section)
    }

    /// The relocations: read, not collected, because they may be most of the module.
    fn relocations<'m>(
        &'m self,
        module: &'m Module<'_>,
        renumbering: &'m Renumbering,
    ) -> impl Iterator<Item = Rela> + 'm {
        let stays = self.stays.iter().flat_map(move |(section, gone)| {
            let all = module.relocations(*section).enumerate();
            let stays = all.filter(|(entry, _)| gone.is_empty() || !gone.contains(entry));
            stays.map(|(entry, rela)| {
                let kind = if self.disabled.contains(&entry) { 0 } else { rela.kind };
                renumbering.rename(Rela { kind, ..rela })
            })
        });
        stays.chain(self.added.iter().copied())
    }
}

fn expected<'data>(
    module: &Module<'data>,
    plan: &Plan,
    renumbering: &Renumbering,
) -> Vec<Expected<'data>> {
    let removed: BTreeSet<_> = plan.removed_sections.iter().map(|s| s.index).collect();
    let mut moved: BTreeMap<SectionIndex, BTreeSet<usize>> = BTreeMap::new();
    let mut appended: BTreeMap<SectionIndex, Vec<Rela>> = BTreeMap::new();
    let mut new: Vec<Expected<'data>> = Vec::new();
    let mut known: BTreeMap<(SectionIndex, &KlpSection), usize> = BTreeMap::new();
    for section in &plan.sections {
        let relocations: Vec<_> = if section.recorded {
            section.entries.iter().map(|entry| renumbering.rename(entry.rela)).collect()
        } else {
            let entries: BTreeSet<_> = section.entries.iter().map(|e| e.entry).collect();
            let all = module.relocations(section.from.index).enumerate();
            let moves = all.filter(|(entry, _)| entries.contains(entry));
            let moves = moves.map(|(_, rela)| renumbering.rename(rela)).collect();
            moved.entry(section.from.index).or_default().extend(entries);
            moves
        };
        match section.existing {
            Some(existing) => appended.entry(existing).or_default().extend(relocations),
            None => {
                let at = *known.entry((section.target, &section.to)).or_insert(new.len());
                match new.get_mut(at) {
                    Some(there) => there.added.extend(relocations),
                    None => new.push(Expected {
                        name: section.to.to_string().into_bytes().into(),
                        flags: SectionFlags::ALLOC | SectionFlags::RELA_LIVEPATCH,
                        stays: None,
                        disabled: BTreeSet::new(),
                        added: relocations,
                    }),
                }
            }
        }
    }
    for &(section, entry) in &plan.removed_relocations {
        moved.entry(section).or_default().insert(entry);
    }
    let mut disabled: BTreeMap<SectionIndex, BTreeSet<usize>> = BTreeMap::new();
    for &(section, entry) in &plan.disabled_relocations {
        disabled.entry(section).or_default().insert(entry);
    }
    let kept = module.relocation_sections().filter(|s| !removed.contains(&s.index));
    let kept = kept.map(|section| Expected {
        name: section.name.into(),
        flags: section.sh_flags,
        disabled: disabled.remove(&section.index).unwrap_or_default(),
        stays: Some((section.index, moved.remove(&section.index).unwrap_or_default())),
        added: appended.remove(&section.index).unwrap_or_default(),
    });
    let copies = plan.arch_sections.iter().map(|copy| Expected {
        name: format!(".rela{}", copy.name()).into_bytes().into(),
        flags: SectionFlags::INFO_LINK,
        stays: None,
        disabled: BTreeSet::new(),
        added: copy.relocations(module).map(|rela| renumbering.rename(rela)).collect(),
    });
    kept.chain(new).chain(copies).collect()
}
