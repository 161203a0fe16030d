//! What a module records about the modules that it needs, and how a conversion changes it.
//!
//! For each export that a module uses, modpost writes the owner into `depends=` of `.modinfo`, and with
//! `CONFIG_MODVERSIONS` name and CRC into `__versions`, or into `__version_ext_crcs` and
//! `__version_ext_names`. depmod treats every name in these tables as a needed symbol, whatever the
//! symbol table says (kmod's `libkmod-elf.c:kmod_elf_get_dependency_symbols`); the kernel looks up
//! undefined symbols there, never klp symbols (`kernel/module/version.c:check_version`). So entries
//! of symbols that become klp symbols are removed, and so is the owner in `depends=` if nothing
//! else of it is used. Source of the tables: `scripts/mod/modpost.c:add_versions`,
//! `add_extended_versions`, `add_depends`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use bstr::ByteSlice;

use super::plan::{Named, Plan, PlannedDepends, PlannedVersions};
use crate::elf::{Module, SHT_NOBITS, Section, SectionIndex, Symbol, SymbolIndex, SymbolSection};
use crate::findings::{Finding, StillNamed, Warning};
use crate::name::{KlpSymbol, ObjectName};

/// Bytes of a `struct modversion_info`: the CRC, then the name.
const VERSION: usize = 64;
/// Bytes of the CRC in it: an `unsigned long`.
const VERSION_CRC: usize = 8;
/// Bytes of a CRC in `__version_ext_crcs`.
const EXTENDED_CRC: usize = 4;
/// The key in `.modinfo`.
const DEPENDS: &[u8] = b"depends=";

/// A table of versions and the ranges of its entries.
#[derive(Debug)]
pub(super) struct VersionTable<'m, 'data> {
    /// The section.
    pub(super) section: &'m Section<'data>,
    /// The range of each entry in the section, and its name; they are contiguous.
    pub(super) entries: Vec<(Range<usize>, &'data [u8])>,
}

impl<'m, 'data> VersionTable<'m, 'data> {
    /// All tables of a module that the kernel can read.
    pub(super) fn all(module: &'m Module<'data>) -> Vec<Self> {
        let section = |name: &[u8]| {
            let section = module.sections_named(name).next()?;
            (section.sh_type != SHT_NOBITS).then_some(section)
        };
        let plain = section(b"__versions").map(|section| {
            let entries = module.body(section.index).chunks_exact(VERSION).enumerate();
            let entries = entries.filter_map(|(index, entry)| {
                let name = entry.get(VERSION_CRC..)?.split(|&byte| byte == 0).next()?;
                let start = index.checked_mul(VERSION)?;
                Some((start..start.checked_add(VERSION)?, name))
            });
            Self { section, entries: entries.collect() }
        });
        let crcs = section(b"__version_ext_crcs");
        let extended = crcs.zip(section(b"__version_ext_names"));
        let extended = extended.and_then(|(crcs, names)| {
            let count = module.body(crcs.index).len() / EXTENDED_CRC;
            let strings = strings(module.body(names.index), count)?;
            let crc = |(index, (_, name)): (usize, &(Range<usize>, &'data [u8]))| {
                (index * EXTENDED_CRC..(index + 1) * EXTENDED_CRC, *name)
            };
            let of_crcs = strings.iter().enumerate().map(crc).collect();
            Some([
                Self { section: crcs, entries: of_crcs },
                Self { section: names, entries: strings },
            ])
        });
        plain.into_iter().chain(extended.into_iter().flatten()).collect()
    }

    /// The bytes of an entry.
    pub(super) fn body<'b>(&self, module: &Module<'b>, entry: &Range<usize>) -> &'b [u8] {
        module.body(self.section.index).get(entry.clone()).unwrap_or_default()
    }

    /// Whether entries can be removed: nothing refers to one by its offset.
    fn may_shrink(&self, module: &Module<'_>) -> bool {
        let index = self.section.index;
        let inside = module.symbols_in(SymbolSection::Defined(index));
        let relocated = module.relocation_sections().any(|table| table.sh_info == index.get());
        !relocated && inside.filter(|symbol| symbol.st_size > 0).all(|s| self.is_covered_by(&s))
    }

