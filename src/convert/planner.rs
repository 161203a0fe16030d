//! Turns a module and a resolver into a [`Plan`], or lists every reason why it cannot.
//!
//! Every undefined symbol is looked up once; every relocation against one that must become a klp
//! symbol is assigned to its gate. Errors are collected, never reported one by one. The rules are
//! those of `kernel/livepatch/core.c` and of the machine's loader; nothing here names a machine.
//! `patched` finds the gate.

mod annotated;
mod arch_sections;
mod dependencies;
mod patched;
mod recorded;

use std::cell::{Cell, OnceCell};
use std::collections::{BTreeMap, BTreeSet};

use bstr::ByteSlice;
use klp_arch::Machine;
use rustc_hash::FxHashMap;

use super::plan::{Exported, Named, Plan, PlannedEntry, PlannedSection, PlannedSymbol};
use crate::annotation::{Annotations, Selector};
use crate::elf::{
    Module, Rela, Section, SectionFlags, SectionIndex, Symbol, SymbolIndex, SymbolSection,
};
use crate::findings::{Collector, Finding, Refusal, Warning};
use crate::intermediate::{ArchSection, Intermediate, RecordError};
use crate::name::{KlpSection, KlpSymbol, ObjectName};
use crate::options::Options;
use crate::patch::{Gates, PatchedObjects, Tables};
use crate::resolve::{self, Basis, Query, Resolution, Resolve};
use crate::rules::arch_sections::ReadLate;
use crate::rules::{self, gate_timing};
use crate::site::Sites;

/// A plan, and what the user should know.
#[derive(Debug)]
pub struct Planned {
    /// What changes.
    pub plan: Plan,
    /// What is allowed but may be a mistake.
    pub warnings: Vec<Finding>,
}

/// Plans the conversion of a module.
///
/// # Errors
/// Every reason against the conversion: only an unfinished module of another tool or unreadable
/// annotations, or else every unresolved symbol and every relocation that cannot be converted.
pub fn plan(
    module: &Module<'_>,
    machine: &'static Machine,
    tables: &Tables<'_>,
    resolve: &dyn Resolve,
    options: &Options,
) -> Result<Planned, Vec<Finding>> {
    let recorded = match Intermediate::read(module, machine) {
        Ok(recorded) => recorded,
        Err(errors) => return Err(refused(errors, options)),
    };
    let arch_sections = arch_sections::plan(module, machine, recorded.as_ref(), options)?;
    if recorded.is_none() {
        if let Some(unfinished) = rules::unfinished(module) {
            return Err(vec![Refusal::Unfinished(unfinished).into()]);
        }
        if options.only_recorded {
            return Ok(Planned { plan: Plan::default(), warnings: Vec::new() });
        }
    }
    let patched = PatchedObjects::by(tables, &options.patched);
    let annotations = Annotations::read(module).map_err(|errors| {
        let refusals = errors.into_iter().map(Refusal::Annotation);
        refusals.map(Finding::from).collect::<Vec<_>>()
    })?;
    let mut annotations = annotations;
    let keeps_records =
        options.keep_intermediates && recorded.as_ref().is_some_and(|all| all.may_stay);
    if let Some(recorded) = &recorded
        && !keeps_records
    {
        let originals = arch_sections.iter().flat_map(ArchSection::originals);
        annotations.include(module, &recorded.sections.iter().copied().chain(originals).collect());
    }
    let mut planner = Planner {
        module,
        machine,
        resolve,
        allow_undeclared: options.allow_undeclared_dependency,
        gates: Gates::new(module, machine, tables, &patched),
        tables,
        patched: &patched,
        sites: Sites::new(module, machine),
        annotations,
        uses: OnceCell::new(),
        klp: FxHashMap::default(),
        keeps_records,
        replaced: BTreeSet::new(),
        shadows: BTreeSet::new(),
        exports_unknown: false,
        late: ReadLate::of(module, machine, options.target).and(machine, &arch_sections),
        plan: Plan { arch_sections, ..Plan::default() },
        needed: OnceCell::new(),
        unknown_dependencies: BTreeSet::new(),
        found: Collector::new(options.all),
    };
    planner.check_tables();
    planner.resolve_symbols(recorded.as_ref());
    planner.move_relocations(recorded.as_ref());
    planner.check_uses();
    planner.remove_annotations();
    planner.remove_dependencies();
    let Planner { plan, found, .. } = planner;
    let (refusals, warnings): (Vec<_>, _) =
        found.into_vec().into_iter().partition(Finding::is_error);
    if refusals.is_empty() { Ok(Planned { plan, warnings }) } else { Err(refusals) }
}

