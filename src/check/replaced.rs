//! Checks the functions that a livepatch replaces, and the modules that its objects need, against
//! the kernel.

use std::collections::BTreeSet;

use bstr::ByteSlice;
use klp_arch::Machine;
use rustc_hash::FxHashMap;

use crate::convert;
use crate::elf::{Module, SectionFlags, SymbolSection};
use crate::findings::{Finding, Refusal, Warning};
use crate::name::{KlpSection, KlpSymbol, ObjectName};
use crate::options::Options;
use crate::patch::{PatchedObjects, TableFunction, Tables};
use crate::resolve::{Resolve, Resolver};
use crate::site::{Site, Sites};
use crate::symbols::Answer;

/// Findings about the functions that a module replaces and the modules that it needs for that.
pub(super) fn replaced(
    module: &Module<'_>,
    machine: &'static Machine,
    tables: &Tables<'_>,
    patched: &PatchedObjects,
    answer: &Answer,
    options: &Options,
) -> Vec<Finding> {
    let resolver = Resolver::new(answer);
    let position = |function: &TableFunction<'_>| Some(function.old_sympos);
    let mut found = convert::check_replaced(module, machine, tables, &position, &resolver);
    if options.allow_undeclared_dependency {
        return found;
    }
    let needs = needs(module, machine);
    if needs.is_empty() {
        return found;
    }
    let undefined = module.symbols_in(SymbolSection::Undefined);
    let exports = undefined.filter_map(|s| answer.export(s.name.to_str().ok()?));
    let needed: BTreeSet<_> = exports.map(|export| export.owner.clone()).collect();
    for (site, gate, owner) in needs {
        // A relocation that waits forever cannot make the kernel refuse an object.
        if needed.contains(&owner) || !patched.opens(&gate) {
            continue;
        }
        match resolver.depends(&gate, &owner) {
            Some(true) => {}
            Some(false) => {
                found.push(Finding::from(Refusal::UndeclaredDependency { gate, owner }).at(site));
            }
            None => found.push(Warning::DependencyUnknown { gate, owner }.into()),
        }
    }
    found
}

/// Modules whose symbols are needed when another module arrives, each with the first such
/// relocation.
fn needs(module: &Module<'_>, machine: &'static Machine) -> Vec<(Site, ObjectName, ObjectName)> {
    let is_klp = |flags: SectionFlags| flags.contains(SectionFlags::RELA_LIVEPATCH);
    if !module.relocation_sections().any(|table| is_klp(table.sh_flags)) {
        return Vec::new();
    }
    let owners: FxHashMap<_, ObjectName> = module
        .symbols_in(SymbolSection::Livepatch)
        .filter_map(|s| Some((s.index, s.name.to_str().ok()?.parse::<KlpSymbol>().ok()?.owner)))
        .collect();
    let sites = Sites::new(module, machine);
    let (mut seen, mut needs) = (BTreeSet::new(), Vec::new());
    let tables = module.relocation_sections();
    for table in tables.filter(|table| is_klp(table.sh_flags)) {
        let Ok(KlpSection { gate, .. }) = table.name.to_str_lossy().parse() else { continue };
        for (entry, rela) in module.relocations(table.index).enumerate() {
            let Some(owner) = owners.get(&rela.symbol).filter(|owner| **owner != gate) else {
                continue;
            };
            if owner.is_vmlinux() || gate.is_vmlinux() || !seen.insert((gate.clone(), owner)) {
                continue;
            }
            let site = sites.describe(table.index, entry, rela);
            needs.push((site, gate.clone(), owner.clone()));
        }
    }
    needs
}
