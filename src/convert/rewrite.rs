//! Carries out a [`Plan`]: the edits to the module.

use std::collections::{BTreeMap, BTreeSet};

use object::elf::SHT_PROGBITS;
use scroll::Pwrite;

use super::dependencies;
use super::plan::Plan;
use crate::elf::{
    Edits, ElfError, Module, NewBody, NewSection, NewSymbol, Rela, SHT_RELA, SectionFlags,
    SectionIndex, SymbolIndex, SymbolSection,
};
use crate::name::KlpSection;

/// Alignment of a klp section, in bytes (`elf_addr_size` in objtool's `klp-post-link.c`).
const KLP_SECTION_ALIGN: u64 = 8;
/// Size of an `Elf64_Rela`, in bytes.
const RELA_SIZE: u64 = 24;

/// Carries out a plan that was made for this module.
///
/// # Errors
/// [`ElfError`] when the edited module cannot be expressed in ELF.
pub fn rewrite(module: &Module<'_>, plan: &Plan) -> Result<Vec<u8>, ElfError> {
    let mut edits = Edits::default();
    let mut same = BTreeMap::new();
    let first_new = u32::try_from(module.symbol_count()).unwrap_or(u32::MAX);
    let mut new = first_new;
    for symbol in &plan.symbols {
        if let Some(other) = symbol.same_as {
            same.insert(symbol.index, other);
            if symbol.index.get() < first_new {
                edits.remove_symbol(symbol.index);
            }
        } else if let Some((bind, kind)) = symbol.new {
            same.insert(symbol.index, SymbolIndex::new(new));
            new = new.saturating_add(1);
            let (name, section) = (symbol.klp.to_string().into(), SymbolSection::Livepatch);
            edits.add_symbol(NewSymbol { name, bind, kind, section });
        } else {
            edits.rename_symbol(symbol.index, symbol.klp.to_string().into_bytes());
            edits.set_symbol_section(symbol.index, SymbolSection::Livepatch);
        }
    }
    for section in &plan.removed_sections {
        edits.remove_section(section.index);
    }
    for symbol in &plan.removed_symbols {
        edits.remove_symbol(symbol.index);
    }
    for symbol in &plan.disabled_symbols {
        edits.set_symbol_section(symbol.index, SymbolSection::Livepatch);
    }
    for (section, body) in positions(module, plan) {
        edits.set_body(section, body);
    }
    for (section, body) in dependencies::bodies(module, plan) {
        edits.set_body(section, body);
    }
    for (symbol, size) in dependencies::sizes(module, plan) {
        edits.resize_symbol(symbol, size);
    }
    move_relocations(module, plan, &same, &mut edits);
    copy_sections(module, plan, &same, &mut edits);
    Ok(crate::elf::rewrite(module, &edits)?.into_owned())
}

/// The bodies of the sections in which positions are filled in.
pub(super) fn positions(module: &Module<'_>, plan: &Plan) -> BTreeMap<SectionIndex, Vec<u8>> {
    let mut bodies = BTreeMap::new();
    for planned in &plan.positions {
        let section = planned.section.index;
        let body: &mut Vec<u8> =
            bodies.entry(section).or_insert_with(|| module.body(section).to_vec());
        // The offset was read from there, so it is inside.
        if let Ok(offset) = usize::try_from(planned.offset) {
            let written = body.pwrite_with(planned.function.position, offset, module.endian());
            debug_assert!(written.is_ok(), "{planned:?}");
        }
    }
    bodies
}

/// A relocation with its symbol as it is in the output.
fn rename(rela: Rela, same: &BTreeMap<SymbolIndex, SymbolIndex>) -> Rela {
    let symbol = same.get(&rela.symbol).copied().unwrap_or(rela.symbol);
    // That may be one that is added.
    Rela { symbol: same.get(&symbol).copied().unwrap_or(symbol), ..rela }
}