fn refused(errors: Vec<RecordError>, options: &Options) -> Vec<Finding> {
    let mut found = Collector::new(options.all);
    found.extend(errors.into_iter().map(Refusal::Record).map(Finding::from));
    found.into_vec()
}

/// A symbol that becomes a klp symbol, and the gate of its relocations if the author gives one.
struct Klp {
    symbol: KlpSymbol,
    gate: Option<ObjectName>,
    used: Cell<bool>,
}

struct Planner<'m, 'data> {
    module: &'m Module<'data>,
    machine: &'static Machine,
    resolve: &'m dyn Resolve,
    allow_undeclared: bool,
    tables: &'m Tables<'data>,
    patched: &'m PatchedObjects,
    gates: Gates<'m, 'data>,
    sites: Sites<'m, 'data>,
    annotations: Annotations,
    /// Each symbol's first relocation; built at the first error.
    uses: OnceCell<BTreeMap<SymbolIndex, (SectionIndex, usize, Rela)>>,
    klp: FxHashMap<SymbolIndex, Klp>,
    /// Whether the records of another tool stay.
    keeps_records: bool,
    /// Plain relocations in the place of recorded ones, by section and entry.
    replaced: BTreeSet<(SectionIndex, usize)>,
    /// Their symbols, if nothing else needs them.
    shadows: BTreeSet<SymbolIndex>,
    /// Whether no source has exports.
    exports_unknown: bool,
    /// Special sections that the kernel reads once relocations for an object are written.
    late: ReadLate,
    plan: Plan,
    /// The owners of what stays an ordinary symbol; built at the first gate that needs them.
    needed: OnceCell<BTreeSet<ObjectName>>,
    /// Gates and owners of which no source knows whether one depends on the other.
    unknown_dependencies: BTreeSet<(ObjectName, ObjectName)>,
    found: Collector,
}

impl Planner<'_, '_> {
    /// Looks up every klp symbol that is recorded, and every undefined symbol.
    fn resolve_symbols(&mut self, recorded: Option<&Intermediate>) {
        let mut first: BTreeMap<KlpSymbol, SymbolIndex> = BTreeMap::new();
        let livepatch = self.module.symbols_in(SymbolSection::Livepatch);
        for symbol in livepatch {
            if let Ok(klp) = symbol.name.to_str_lossy().parse() {
                first.entry(klp).or_insert(symbol.index);
            }
        }
        if let Some(recorded) = recorded {
            self.take_records(recorded, &mut first);
        }
        // The first one is the null symbol.
        for symbol in self.module.symbols_in(SymbolSection::Undefined).skip(1) {
            let is_recorded = recorded.is_some_and(|all| all.symbol(symbol.index).is_some());
            if is_recorded || self.shadows.contains(&symbol.index) {
                continue;
            }
            match self.resolve_symbol(&symbol) {
                Ok(Some((klp, basis))) => {
                    let same_as = first.get(&klp).copied();
                    first.entry(klp.clone()).or_insert(symbol.index);
                    let name = symbol.name.to_str_lossy().into_owned();
                    let (index, new) = (symbol.index, None);
                    self.plan.symbols.push(PlannedSymbol { index, name, klp, same_as, basis, new });
                }
                Ok(None) => {}
                Err(refusal) => self.found.push(refusal),
            }
        }
        self.plan.symbols.sort_by_key(|symbol| symbol.index);
    }