    /// Whether a symbol covers the whole table.
    fn is_covered_by(&self, symbol: &Symbol<'_>) -> bool {
        symbol.st_value == 0 && symbol.st_size == self.section.sh_size
    }
}

/// The first `count` NUL-terminated strings, each with its terminator.
fn strings(body: &[u8], count: usize) -> Option<Vec<(Range<usize>, &[u8])>> {
    let mut start = 0;
    let mut strings = Vec::new();
    for _ in 0..count {
        let name = body.get(start..)?;
        let name = name.get(..name.find_byte(0)?)?;
        let end = start.checked_add(name.len())?.checked_add(1)?;
        strings.push((start..end, name));
        start = end;
    }
    Some(strings)
}

/// The entries to remove from each table: those of names in `gone`.
pub(super) fn plan_versions(module: &Module<'_>, gone: &BTreeSet<&[u8]>) -> Vec<PlannedVersions> {
    let tables = VersionTable::all(module);
    // The two extended tables have to stay in step.
    if !tables.iter().all(|table| table.may_shrink(module)) {
        return Vec::new();
    }
    let planned = tables.into_iter().filter_map(|table| {
        let entries = table.entries.iter().enumerate();
        let entries = entries.filter(|(_, (_, name))| gone.contains(name));
        let named = |(index, (_, name)): (usize, &(_, &[u8]))| Named {
            index,
            name: name.to_str_lossy().into_owned(),
        };
        let removed: Vec<_> = entries.map(named).collect();
        if removed.is_empty() {
            return None;
        }
        let Section { index, name, .. } = table.section;
        let section = Named { index: *index, name: name.to_str_lossy().into_owned() };
        Some(PlannedVersions { section, of: table.entries.len(), removed })
    });
    planned.collect()
}

/// Each name for which a module has a version, and its entry.
pub(crate) fn version_entries<'data>(module: &Module<'data>) -> Vec<(&'data [u8], &'data [u8])> {
    let tables = VersionTable::all(module);
    let entries = tables.iter().flat_map(|table| {
        table.entries.iter().map(move |(range, name)| (*name, table.body(module, range)))
    });
    entries.collect()
}

/// The names for which a module has a version.
pub(crate) fn versions<'data>(module: &Module<'data>) -> BTreeSet<&'data [u8]> {
    let tables = VersionTable::all(module);
    tables.iter().flat_map(|table| table.entries.iter().map(|(_, name)| *name)).collect()
}

/// The modules that `depends=` names.
pub(super) fn depends(module: &Module<'_>) -> impl Iterator<Item = ObjectName> {
    let depends = module.modinfo().filter(|(key, _)| *key == b"depends");
    let names = depends.flat_map(|(_, value)| value.split(|&byte| byte == b','));
    names.filter_map(|name| name.to_str_lossy().parse().ok())
}

/// Records in a finished livepatch of modules of which it uses klp symbols only. `needed`: the
/// owners of its ordinary symbols.
pub(crate) fn recorded(module: &Module<'_>, needed: &BTreeSet<ObjectName>) -> Vec<Finding> {
    let klp = module.symbols_in(SymbolSection::Livepatch);
    let klp: BTreeMap<String, ObjectName> = klp
        .filter_map(|symbol| symbol.name.to_str().ok()?.parse::<KlpSymbol>().ok())
        .filter(|klp| !klp.owner.is_vmlinux() && !needed.contains(&klp.owner))
        .map(|klp| (klp.symbol.as_str().to_owned(), klp.owner))
        .collect();
    let owners: BTreeSet<_> = klp.values().collect();
    let warn = |object: ObjectName, why| Finding::from(Warning::DependsOnOwner { object, why });
    let listed = depends(module).filter(|object| owners.contains(object));
    let mut warnings: Vec<_> = listed.map(|object| warn(object, StillNamed::Depends)).collect();
    let mut seen = BTreeSet::new();
    for (_, name) in VersionTable::all(module).into_iter().flat_map(|table| table.entries) {
        if let Some((name, owner)) = name.to_str().ok().and_then(|name| klp.get_key_value(name))
            && seen.insert(name)
        {
            warnings.push(warn(owner.clone(), StillNamed::Version(name.clone())));
        }
    }
    warnings
}

