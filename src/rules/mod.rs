//! The kernel's rules for a livepatch module, each a named check on a finished module.
//!
//! These run on a conversion's output before it gets its file name, and on any module given to
//! `check`. A rule names its kernel source and what the kernel does if it is broken: most are
//! refusals, the others are worse. Checks here need no map and no addresses.

pub(crate) mod arch_sections;
pub(crate) mod gate_timing;
mod module;
mod other_tools;
mod overlap;
mod passed_over;
mod relocations;
mod runtime_constants;
mod sections;
mod symbols;

pub(crate) use other_tools::{purpose, unfinished};
pub(crate) use passed_over::passed_over;

use klp_arch::{KernelVersion, Machine};
use rustc_hash::FxHashMap;

use crate::elf::{
    Module, Rela, Section, SectionFlags, SectionIndex, Symbol, SymbolIndex, SymbolSection,
};
use crate::findings::{Collector, Consequence, Finding, Rule};
use crate::site::Sites;

/// Checks a module against every rule of the target kernel.
#[must_use]
pub fn check(
    module: &Module<'_>,
    machine: &'static Machine,
    target: Option<KernelVersion>,
) -> Vec<Finding> {
    let mut found = Collector::new(true);
    collect(module, machine, target, &mut found);
    found.into_vec()
}

/// Checks like [`check`], and adds what is found.
pub(crate) fn collect(
    module: &Module<'_>,
    machine: &'static Machine,
    target: Option<KernelVersion>,
    found: &mut Collector,
) {
    collect_parts(module, machine, target, found, true);
}

/// Checks an object that is to be linked into a module: all but what only a whole module has.
pub(crate) fn collect_of_object(
    module: &Module<'_>,
    machine: &'static Machine,
    target: Option<KernelVersion>,
    found: &mut Collector,
) {
    collect_parts(module, machine, target, found, false);
}

fn collect_parts(
    module: &Module<'_>,
    machine: &'static Machine,
    target: Option<KernelVersion>,
    found: &mut Collector,
    whole: bool,
) {
    let sites = Sites::new(module, machine);
    let undefined = module.symbols_in(SymbolSection::Undefined).skip(1);
    let outside = undefined.chain(module.symbols_in(SymbolSection::Livepatch));
    let outside = outside.map(|symbol| (symbol.index, symbol)).collect();
    let mut checker = Checker { module, machine, target, sites, outside, found };
    if whole {
        module::check(&mut checker);
    }
    sections::check(&mut checker);
    symbols::check(&mut checker);
    relocations::check(&mut checker);
    overlap::check(&mut checker);
    runtime_constants::check(&mut checker);
    arch_sections::check(&mut checker);
}

/// The version of the kernel that a module is for: the one asked for, or else the one in its vermagic.
pub(crate) fn version(module: &Module<'_>, target: Option<KernelVersion>) -> KernelVersion {
    known_version(module, target).unwrap_or(KernelVersion::NEWEST)
}

/// The same; `None` if neither says one.
fn known_version(module: &Module<'_>, target: Option<KernelVersion>) -> Option<KernelVersion> {
    let built_for = || String::from_utf8_lossy(module.vermagic()?).parse().ok();
    target.or_else(built_for)
}

/// State shared by the checks: the module, its machine, and the findings.
struct Checker<'m, 'data> {
    module: &'m Module<'data>,
    machine: &'static Machine,
    target: Option<KernelVersion>,
    sites: Sites<'m, 'data>,
    /// Undefined symbols. They are few and stay in the cache, where the symbol table does not:
    /// every relocation needs them.
    outside: FxHashMap<SymbolIndex, Symbol<'data>>,
    found: &'m mut Collector,
}

impl<'m, 'data> Checker<'m, 'data> {
    fn broken(&mut self, rule: Rule, detail: impl Into<String>) {
        self.broken_with(rule, rule.consequence(), detail);
    }

    /// Like [`broken`](Self::broken), with the consequence of this case.
    fn broken_with(&mut self, rule: Rule, consequence: Consequence, detail: impl Into<String>) {
        self.found.push(Finding::broken(rule, consequence, detail.into()));
    }

    /// Like [`broken_with`](Self::broken_with), at an entry of a relocation section.
    fn broken_at(
        &mut self,
        rule: Rule,
        consequence: Consequence,
        (section, entry, rela): (SectionIndex, usize, Rela),
        what: String,
    ) {
        let finding = Finding::broken(rule, consequence, what);
        self.found.push_at(finding, || self.sites.describe(section, entry, rela));
    }

    /// Like [`broken`](Self::broken), about a symbol.
    fn broken_by(&mut self, rule: Rule, symbol: SymbolIndex, detail: String) {
        self.found.push(Finding::broken(rule, rule.consequence(), detail).about(symbol));
    }

    /// The version of the target kernel.
    fn version(&self) -> KernelVersion {
        version(self.module, self.target)
    }

    /// Relocation sections marked `SHF_RELA_LIVEPATCH`.
    fn klp_sections(&self) -> impl Iterator<Item = &'m Section<'data>> + use<'m, 'data> {
        let sections = self.module.sections().skip(1);
        sections.filter(|section| section.sh_flags.contains(SectionFlags::RELA_LIVEPATCH))
    }

    /// Whether the kernel applies relocations for this section at all. Those of the percpu template
    /// count, too: newer kernels apply them before it is copied.
    fn is_loaded(section: &Section<'_>) -> bool {
        section.sh_flags.contains(SectionFlags::ALLOC)
    }
}
