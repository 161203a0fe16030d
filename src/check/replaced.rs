//! Checks the functions that a livepatch replaces, and the modules that its objects need, against
//! the kernel.

use std::collections::BTreeSet;

use bstr::ByteSlice;
use klp_arch::Machine;
use rustc_hash::FxHashMap;

use crate::convert;
use crate::elf::{Module, Rela, SectionFlags, SectionIndex, SymbolSection};
use crate::findings::{Collector, Refusal, Warning};
use crate::name::{KlpSection, KlpSymbol, ObjectName};
use crate::options::Options;
use crate::patch::{PatchedObjects, TableFunction, Tables};
use crate::resolve::{Resolve, Resolver};
use crate::site::Sites;
use crate::symbols::Answer;

/// Adds findings about the functions that a module replaces and the modules that it needs for that.
pub(super) fn replaced(
    module: &Module<'_>,
    machine: &'static Machine,
    tables: &Tables<'_>,
    patched: &PatchedObjects,
    answer: &Answer,
    options: &Options,
    found: &mut Collector,
) {
    let resolver = Resolver::new(answer);
    let position = |function: &TableFunction<'_>| Some(function.old_sympos);
    convert::check_replaced(module, machine, tables, &position, &resolver, found);
    if options.allow_undeclared_dependency {
        return;
    }
    let sites = Sites::new(module, machine);
    let needs = needs(module);
    if needs.is_empty() {
        return;
    }
    let undefined = module.symbols_in(SymbolSection::Undefined);
    let exports = undefined.filter_map(|s| answer.export(s.name.to_str().ok()?));
    let needed: BTreeSet<_> = exports.map(|export| export.owner.clone()).collect();
    for ((section, entry, rela), gate, owner) in needs {
        // A relocation that waits forever cannot make the kernel refuse an object.
        if needed.contains(&owner) || !patched.opens(&gate) {
            continue;
        }
        if gate.is_vmlinux() {
            let warning = Warning::LoadsOnlyWith { owner };
            found.push_at(warning.into(), || sites.describe(section, entry, rela));
            continue;
        }
        match resolver.depends(&gate, &owner) {
            Some(true) => {}
            Some(false) => {
                let refusal = Refusal::UndeclaredDependency { gate, owner };
                found.push_at(refusal.into(), || sites.describe(section, entry, rela));
            }
            None => found.push(Warning::DependencyUnknown { gate, owner }.into()),
        }
    }
}

/// An entry of a relocation section.
type Entry = (SectionIndex, usize, Rela);

/// Modules whose symbols are needed when another module, or the livepatch, arrives, each with the first such
/// relocation.
fn needs(module: &Module<'_>) -> Vec<(Entry, ObjectName, ObjectName)> {
    let is_klp = |flags: SectionFlags| flags.contains(SectionFlags::RELA_LIVEPATCH);
    if !module.relocation_sections().any(|table| is_klp(table.sh_flags)) {
        return Vec::new();
    }
    let owners: FxHashMap<_, ObjectName> = module
        .symbols_in(SymbolSection::Livepatch)
        .filter_map(|s| Some((s.index, s.name.to_str().ok()?.parse::<KlpSymbol>().ok()?.owner)))
        .collect();
    let (mut seen, mut needs) = (BTreeSet::new(), Vec::new());
    let tables = module.relocation_sections();
    for table in tables.filter(|table| is_klp(table.sh_flags)) {
        let Ok(KlpSection { gate, .. }) = table.name.to_str_lossy().parse() else { continue };
        for (entry, rela) in module.relocations(table.index).enumerate() {
            let Some(owner) = owners.get(&rela.symbol).filter(|owner| **owner != gate) else {
                continue;
            };
            if owner.is_vmlinux() || !seen.insert((gate.clone(), owner)) {
                continue;
            }
            needs.push(((table.index, entry, rela), gate.clone(), owner.clone()));
        }
    }
    needs
}