/// The new `depends=` without some objects; `None` if it names none of them.
pub(super) fn plan_depends(
    module: &Module<'_>,
    gone: &BTreeSet<ObjectName>,
) -> Option<PlannedDepends> {
    let section = module.sections_named(b".modinfo").next()?;
    let lists = module.modinfo().filter(|(key, _)| *key == b"depends");
    let (old, new) =
        lists.map(|(_, old)| (old, without(old, gone))).find(|(old, new)| old != new)?;
    let text = |list: &[u8]| list.to_str_lossy().into_owned();
    let (from, to) = (text(old), text(&new));
    Some(PlannedDepends { section: section.index, from, to, removed: gone.clone() })
}

/// A list of modules without those in `gone`.
pub(super) fn without(list: &[u8], gone: &BTreeSet<ObjectName>) -> Vec<u8> {
    let kept = list.split(|&byte| byte == b',').filter(|name| {
        let object = name.to_str().ok().and_then(|name| name.parse::<ObjectName>().ok());
        object.is_none_or(|object| !gone.contains(&object))
    });
    bstr::join(",", kept)
}

/// The new bodies of the sections that the plan changes here.
pub(super) fn bodies(module: &Module<'_>, plan: &Plan) -> Vec<(SectionIndex, Vec<u8>)> {
    let mut bodies = Vec::new();
    for table in VersionTable::all(module) {
        let index = table.section.index;
        let Some(planned) = plan.versions.iter().find(|p| p.section.index == index) else {
            continue;
        };
        let removed: BTreeSet<_> = planned.removed.iter().map(|entry| entry.index).collect();
        let entries = table.entries.iter().enumerate();
        let kept = entries.filter(|(entry, _)| !removed.contains(entry));
        let kept = kept.flat_map(|(_, (range, _))| table.body(module, range));
        let mut new: Vec<u8> = kept.copied().collect();
        // What follows the last entry stays, as does a string's terminator.
        let end = table.entries.last().map_or(0, |(range, _)| range.end);
        new.extend(module.body(index).get(end..).unwrap_or_default());
        bodies.push((index, new));
    }
    if let Some(depends) = &plan.depends {
        bodies.push((depends.section, modinfo(module.body(depends.section), &depends.removed)));
    }
    bodies
}

/// `.modinfo` with shorter lists of modules, padded with NULs: symbols keep their offsets, and
/// readers of the section skip NULs.
fn modinfo(body: &[u8], gone: &BTreeSet<ObjectName>) -> Vec<u8> {
    let mut new = Vec::with_capacity(body.len());
    for entry in body.split_inclusive(|&byte| byte == 0) {
        let end = new.len().saturating_add(entry.len());
        let list = entry.strip_prefix(DEPENDS);
        match list.map(|list| list.strip_suffix(b"\0").unwrap_or(list)) {
            Some(list) => {
                new.extend(DEPENDS);
                new.extend(without(list, gone));
                new.resize(end, 0);
            }
            None => new.extend(entry),
        }
    }
    new
}

/// The new sizes of symbols that cover a shortened table.
pub(super) fn sizes(module: &Module<'_>, plan: &Plan) -> Vec<(SymbolIndex, u64)> {
    let mut sizes = Vec::new();
    for (table, planned) in VersionTable::all(module).into_iter().flat_map(|table| {
        let index = table.section.index;
        let planned = plan.versions.iter().find(|planned| planned.section.index == index);
        planned.map(|planned| (table, planned))
    }) {
        let removed = planned.removed.iter().filter_map(|entry| table.entries.get(entry.index));
        let bytes: u64 =
            removed.map(|(range, _)| u64::try_from(range.len()).unwrap_or_default()).sum();
        let size = table.section.sh_size.saturating_sub(bytes);
        let symbols = module.symbols_in(SymbolSection::Defined(table.section.index));
        let covering = symbols.filter(|symbol| table.is_covered_by(symbol));
        sizes.extend(covering.map(|symbol| (symbol.index, size)));
    }
    sizes
}