    /// The klp symbol that an undefined symbol becomes; `None`: it stays.
    fn resolve_symbol(
        &mut self,
        symbol: &Symbol<'_>,
    ) -> Result<Option<(KlpSymbol, Basis)>, Finding> {
        let text = symbol.name.to_str().map_err(|_| Refusal::NotUtf8 {
            symbol: symbol.index,
            name: symbol.name.to_str_lossy().into_owned(),
        })?;
        let annotation = self.annotations.get(symbol.index);
        let written = annotation.map(resolve::Request::from);
        let query = Query {
            name: annotation.map_or(text, |a| a.name.as_str()),
            weak: symbol.is_weak(),
            // The loader would not recognise it under another name.
            loader: self.machine.loader_symbol(symbol.name).is_some(),
            annotation: written.as_ref(),
        };
        let resolution = self.resolve.resolve(&query).map_err(|reason| {
            let gate = annotation.and_then(|a| a.gate.clone());
            let refusal = Refusal::Unresolved { gate, reason: Box::new(reason) };
            Finding::from(refusal).about(symbol.index).at(self.first_use(symbol.index))
        })?;
        match resolution {
            Resolution::Klp(klp) => {
                self.warn_about(&klp, annotation.map(|a| &a.which).cloned().as_ref());
                let (name, gate, used) = (klp.symbol.clone(), klp.gate, Cell::new(false));
                self.klp.insert(symbol.index, Klp { symbol: name, gate, used });
                Ok(Some((klp.symbol, klp.basis)))
            }
            Resolution::Export(export) => {
                let name = text.to_owned();
                self.plan.exported.push(Exported { name, owner: export.owner });
                Ok(None)
            }
            Resolution::NoSource => {
                self.exports_unknown = true;
                Ok(None)
            }
            Resolution::Loader | Resolution::WeakMissing => Ok(None),
        }
    }

    /// Warns about a symbol that is found, but may not be the one that is meant, or not be there.
    fn warn_about(&mut self, klp: &resolve::Klp, which: Option<&Selector>) {
        let symbol = || klp.symbol.clone();
        if klp.order_unproven() {
            self.found.push(Warning::PositionUnproven { klp: symbol() }.into());
        }
        match &klp.candidate {
            Some(candidate) if candidate.init => {
                self.found.push(Warning::InitMemory { klp: symbol() }.into());
            }
            Some(candidate) if candidate.drifts() => {
                self.found.push(Warning::PositionDrifts { klp: symbol() }.into());
            }
            _ => {}
        }
        if let (Some(Selector::InFile(said)), Some(candidate)) = (which, &klp.candidate)
            && let Some(known) = candidate.file.as_ref().filter(|f| said.says_more_than(f))
            && !self.resolve.is_only_file(&klp.symbol.owner, known)
        {
            let (said, known) = (said.to_string(), known.clone());
            self.found.push(Warning::FileUnproven { klp: symbol(), said, known }.into());
        }
        if klp.candidate.is_none() && klp.basis == Basis::Exported {
            self.found.push(Warning::OwnerUnknown { klp: symbol() }.into());
        }
        let gate = klp.gate.as_ref();
        if gate.is_some_and(ObjectName::is_vmlinux) && !klp.symbol.owner.is_vmlinux() {
            self.found.push(Warning::OwnerNotAwaited { klp: symbol() }.into());
        }
    }

    /// Moves every relocation against a klp symbol that the kernel would apply.
    fn move_relocations(&mut self, recorded: Option<&Intermediate>) {
        let module = self.module;
        let existing = self.klp_sections();
        for section in module.relocation_sections() {
            let klp = section.sh_flags.contains(SectionFlags::RELA_LIVEPATCH);
            let records = recorded.is_some_and(|all| all.sections.contains(&section.index));
            if klp || records || self.annotations.sections.contains(&section.index) {
                continue;
            }
            for (gate, entries) in self.entries_by_gate(section) {
                let target = SectionIndex::new(section.sh_info);
                let name = module.section(target).map(|t| t.name.to_str_lossy().into_owned());
                let to = KlpSection { gate, section: name.unwrap_or_default() };
                let key = to.to_string();
                self.plan.sections.push(PlannedSection {
                    from: Named { index: section.index, name: section.name.to_str_lossy().into() },
                    target,
                    existing: existing.get(&(key.into_bytes(), section.sh_info)).copied(),
                    recorded: false,
                    to,
                    entries,
                });
            }
        }
    }

