//! Relocation tables that the kernel does not apply.
//!
//! `apply_relocations` knows `SHT_RELA`, and refuses `SHT_REL` on machines that use the former. It
//! skips tables of other types and those whose `sh_info` names no loaded section: the module loads
//! with its references unwritten. Source: `kernel/module/main.c:apply_relocations`,
//! `include/linux/moduleloader.h:apply_relocate`.

use std::cell::OnceCell;
use std::collections::HashMap;

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
    let named = OnceCell::new();
    plain.filter_map(move |section| {
        let (section, name, reason) =
            (section.index, section.name, reason(module, &named, section)?);
        Some(PassedOver { section, name: name.to_str_lossy().into_owned(), reason })
    })
}

/// Of each name of sections, whether one of them is loaded; made for the first table that needs it. There may be tens
/// of thousands of both.
type Named<'m> = OnceCell<HashMap<&'m [u8], bool>>;

fn reason<'m>(
    module: &'m Module<'_>,
    named: &Named<'m>,
    section: &Section<'_>,
) -> Option<Unapplied> {
    let target = module.section(SectionIndex::new(section.sh_info));
    let target = target.filter(|target| target.index != SectionIndex::NULL);
    if section.sh_type == SHT_RELA {
        if section.sh_size < 24 || target.is_some_and(is_loaded) {
            return None;
        }
        // Then only its name shows what a table is for.
        let misses = match (target, meant(module, named, section)) {
            (Some(target), Some((name, loaded))) => loaded && name != target.name,
            (None, Some((_, loaded))) => loaded,
            (target, None) => target.is_none(),
        };
        return misses.then_some(Unapplied::Target(section.sh_info));
    }
    let loaded = target.is_some_and(is_loaded);
    let for_loaded = || loaded || matches!(meant(module, named, section), Some((_, true)));
    if section.sh_type.0 == SHT_REL {
        // The kernel refuses an empty one, too.
        return loaded.then_some(Unapplied::NoAddends);
    }
    let Some((_, name)) = UNKNOWN.iter().find(|(kind, _)| *kind == section.sh_type.0) else {
        // Both its name and its target say what it is.
        let target = target.filter(|target| is_loaded(target))?;
        let named = section.name.strip_prefix(b".rela").is_some_and(|name| name == target.name);
        let whole = section.sh_size >= 24 && section.sh_size.is_multiple_of(24);
        return (named && whole).then_some(Unapplied::Type(section.sh_type.0));
    };
    // An empty compact table has a header of one byte.
    (section.sh_size > 1 && for_loaded()).then_some(Unapplied::Unknown(name))
}

fn is_loaded(section: &Section<'_>) -> bool {
    section.sh_flags.contains(SectionFlags::ALLOC)
}

/// The name of the sections that a table is for, judging by its own, and whether one of them is loaded; `None` if
/// there are none.
fn meant<'m, 't>(
    module: &'m Module<'_>,
    named: &Named<'m>,
    table: &Section<'t>,
) -> Option<(&'t [u8], bool)> {
    let named = named.get_or_init(|| {
        let mut named = HashMap::new();
        for section in module.sections().filter(|section| !section.name.is_empty()) {
            *named.entry(section.name).or_default() |= is_loaded(section);
        }
        named
    });
    let name = PREFIXES.iter().find_map(|prefix| table.name.strip_prefix(*prefix))?;
    Some((name, *named.get(name)?))
}
