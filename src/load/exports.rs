//! A module's exports, and names that somebody else exports already.
//!
//! Each entry of the table locates the symbol, its name and its namespace, each by a 4-byte offset
//! or an 8-byte address. Sources: `kernel/module/main.c` (`find_module_sections`,
//! `verify_exported_symbols`, `find_symbol`), `include/linux/export-internal.h`.

use std::collections::BTreeSet;

use klp_arch::{Errno, KernelError};

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
    // Every field has a relocation.
    let count = u64::try_from(relocations.len()).unwrap_or(u64::MAX);
    let width = size.checked_div(count).filter(|width| matches!(width, 4 | 8)).unwrap_or(u64::MAX);
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

impl Loaded<'_> {
    /// An export whose name the kernel reads somewhere else when it compares names.
    pub(super) fn nameless_export(&self) -> Option<Finding> {
        all(self.module).into_iter().find(Option::is_none)?;
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