    /// The entries that move out of one plain section, in its order.
    fn entries_by_gate(
        &mut self,
        section: &Section<'_>,
    ) -> BTreeMap<ObjectName, Vec<PlannedEntry>> {
        let mut by_gate: BTreeMap<ObjectName, Vec<PlannedEntry>> = BTreeMap::new();
        let mut needs = BTreeMap::new();
        for (entry, rela) in self.module.relocations(section.index).enumerate() {
            let Some(klp) = self.klp.get(&rela.symbol) else { continue };
            if self.replaced.contains(&(section.index, entry)) {
                continue;
            }
            klp.used.set(true);
            let Some(target) = self.loaded_target(section) else { continue };
            let placed = self.gate(target, rela, klp).and_then(|gate| {
                self.check_location(target, rela, klp, &gate)?;
                Ok(gate)
            });
            let gate = match placed {
                Ok(gate) => {
                    needs.insert((gate.clone(), klp.symbol.owner.clone()), (entry, rela));
                    gate
                }
                Err(refusal) => {
                    let site = || self.sites.describe(section.index, entry, rela);
                    self.found.push_at(refusal.into(), site);
                    continue;
                }
            };
            let planned =
                PlannedEntry { entry, rela, relocation: self.sites.relocation_name(rela.kind) };
            by_gate.entry(gate).or_default().push(planned);
        }
        for ((gate, owner), (entry, rela)) in needs {
            self.check_dependency(gate, owner, &|sites| sites.describe(section.index, entry, rela));
        }
        by_gate
    }

    /// The section that a relocation section patches, if the kernel loads it.
    ///
    /// Relocations of sections that are not loaded (debug information) stay where they are: the
    /// kernel's `apply_relocations` skips them.
    fn loaded_target(&self, section: &Section<'_>) -> Option<&Section<'_>> {
        let target = self.module.section(SectionIndex::new(section.sh_info))?;
        target.sh_flags.contains(SectionFlags::ALLOC).then_some(target)
    }

    /// Checks that the kernel would write this relocation when its gate arrives.
    fn check_location(
        &self,
        target: &Section<'_>,
        rela: Rela,
        klp: &Klp,
        gate: &ObjectName,
    ) -> Result<(), Refusal> {
        if klp.symbol.owner.is_vmlinux() && !gate.is_vmlinux() {
            return Err(Refusal::GatedVmlinuxSymbol { gate: gate.clone() });
        }
        if !self.patched.opens(gate) {
            return Err(Refusal::GateNotPatched { gate: gate.clone() });
        }
        gate_timing::check(target, gate, self.machine, &self.late).map_err(|reason| {
            let (name, gate) = (klp.symbol.symbol.clone(), gate.clone());
            Refusal::Misplaced { name, gate, reason }
        })?;
        let Some(row) = self.machine.row(rela.kind) else {
            return Err(Refusal::UnknownRelocation);
        };
        let facts = gate_timing::facts(target, Some(gate), b"");
        let body = self.module.body(target.index);
        self.machine.check_site(row, &facts, body, rela.offset).map_err(Refusal::Place)
    }

    /// The first relocation that uses a symbol, outside annotations.
    fn first_use(&self, symbol: SymbolIndex) -> Option<crate::site::Site> {
        let uses = self.uses.get_or_init(|| {
            let mut uses = BTreeMap::new();
            for section in self.module.relocation_sections() {
                if self.annotations.sections.contains(&section.index) {
                    continue;
                }
                for (entry, rela) in self.module.relocations(section.index).enumerate() {
                    uses.entry(rela.symbol).or_insert((section.index, entry, rela));
                }
            }
            uses
        });
        let &(section, entry, rela) = uses.get(&symbol)?;
        Some(self.sites.describe(section, entry, rela))
    }
}