/// Adds the copies of special sections, each followed by its relocations; what is between them is 0.
fn copy_sections(
    module: &Module<'_>,
    plan: &Plan,
    same: &BTreeMap<SymbolIndex, SymbolIndex>,
    edits: &mut Edits,
) {
    for copy in &plan.arch_sections {
        let mut body = Vec::new();
        for piece in &copy.pieces {
            // Both are sizes of what is in memory.
            body.resize(usize::try_from(piece.offset).unwrap_or(body.len()), 0);
            body.extend(module.body(piece.section));
        }
        let name = copy.name();
        let data = NewSection {
            name: name.clone().into_bytes(),
            sh_type: SHT_PROGBITS,
            sh_flags: SectionFlags::ALLOC,
            link: SectionIndex::NULL,
            info: SectionIndex::NULL,
            sh_addralign: KLP_SECTION_ALIGN,
            sh_entsize: 1,
            body: NewBody::Bytes(body),
        };
        let info = edits.next_section(module);
        edits.add_section(data);
        let relocations = copy.relocations(module).map(|rela| rename(rela, same));
        let table = NewSection {
            name: format!(".rela{name}").into_bytes(),
            sh_type: SHT_RELA,
            sh_flags: SectionFlags::INFO_LINK,
            link: module.symtab(),
            info,
            sh_addralign: KLP_SECTION_ALIGN,
            sh_entsize: RELA_SIZE,
            body: NewBody::Relocations(relocations.collect()),
        };
        edits.add_section(table);
    }
}

fn move_relocations(
    module: &Module<'_>,
    plan: &Plan,
    same: &BTreeMap<SymbolIndex, SymbolIndex>,
    edits: &mut Edits,
) {
    let rename = |rela| rename(rela, same);
    let mut moved: BTreeMap<SectionIndex, BTreeSet<usize>> = BTreeMap::new();
    let mut appended: BTreeMap<SectionIndex, Vec<Rela>> = BTreeMap::new();
    let mut added: BTreeMap<(SectionIndex, &KlpSection), Vec<Rela>> = BTreeMap::new();
    for section in &plan.sections {
        let taken = section.entries.iter().map(|entry| rename(entry.rela));
        match section.existing {
            Some(existing) => {
                let all = appended
                    .entry(existing)
                    .or_insert_with(|| module.relocations(existing).map(rename).collect());
                all.extend(taken);
            }
            // Relocations of one klp section may come from several tables.
            None => added.entry((section.target, &section.to)).or_default().extend(taken),
        }
        if !section.recorded {
            let entries = section.entries.iter().map(|entry| entry.entry);
            moved.entry(section.from.index).or_default().extend(entries);
        }
    }
    for section in &plan.sections {
        let Some(relocations) = added.remove(&(section.target, &section.to)) else { continue };
        edits.add_section(NewSection {
            name: section.to.to_string().into_bytes(),
            sh_type: SHT_RELA,
            sh_flags: SectionFlags::ALLOC | SectionFlags::INFO_LINK | SectionFlags::RELA_LIVEPATCH,
            link: module.symtab(),
            info: section.target,
            sh_addralign: KLP_SECTION_ALIGN,
            sh_entsize: RELA_SIZE,
            body: NewBody::Relocations(relocations),
        });
    }
    for &(section, entry) in &plan.removed_relocations {
        moved.entry(section).or_default().insert(entry);
    }
    let disabled: BTreeSet<_> = plan.disabled_relocations.iter().copied().collect();
    let removed: BTreeSet<_> = plan.removed_sections.iter().map(|s| s.index).collect();
    for section in module.relocation_sections() {
        let gone = moved.remove(&section.index).unwrap_or_default();
        if removed.contains(&section.index) || appended.contains_key(&section.index) {
            continue;
        }
        let renamed = || module.relocations(section.index).any(|r| same.contains_key(&r.symbol));
        let all = (section.index, 0)..=(section.index, usize::MAX);
        let disables = disabled.range(all).next().is_some();
        if gone.is_empty() && !disables && (same.is_empty() || !renamed()) {
            continue;
        }
        let relocations = module.relocations(section.index).enumerate();
        let kept = relocations.filter(|(i, _)| !gone.contains(i)).map(|(entry, rela)| {
            let kind = if disabled.contains(&(section.index, entry)) { 0 } else { rela.kind };
            rename(Rela { kind, ..rela })
        });
        edits.set_relocations(section.index, kept.collect());
    }
    for (section, relocations) in appended {
        edits.set_relocations(section, relocations);
    }
}
