//! A module's exports, and names that somebody else exports already.
//!
//! Each entry of the table locates the symbol, its name and its namespace, each by a 4-byte offset
//! or an 8-byte address. Sources: `kernel/module/main.c` (`find_module_sections`,
//! `verify_exported_symbols`, `find_symbol`), `include/linux/export-internal.h`.

use std::collections::BTreeSet;

use klp_arch::{Errno, KernelError};
use scroll::Pread;

use super::load_info::LoadInfo;
use super::{Bind, Loaded, TargetKernel};
use crate::elf::{Module, SectionFlags, SectionIndex, SymbolSection};
use crate::findings::{Consequence, Finding, Stage};
use crate::name::ObjectName;

/// The tables; since Linux 7.1 the kernel ignores the second.
const TABLES: [&[u8]; 2] = [b"__ksymtab", b"__ksymtab_gpl"];

/// The names that a module exports, in the order of its tables.
pub(crate) fn names<'m>(module: &Module<'m>) -> Vec<&'m str> {
    all(module).into_iter().flatten().collect()
}

/// Each export's name; `None` where the entry leads to none.
fn all<'m>(module: &Module<'m>) -> Vec<Option<&'m str>> {
    let tables = TABLES.iter().filter_map(|name| {
        let mut named = module.sections_named(name);
        named.find(|section| section.sh_flags.contains(SectionFlags::ALLOC))
    });
    tables.flat_map(|table| entries(module, table.index, table.sh_size)).collect()
}

fn entries<'m>(module: &Module<'m>, table: SectionIndex, size: u64) -> Vec<Option<&'m str>> {
    let target = |section: &&crate::elf::Section<'_>| section.sh_info == table.get();
    let Some(relocations) = module.relocation_sections().find(target) else { return Vec::new() };
    let relocations = module.relocations(relocations.index);
    let width = width(size, relocations.len()).unwrap_or(u64::MAX);
    let names = relocations.filter(|rela| (rela.offset / width) % 3 == 1);
    let name = |rela: crate::elf::Rela| {
        let symbol = module.symbol(rela.symbol)?;
        let SymbolSection::Defined(section) = symbol.section else { return None };
        let at = usize::try_from(symbol.st_value.checked_add_signed(rela.addend)?).ok()?;
        let text = module.body(section).get(at..)?;
        std::str::from_utf8(text.get(..memchr::memchr(0, text)?)?).ok()
    };
    if width == u64::MAX { Vec::new() } else { names.map(name).collect() }
}

/// Bytes of each field of a table of this size: every field has a relocation.
fn width(size: u64, relocations: usize) -> Option<u64> {
    let count = u64::try_from(relocations).ok()?;
    size.checked_div(count).filter(|width| matches!(width, 4 | 8))
}

impl Loaded<'_> {
    /// Whether the kernel finds no name in an entry of a table, once it is relocated.
    fn is_nameless(&self, table: usize) -> Option<bool> {
        let object = &self.info.object;
        let section = object.sections.get(table)?;
        let relocations = self.tables_for(table).map(|table| object.relas(table).count()).sum();
        let width = usize::try_from(width(section.sh_size, relocations)?).ok()?;
        let extent = section.extent?;
        let entries = self.memory.bytes(&extent).chunks_exact(width.checked_mul(3)?);
        let fields = entries.zip((width..).step_by(width.checked_mul(3)?));
        let mut addresses = fields.filter_map(|(entry, at)| {
            if width == size_of::<u64>() {
                return entry.pread_with::<u64>(width, object.endian()).ok();
            }
            let distance = entry.pread_with::<i32>(width, object.endian()).ok()?;
            let field = extent.address.wrapping_add(u64::try_from(at).ok()?);
            Some(field.wrapping_add_signed(distance.into()))
        });
        Some(addresses.any(|address| self.memory.at(address).is_none()))
    }

    /// An export whose name the kernel reads somewhere else when it compares names.
    pub(super) fn nameless_export(&self) -> Option<Finding> {
        let mut tables = TABLES.iter().filter_map(|name| self.info.object.find(name));
        let is_nameless = all(self.module).iter().any(Option::is_none)
            || tables.any(|table| self.is_nameless(table) == Some(true));
        if !is_nameless {
            return None;
        }
        let why =
            "an entry of its exports leads to no name: the kernel reads other memory".to_owned();
        Some(Finding::unnoticed(Stage::Form, Consequence::Corrupted, why))
    }
}

/// Refuses a name that vmlinux exports, or a module that this one imports from: those are certainly
/// loaded (`verify_exported_symbols`).
pub(super) fn verify(
    module: &Module<'_>,
    info: &LoadInfo<'_>,
    known: &dyn Bind,
) -> Result<(), Finding> {
    let exported = names(module);
    if exported.is_empty() {
        return Ok(());
    }
    let needed = needed(module, known);
    for name in exported {
        let there = |owner: &ObjectName| owner.is_vmlinux() || needed.contains(owner);
        let owner = known.exporters(name).into_iter().find(there);
        let Some(owner) = owner.filter(|owner| owner.as_str() != info.name) else { continue };
        let owner = if owner.is_vmlinux() { "kernel" } else { owner.as_str() };
        let module = &info.name;
        let message = format!("{module}: exports duplicate symbol {name} (owned by {owner})");
        let kernel = KernelError { errno: Errno::ENOEXEC, message };
        return Err(Finding::refused(Stage::Form, kernel));
    }
    Ok(())
}

/// The modules whose exports this one uses.
fn needed(module: &Module<'_>, known: &dyn Bind) -> BTreeSet<ObjectName> {
    let undefined = module.symbols_in(SymbolSection::Undefined).skip(1);
    let names = undefined.filter_map(|symbol| std::str::from_utf8(symbol.name).ok());
    names.filter_map(|name| Some(known.export(name)?.owner)).collect()
}

/// Constructors are in one of two tables, never in both (`find_module_sections`).
pub(super) fn constructors(info: &LoadInfo<'_>, kernel: &TargetKernel) -> Result<(), Finding> {
    let has = |name: &[u8]| {
        let mut sections = info.object.sections.iter();
        sections.any(|s| s.name == name && s.has(klp_arch::object::SHF_ALLOC))
    };
    if !(kernel.constructors && has(b".ctors") && has(b".init_array")) {
        return Ok(());
    }
    let message = format!("{}: has both .ctors and .init_array.", info.name);
    Err(Finding::refused(Stage::Validate, KernelError { errno: Errno::EINVAL, message }))
}
