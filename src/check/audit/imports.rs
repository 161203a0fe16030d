//! Modules that a livepatch makes the kernel load or hold without using them.
//!
//! modpost wrote `depends=` before the conversion, and a linker keeps undefined symbols that
//! nothing refers to any more: the kernel resolves them all and takes references on their modules.
//! Source: `kernel/module/main.c:simplify_symbols`, `resolve_symbol`.

use std::collections::BTreeSet;

use crate::convert;
use crate::elf::{Module, SectionFlags, SectionIndex, SymbolIndex, SymbolSection};
use crate::findings::{Finding, Warning};
use crate::symbols::{Answer, Export};

/// Warns about modules that a livepatch needs without using them.
pub(super) fn audit(module: &Module<'_>, answer: Option<&Answer>) -> Vec<Finding> {
    if !module.is_livepatch() {
        return Vec::new();
    }
    let mut warnings = Vec::new();
    let Some(answer) = answer else { return warnings };
    let used = used(module);
    let mut needed = BTreeSet::new();
    for symbol in module.symbols_in(SymbolSection::Undefined).skip(1) {
        let Ok(name) = std::str::from_utf8(symbol.name) else { continue };
        let of_module = |export: &&Export| !export.owner.is_vmlinux();
        let Some(export) = answer.export(name).filter(of_module) else { continue };
        needed.insert(export.owner.clone());
        if !used.contains(&symbol.index) {
            let (name, owner) = (name.to_owned(), export.owner.clone());
            warnings.push(Warning::UnusedImport { name, owner }.into());
        }
    }
    warnings.extend(convert::recorded(module, &needed));
    warnings
}

/// The symbols that relocations of loaded sections refer to.
fn used(module: &Module<'_>) -> BTreeSet<SymbolIndex> {
    let loaded = module.relocation_sections().filter(|table| {
        let target = module.section(SectionIndex::new(table.sh_info));
        target.is_some_and(|target| target.sh_flags.contains(SectionFlags::ALLOC))
    });
    loaded.flat_map(|table| module.relocations(table.index).map(|rela| rela.symbol)).collect()
}
