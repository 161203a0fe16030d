//! Checks modules against one kernel.

use std::collections::{BTreeSet, HashSet};

use bstr::ByteSlice;
use klp_arch::Machine;
use rustc_hash::FxHashMap;

use super::replaced::replaced;
use super::simulation::{Simulated, Trial};
use super::{Tried, Verdict, audit};
use crate::elf::{Module, SectionFlags, SymbolIndex, SymbolSection};
use crate::findings::{Collector, Consequence, Error, Finding, Refusal, Rule, Warning};
use crate::intermediate;
use crate::load::{self, SimulatedKernel, TargetKernel};
use crate::name::{KlpSection, KlpSymbol, SYMBOL_NAME_MAX};
use crate::options::Options;
use crate::patch::{PatchedObjects, Tables};
use crate::resolve::{self, Query, Request, Resolution, Resolve, Resolver};
use crate::rules;
use crate::site::Sites;
use crate::symbols::{Answer, Sources, SymbolError, Wanted};
use crate::target;

/// A kernel to check modules against.
///
/// Made for many modules at once: [`Judge::wanted`] gives the names of each, the sources are
/// searched once for all of them, and any thread may judge.
#[derive(Debug, Clone, Copy)]
pub struct Judge<'a> {
    /// What the sources know about the names; `None` without sources.
    pub answer: Option<&'a Answer>,
    /// Uses `target`, `patched` and `allow_stale_map`.
    pub options: &'a Options,
}

impl Judge<'_> {
    /// The names to look up in the sources before a module can be judged.
    ///
    /// # Errors
    /// [`Error::Machine`].
    pub fn wanted<'m>(module: &Module<'m>) -> Result<Vec<&'m str>, Error> {
        Ok(load::wanted(module, target::machine(module)?))
    }

    /// The verdict on a module.
    ///
    /// # Errors
    /// [`Error`]: the module is for another kernel or an unknown machine.
    pub fn judge(&self, module: &Module<'_>) -> Result<Verdict, Error> {
        let machine = target::machine(module)?;
        let tables = Tables::of(module, machine);
        let patched = PatchedObjects::by(&tables, &self.options.patched);
        let mut found = Collector::new(self.options.all);
        rules::collect(module, machine, self.options.target, &mut found);
        let passed_over = rules::passed_over(module).map(Refusal::PassedOver);
        let unfinished = rules::unfinished(module).map(Refusal::Unfinished);
        found.extend(passed_over.chain(unfinished).map(Finding::from));
        found.extend(unopened(module, machine, &patched));
        let mut tried = Tried::NoSymbols;
        if let Some(answer) = self.answer {
            match target::same_kernel(module, machine, answer, self.options) {
                // Other modules do not need it.
                Err(Error::NoLivepatching) if !module.is_livepatch() => {}
                other => other?,
            }
            replaced(module, machine, &tables, &patched, answer, self.options, &mut found);
            let names = Names::of(module);
            let unplaced = if let Some(name) = names.unexported_all(answer) {
                Some(name)
            } else {
                names.unresolved(machine, answer, &mut found);
                names.unplaced(machine, answer)
            };
            tried = unplaced.map_or(Tried::At(0), Tried::NoAddress);
        }
        if let (Some(answer), Tried::At(count)) = (self.answer, &mut tried) {
            let kernel = TargetKernel::of(machine, self.options.target, module, Some(answer));
            let known = SimulatedKernel::of(answer, machine, &kernel);
            let all = self.options.all;
            let patched = &patched;
            let trial = Trial { module, machine, kernel: &kernel, known: &known, patched, all };
            let simulated = trial.run();
            *count = simulated.placements;
            let mut found_before = found.into_vec();
            if simulated.stopped {
                found_before.extend(load::misread(module));
            } else {
                for finding in &mut found_before {
                    ignore_unreached(finding, &simulated);
                }
            }
            let mut united = Collector::new(all);
            unite(found_before, simulated.findings, &mut united);
            found = united;
            found.extend(audit::unknown_exports(module, answer));
        }
        if !matches!(tried, Tried::At(_)) {
            found.extend(load::misread(module));
        }
        found.extend(audit::audit(module, machine, self.answer));
        Ok(Verdict { findings: found.into_vec(), tried })
    }
}

impl Judge<'_> {
    /// A warning about a file whose compression the kernel's own decompressor does not support,
    /// unless the kernel is known to have none.
    #[must_use]
    pub fn compressed(&self, module: &Module<'_>, objection: &str) -> Option<Finding> {
        let machine = target::machine(module).ok()?;
        let kernel = TargetKernel::of(machine, self.options.target, module, self.answer);
        let may = kernel.decompresses != Some(false);
        may.then(|| Warning::Incompressible(objection.to_owned()).into())
    }
}

