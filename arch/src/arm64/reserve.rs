//! How many PLT entries and veneers a module may need, and the order of its branches.
//!
//! The branches of a table that leave their section are brought to its front and sorted:
//! those to the same target are then adjacent and share an entry. The partition does not look at
//! the last remaining element, so one such branch may stay after the others, unsorted; it is
//! still counted.
//! Source: `arch/arm64/kernel/module-plts.c` (`module_frob_arch_sections`, `count_plts`,
//! `partition_branch_plt_relas`).

use alloc::format;
use alloc::vec::Vec;

use super::entry::Entry;
use super::plts::{PltSection, Plts};
use crate::linkage::Configuration;
use crate::object::{Object, Rela, SHF_ALLOC, SHF_EXECINSTR, SHT_NOBITS, SHT_RELA, SHT_SYMTAB};
use crate::refusal::{Errno, KernelError};
use crate::row::Features;
use crate::sort::{Generation, sort_by_key};

/// `R_AARCH64_JUMP26` and `R_AARCH64_CALL26`.
const BRANCHES: [u32; 2] = [282, 283];
/// `R_AARCH64_ADR_PREL_PG_HI21`, and its variant without a check.
const PAGES: [u32; 2] = [275, 276];
/// Entries in a page, rounded down.
const PER_PAGE: u64 = 4096 / Entry::SIZE;

/// Edits the temporary copy; returns what keeps track of the entries.
pub(super) fn reserve(
    object: &mut Object<'_>,
    configuration: &Configuration,
) -> Result<Plts, KernelError> {
    // The last section of each name.
    let find =
        |name: &[u8]| object.sections.iter().rposition(|s| s.name == name).filter(|i| *i != 0);
    let missing = |what: &str| KernelError {
        errno: Errno::ENOEXEC,
        message: format!("{}: module {what} missing", object.module_name()),
    };
    let plts = find(b".plt").zip(find(b".init.plt"));
    let (core, init) = plts.ok_or_else(|| missing("PLT section(s)"))?;
    if !object.sections.iter().any(|section| section.sh_type == SHT_SYMTAB) {
        return Err(missing("symtab section"));
    }
    let regs = configuration.features.contains(Features::DYNAMIC_FTRACE_WITH_REGS);
    let trampoline = find(b".text.ftrace_trampoline");
    let init_trampoline = find(super::plts::INIT_TRAMPOLINE.as_bytes());

    let (mut core_plts, mut init_plts) = (0, 0);
    for table in 0..object.sections.len() {
        let Some(target) = rela_target(object, table) else { continue };
        let count = frob(object, table, target, configuration.features);
        let section = object.sections.get(target);
        // `module_init_layout_section`.
        let exits = configuration.features.contains(Features::EXIT_IS_INIT);
        let is_init = section.is_some_and(|section| {
            section.name.starts_with(b".init") || exits && section.name.starts_with(b".exit")
        });
        let total = if is_init { &mut init_plts } else { &mut core_plts };
        *total += count;
    }
    let slots = if regs { 2 } else { 1 };
    become_room(object, Some(core), 64, core_plts + 1);
    become_room(object, Some(init), 64, init_plts + 1);
    become_room(object, trampoline, 4, slots);
    become_room(object, init_trampoline, 4, slots);
    Ok(Plts::new(configuration, PltSection::new(core, core_plts), PltSection::new(init, init_plts)))
}

/// The section of instructions that a table patches.
fn rela_target(object: &Object<'_>, table: usize) -> Option<usize> {
    let table = object.sections.get(table).filter(|section| section.sh_type == SHT_RELA)?;
    let target = usize::try_from(table.sh_info).ok()?;
    object.sections.get(target).filter(|section| section.has(SHF_EXECINSTR)).map(|_| target)
}

/// Turns a section into room for entries.
fn become_room(object: &mut Object<'_>, section: Option<usize>, align: u64, entries: u64) {
    if let Some(section) = section.and_then(|index| object.sections.get_mut(index)) {
        section.sh_type = SHT_NOBITS;
        section.sh_flags = SHF_EXECINSTR | SHF_ALLOC;
        section.sh_addralign = align;
        section.sh_size = entries * Entry::SIZE;
    }
}

/// Sorts a table, and counts the entries it needs.
fn frob(object: &mut Object<'_>, table: usize, target: usize, features: Features) -> u64 {
    let mut relas: Vec<_> = object.relas(table).collect();
    // A symbol that does not exist is in no section; the kernel reads past the end of the table.
    let leaves = |rela: &Rela| {
        let symbol = usize::try_from(rela.symbol).ok();
        let symbol = symbol.and_then(|index| object.symbols.get(index));
        BRANCHES.contains(&rela.kind) && symbol.is_none_or(|s| usize::from(s.st_shndx) != target)
    };
    let front = partition(&mut relas, leaves);
    if let Some(front) = relas.get_mut(..front) {
        sort_by_key(Generation::of(features), front, key);
    }
    let erratum = features.contains(Features::ERRATUM_843419);
    let (mut count, mut align) = (0_u64, 0);
    let mut before = None;
    for rela in &relas {
        if leaves(rela) {
            let again = rela.addend == 0 && before == Some(key(rela));
            count += u64::from(!again);
        } else if erratum && PAGES.contains(&rela.kind) {
            // The alignment at which the place cannot be in the last two words of a page.
            match 2_u64.checked_shl((rela.offset | 7).trailing_ones()) {
                Some(needed @ 1..=4096) => align = align.max(needed),
                _ => count += 1,
            }
        }
        before = Some(key(rela));
    }
    object.reorder(table, &relas);
    if let Some(section) = object.sections.get_mut(target) {
        section.sh_addralign = section.sh_addralign.max(align);
    }
    // Some entries are skipped because of their address.
    if erratum { count + count.div_ceil(PER_PAGE) } else { count }
}

/// `cmp_rela`.
fn key(rela: &Rela) -> (u32, u32, i64) {
    (rela.kind, rela.symbol, rela.addend)
}

/// Moves the elements that `goes` accepts to the front; returns how many are known to be there.
fn partition(relas: &mut [Rela], goes: impl Fn(&Rela) -> bool) -> usize {
    let goes = |relas: &[Rela], index: usize| relas.get(index).is_some_and(&goes);
    let (mut i, mut j) = (0, relas.len().saturating_sub(1));
    while i < j {
        if goes(relas, i) {
            i += 1;
        } else if goes(relas, j) {
            relas.swap(i, j);
        } else {
            j -= 1;
        }
    }
    i
}
