//! Relocation tables that the kernel does not apply.
//!
//! `apply_relocations` knows `SHT_RELA`, and refuses `SHT_REL` on machines that use the former. It
//! skips tables of other types and those whose `sh_info` names no loaded section: the module loads
//! with its references unwritten. Source: `kernel/module/main.c:apply_relocations`,
//! `include/linux/moduleloader.h:apply_relocate`.

use bstr::ByteSlice;

use crate::elf::{Module, SHT_RELA, Section, SectionFlags, SectionIndex};
use crate::findings::{PassedOver, Unapplied};

/// `SHT_REL`.
const SHT_REL: u32 = 9;
/// Types of tables that the kernel does not know, by name.
const UNKNOWN: [(u32, &str); 4] = [
    (0x4000_0014, "SHT_CREL"),
    // LLVM's first number for it.
    (0x4000_0020, "SHT_CREL"),
    (0x6000_0001, "SHT_ANDROID_REL"),
    (0x6000_0002, "SHT_ANDROID_RELA"),
];
/// Prefixes of table names.
const PREFIXES: [&[u8]; 3] = [b".rela", b".crel", b".rel"];

/// The tables for loaded sections that the kernel does not apply. klp sections have rules of their
/// own.
pub(crate) fn passed_over<'m>(
    module: &'m Module<'_>,
) -> impl Iterator<Item = PassedOver> + use<'m> {
    let sections = module.sections().skip(1);
    let plain = sections.filter(|s| !s.sh_flags.contains(SectionFlags::RELA_LIVEPATCH));
    plain.filter_map(|section| {
        let (section, name, reason) = (section.index, section.name, reason(module, section)?);
        Some(PassedOver { section, name: name.to_str_lossy().into_owned(), reason })
    })
}

fn reason(module: &Module<'_>, section: &Section<'_>) -> Option<Unapplied> {
    let target = module.section(SectionIndex::new(section.sh_info));
    let target = target.filter(|target| target.index != SectionIndex::NULL);
    let loaded = |section: &Section<'_>| section.sh_flags.contains(SectionFlags::ALLOC);
    if section.sh_type == SHT_RELA {
        if section.sh_size < 24 || target.is_some_and(loaded) {
            return None;
        }
        // Then only its name shows what a table is for.
        let mut meant = meant(module, section).peekable();
        let misses = match target {
            Some(target) => meant.any(|s| loaded(s) && s.name != target.name),
            None => meant.peek().is_none() || meant.any(loaded),
        };
        return misses.then_some(Unapplied::Target(section.sh_info));
    }
    let for_loaded = || target.is_some_and(loaded) || meant(module, section).any(loaded);
    if section.sh_type.0 == SHT_REL {
        // The kernel refuses an empty one, too.
        return target.is_some_and(loaded).then_some(Unapplied::NoAddends);
    }
    let (_, name) = UNKNOWN.iter().find(|(kind, _)| *kind == section.sh_type.0)?;
    // An empty compact table has a header of one byte.
    (section.sh_size > 1 && for_loaded()).then_some(Unapplied::Unknown(name))
}

/// The sections that a table is for, judging by its name.
fn meant<'m>(module: &'m Module<'_>, table: &Section<'m>) -> impl Iterator<Item = &'m Section<'m>> {
    let name = PREFIXES.iter().find_map(|prefix| table.name.strip_prefix(*prefix));
    let sections = module.sections().filter(move |section| Some(section.name) == name);
    sections.filter(|section| !section.name.is_empty())
}