/// Gates that never arrive for this livepatch, each at its first relocation.
fn unopened(
    module: &Module<'_>,
    machine: &'static Machine,
    patched: &PatchedObjects,
) -> Vec<Finding> {
    let sites = Sites::new(module, machine);
    let mut gates = BTreeSet::new();
    let tables = module.relocation_sections();
    let klp = tables.filter(|table| table.sh_flags.contains(SectionFlags::RELA_LIVEPATCH));
    let refusals = klp.filter_map(|table| {
        let KlpSection { gate, .. } = table.name.to_str_lossy().parse().ok()?;
        let first = module.relocations(table.index).next()?;
        if patched.opens(&gate) || !gates.insert(gate.clone()) {
            return None;
        }
        let site = sites.describe(table.index, 0, first);
        Some(Finding::from(Refusal::GateNotPatched { gate }).at(site))
    });
    refusals.collect()
}

/// A broken rule for which a kernel refuses other modules, but not this one: it never comes to what breaks it.
fn ignore_unreached(finding: &mut Finding, simulated: &Simulated) {
    let is_of_enabling = finding.refusal().is_some_and(Refusal::is_of_enabling);
    // Whether bytes that were written before are zero depends on addresses.
    let is_reached = finding.rule() == Some(Rule::PlaceTwice) && simulated.stopped_somewhere;
    let unreached = finding.rule().is_some() && !is_reached || simulated.never && is_of_enabling;
    if unreached && finding.consequence == Some(Consequence::Refused) {
        finding.consequence = Some(Consequence::Ignored);
    }
}

/// Adds the findings of simulated loads to the others. One that is known already only gets the
/// kernel's message. A module may have many thousands of either.
fn unite(mut found: Vec<Finding>, simulated: Vec<Finding>, united: &mut Collector) {
    let mut known: FxHashMap<_, Vec<usize>> = FxHashMap::default();
    for (index, finding) in found.iter().enumerate() {
        if let Some(subject) = finding.subject() {
            known.entry(subject).or_default().push(index);
        }
    }
    let mut others = Vec::new();
    for finding in simulated {
        let same = finding.subject().and_then(|subject| known.get(&subject));
        let Some(same) = same else {
            others.push(finding);
            continue;
        };
        for &index in same {
            if let Some(known) = found.get_mut(index).filter(|known| known.kernel.is_none()) {
                known.kernel.clone_from(&finding.kernel);
                if finding.consequence == Some(Consequence::Corrupted) && !finding.is_rare() {
                    known.consequence = finding.consequence;
                }
            }
        }
        // Those left out of the loads are not among the known ones.
        if let Some(known) = same.last().and_then(|&index| found.get_mut(index)) {
            known.more = known.more.saturating_add(finding.more);
        }
    }
    united.extend(found.into_iter().chain(others));
}

/// Adds similar names to names that are not found; takes another pass over the sources if there are
/// any.
///
/// # Errors
/// The first [`SymbolError`] of a source.
pub fn suggest<'v>(
    verdicts: impl IntoIterator<Item = &'v mut Verdict>,
    sources: &Sources,
) -> Result<(), SymbolError> {
    let findings = verdicts.into_iter().flat_map(|verdict| &mut verdict.findings);
    let mut unresolved: Vec<_> = findings.filter_map(Finding::unresolved_mut).collect();
    resolve::suggest(sources, &mut unresolved)
}

/// Judges one module, given its bytes and sources of its kernel's symbols.
///
/// # Errors
/// [`Error`]: the file is not a module, it is for another kernel, or a source cannot be read.
pub fn check(data: &[u8], sources: &Sources, options: &Options) -> Result<Verdict, Error> {
    let module = Module::parse_as_kernel(data)?;
    let answer = if sources.is_empty() {
        None
    } else {
        let wanted = Wanted::new(Judge::wanted(&module)?);
        Some(sources.answer(&wanted.of_release(target::built_for(&module)))?)
    };
    let mut verdict = Judge { answer: answer.as_ref(), options }.judge(&module)?;
    suggest([&mut verdict], sources)?;
    Ok(verdict)
}

/// The names that the kernel will look up.
struct Names<'data> {
    klp: Vec<(SymbolIndex, KlpSymbol)>,
    undefined: Vec<(SymbolIndex, &'data str, bool)>,
}

impl<'data> Names<'data> {
    fn of(module: &Module<'data>) -> Self {
        let mut names = Self { klp: Vec::new(), undefined: Vec::new() };
        for symbol in module.symbols().skip(1) {
            match symbol.section {
                SymbolSection::Livepatch => {
                    let klp = symbol.name.to_str_lossy().parse();
                    names.klp.extend(klp.map(|klp| (symbol.index, klp)));
                }
                // Findings about it do not depend on the kernel.
                SymbolSection::Undefined if intermediate::awaits_post_link(&symbol) => {}
                SymbolSection::Undefined => {
                    let name = std::str::from_utf8(symbol.name);
                    names.undefined.extend(name.map(|name| (symbol.index, name, symbol.is_weak())));
                }
                _ => {}
            }
        }
        names
    }

    /// An undefined name, if the sources do not have vmlinux's exports: a boot image without data
    /// symbols.
    fn unexported_all(&self, answer: &Answer) -> Option<String> {
        if answer.kernel().kallsyms_all != Some(false) {
            return None;
        }
        let exports = |name| answer.export(name).is_some_and(|export| export.owner.is_vmlinux());
        let none = !self.undefined.iter().any(|(_, name, _)| exports(name));
        self.undefined.first().filter(|_| none).map(|(_, name, _)| (*name).to_owned())
    }

    /// Names that the kernel would not find, and names that no ordinary relocation can bind.
    fn unresolved(&self, machine: &Machine, answer: &Answer, found: &mut Collector) {
        let resolver = Resolver::new(answer);
        let about = |refusal, symbol| Finding::from(refusal).about(symbol);
        let klp = self.klp.iter();
        found.extend(
            klp.filter_map(|(index, klp)| Some(about(klp_symbol(klp, &resolver)?, *index))),
        );
        // The simulated load decides whether an export is for this module.
        let unexported = self.undefined.iter().filter(|(_, name, _)| answer.export(name).is_none());
        // The kernel stops at the first symbol of a name.
        let mut seen = HashSet::new();
        let new = |(_, name, weak): &&(_, &'data str, bool)| {
            // Of names that no symbol has only those at one place count as one: they may be gigabytes.
            let long = name.len() > SYMBOL_NAME_MAX;
            seen.insert((if long { Err(name.as_ptr()) } else { Ok(*name) }, *weak))
        };
        for &(index, name, weak) in unexported.filter(new) {
            let query = Query { name, weak, loader: is_loaders(machine, name), annotation: None };
            let refusal = undefined_symbol(&query, &resolver);
            found.extend(refusal.map(|refusal| about(refusal, index)));
        }
    }

    /// A symbol that exists, but whose address no source has.
    fn unplaced(&self, machine: &Machine, answer: &Answer) -> Option<String> {
        let placed = |name: &str, object| {
            let mut candidates = answer.candidates_in(name, object);
            candidates.any(|candidate| candidate.address.is_some())
        };
        let klp = self.klp.iter().find_map(|(_, klp)| {
            let name = klp.symbol.as_str();
            let known = answer.candidates_in(name, &klp.owner).next().is_some();
            (known && !placed(name, &klp.owner)).then(|| klp.to_string())
        });
        klp.or_else(|| {
            let unplaced = self.undefined.iter().find(|(_, name, _)| {
                let export = answer.export(name).filter(|_| !is_loaders(machine, name));
                export.is_some_and(|export| !placed(name, &export.owner))
            });
            unplaced.map(|(_, name, _)| (*name).to_owned())
        })
    }
}

/// Whether the loader needs no export of this name.
fn is_loaders(machine: &Machine, name: &str) -> bool {
    machine.loader_symbol(name.as_bytes()).is_some_and(|symbol| symbol.needs_no_export())
}

fn klp_symbol(klp: &KlpSymbol, resolve: &dyn Resolve) -> Option<Refusal> {
    let annotation = Request { owner: klp.owner.clone(), gate: None, which: klp.position.into() };
    let name = klp.symbol.as_str();
    let query = Query { name, weak: false, loader: false, annotation: Some(&annotation) };
    let reason = resolve.resolve(&query).err()?;
    Some(Refusal::Unresolved { gate: None, reason: Box::new(reason) })
}

fn undefined_symbol(query: &Query<'_>, resolve: &dyn Resolve) -> Option<Refusal> {
    match resolve.resolve(query) {
        // The kernel leaves a weak symbol at 0.
        Ok(Resolution::Klp(_)) if query.weak => None,
        Ok(Resolution::Klp(_)) => Some(Refusal::NotConverted { name: query.name.to_owned() }),
        Ok(_) => None,
        Err(_) if query.weak => None,
        Err(reason) => Some(Refusal::Unresolved { gate: None, reason: Box::new(reason) }),
    }
}
