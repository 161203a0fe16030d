//! Loads a module in simulation, wherever the kernel may put it, and its objects before it, after
//! it and again.
//!
//! At each placement the module is loaded; then its gates arrive, either when it is enabled (the
//! object is loaded already) or after its init memory is freed, and leave. At the usual placement
//! each arrives again, at other addresses. Each run stops at the first fault, as the kernel does.
//! Source: `klp_init_object_loaded`, `klp_cleanup_module_patches_limited`.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use bstr::ByteSlice;
use klp_arch::{Fault, Machine};
use rustc_hash::{FxHashMap, FxHashSet};

use super::loading::Loading;
use crate::elf::{Module, Rela, SectionIndex, SymbolIndex, SymbolSection};
use crate::findings::{Aftermath, Collector, Encounter, Finding, Occasion, Reload};
use crate::load::{
    Bind, ExportedSymbol, Loaded, Loader, Lookup, Placement, Record, Refused, RegionKind,
    Relocated, TargetKernel,
};
use crate::name::{KlpSymbol, ObjectName};
use crate::patch::PatchedObjects;
use crate::site::Sites;

/// How far the symbols of reloaded modules move, in bytes: unlikely as the distance of two
/// functions, and aligned.
const MOVED: u64 = 0x12_3450;
/// How far reloaded modules' per-CPU variables move.
const MOVED_PER_CPU: u64 = 0x450;

/// Whether the objects are loaded before the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    ObjectsFirst,
    ModuleFirst,
}

/// One module, ready to be loaded.
pub(super) struct Trial<'t, 'm> {
    pub(super) module: &'m Module<'m>,
    pub(super) machine: &'static Machine,
    pub(super) kernel: &'t TargetKernel,
    pub(super) known: &'t dyn Bind,
    /// The objects that the kernel loads relocations for.
    pub(super) patched: &'t PatchedObjects,
    /// Whether all findings are kept, not only the first of each kind.
    pub(super) all: bool,
}

impl Trial<'_, '_> {
    /// Whether it passes a patch to the livepatch core.
    fn enables(&self) -> bool {
        self.module.symbols_in(SymbolSection::Undefined).any(|s| s.name == b"klp_enable_patch")
    }

    /// Loads it at every placement, in every order.
    pub(super) fn run(&self) -> Simulated {
        let mut runs = Runs {
            trial: self,
            sites: Sites::new(self.module, self.machine),
            entries: FxHashMap::default(),
            usual: true,
            stopped: false,
            stopped_somewhere: false,
            never: false,
            received: self.kernel.receive(self.module),
            findings: Collector::new(self.all),
            reloads: Vec::new(),
            keys: RandomState::new(),
            seen: FxHashSet::default(),
        };
        let usual = Placement::usual(self.machine, self.kernel);
        let mut extremes = Placement::extremes(self.machine, self.kernel);
        extremes.retain(|placement| *placement != usual);
        let placements: Vec<_> = std::iter::once(usual).chain(extremes).collect();
        for placement in &placements {
            let gated = runs.load(placement, Order::ObjectsFirst);
            if gated {
                runs.load(placement, Order::ModuleFirst);
            }
            runs.usual = false;
        }
        let Runs { mut findings, reloads, stopped, stopped_somewhere, never, .. } = runs;
        findings.extend(reloads.into_iter().map(Finding::from));
        let (findings, placements) = (findings.into_vec(), placements.len());
        Simulated { findings, placements, stopped, stopped_somewhere, never }
    }
}

/// What the simulated loads found.
pub(super) struct Simulated {
    /// Each finding once, then the objects that do not survive every reload.
    pub(super) findings: Vec<Finding>,
    /// At how many placements it was loaded.
    pub(super) placements: usize,
    /// Whether a load at the usual placement ended before everything was written.
    pub(super) stopped: bool,
    /// The same at any placement.
    pub(super) stopped_somewhere: bool,
    /// Whether the kernel never comes to enable the patch.
    pub(super) never: bool,
}

/// What was found so far.
struct Runs<'t, 'm> {
    trial: &'t Trial<'t, 'm>,
    sites: Sites<'m, 'm>,
    /// The index in the file of each relocation of a table: a module may have many thousands of
    /// findings.
    entries: FxHashMap<SectionIndex, FxHashMap<Rela, usize>>,
    /// Whether this is the usual placement.
    usual: bool,
    /// Whether a load at the usual placement ended early.
    stopped: bool,
    /// The same at any placement.
    stopped_somewhere: bool,
    /// Whether the kernel never calls the function that enables the patch.
    never: bool,
    /// The outcome after relocation, the same at every placement.
    received: Result<(), Refused>,
    findings: Collector,
    reloads: Vec<Reload>,
    keys: RandomState,
    /// Digests of the identities of the findings: a module may have many thousands.
    seen: FxHashSet<u64>,
}

impl<'t, 'm> Runs<'t, 'm> {
    /// A load ended early.
    fn stop(&mut self) {
        self.stopped |= self.usual;
        self.stopped_somewhere = true;
    }

    /// Loads once, and has every gate arrive, leave and arrive again; returns whether there are
    /// gates.
    fn load(&mut self, placement: &Placement, order: Order) -> bool {
        let Trial { module, machine, kernel, known, .. } = *self.trial;
        // If objects are reloaded, their slots and stubs are checked, too.
        let reloads = self.usual && order == Order::ModuleFirst;
        let record = if reloads { Record::Everything } else { Record::Truncated };
        let loader = Loader { machine, kernel, placement, record };
        let mut loaded = match loader.load_reporting(module, known, self.trial.all) {
            Ok(loaded) => loaded,
            Err(refused) => {
                let text = placement.bases.get(&RegionKind::Text).copied();
                self.stop();
                self.refused(refused, &Occasion::Load, text);
                return false;
            }
        };
        let text = loaded.regions().find(|(kind, ..)| *kind == RegionKind::Text);
        let text = text.map(|(_, base, _)| base);
        if let Err(refused) = self.received.clone() {
            self.stop();
            self.refused(refused, &Occasion::Load, text);
            return false;
        }
        let taken = loaded.enable(known);
        let enables = self.trial.enables();
        // Who does not enable it in its init function may do so in another way.
        let never = enables && !loaded.runs_init();
        if let Err(refused) = &taken
            && enables
            && !never
        {
            self.stop();
            self.refused(refused.clone(), &Occasion::Load, text);
            return false;
        }
        // The same at every placement, but for values that are truncated, which are reported as that.
        let unnoticed = if self.usual { loaded.unnoticed() } else { Vec::new() };
        if !unnoticed.is_empty() {
            self.refused(Refused(unnoticed), &Occasion::Load, text);
        }
        let mut seen = 0;
        self.truncated(&loaded, &mut seen, &Occasion::Load, text);
        if taken.is_err() || never {
            self.never |= never;
            return false;
        }
        let mut gates = loaded.gates();
        gates.retain(|gate| self.trial.patched.opens(gate));
        let mut arrived = Vec::new();
        if order == Order::ModuleFirst {
            loaded.free_init();
        }
        for gate in &gates {
            let occasion = match order {
                Order::ObjectsFirst => Occasion::Enable(gate.clone()),
                Order::ModuleFirst => Occasion::Arrival(gate.clone()),
            };
            let coming = Loading { known, object: gate };
            let there: &dyn Bind = if order == Order::ModuleFirst { &coming } else { known };
            let (came, before) = (loaded.gate_arrives(gate, there), seen);
            self.truncated(&loaded, &mut seen, &occasion, text);
            match came {
                Ok(()) => arrived.push(Arrived::of(gate, &loaded, before..seen)),
                Err(refused) => {
                    self.stop();
                    self.refused(refused, &occasion, text);
                }
            }
        }
        if order == Order::ObjectsFirst {
            loaded.free_init();
        }
        let left = loaded.stubs_left();
        for arrived in arrived {
            if let Err(refused) = loaded.gate_leaves(arrived.gate) {
                self.refused(refused, &Occasion::Departure(arrived.gate.clone()), text);
            } else if reloads {
                self.reloads.extend(self.trial.reload(&arrived, &mut loaded, left));
            }
        }
        !gates.is_empty()
    }

    fn refused(&mut self, refused: Refused, occasion: &Occasion, text: Option<u64>) {
        for finding in refused.0 {
            self.note(finding, occasion, text);
        }
    }

    /// Records the values truncated since the last call.
    fn truncated(
        &mut self,
        loaded: &Loaded<'_>,
        seen: &mut usize,
        occasion: &Occasion,
        text: Option<u64>,
    ) {
        let new = loaded.relocations().get(*seen..).unwrap_or_default();
        *seen = loaded.relocations().len();
        for relocated in new {
            let Some((value, reads)) = truncation(relocated, self.trial.machine) else { continue };
            let finding = Finding::truncated(value, reads).at(self.site(relocated));
            self.note(finding, occasion, text);
        }
    }

    /// The site of a relocation in the file; the loader may have reordered the table.
    fn site(&mut self, relocated: &Relocated) -> crate::site::Site {
        let klp_arch::Rela { offset, symbol, kind, addend } = relocated.rela;
        let rela = Rela { offset, symbol: SymbolIndex::new(symbol), kind, addend };
        let section = SectionIndex::new(u32::try_from(relocated.section).unwrap_or(u32::MAX));
        let module = self.trial.module;
        let entries = self.entries.entry(section).or_insert_with(|| {
            // The first of several equal ones.
            module.relocations(section).enumerate().map(|(i, rela)| (rela, i)).rev().collect()
        });
        let entry = entries.get(&rela).copied().unwrap_or(relocated.entry);
        self.sites.describe(section, entry, rela)
    }

    fn note(&mut self, finding: Finding, occasion: &Occasion, text: Option<u64>) {
        if self.seen.insert(self.keys.hash_one(finding.identity())) {
            let encounter = Encounter { occasion: occasion.clone(), text, usual: self.usual };
            self.findings.push(finding.encountered(encounter));
        }
    }
}

/// The value and what the field holds, if that is truncated.
fn truncation(relocated: &Relocated, machine: &Machine) -> Option<(i64, i64)> {
    let patch = relocated.patch.filter(|_| relocated.is_truncated(machine.endian))?;
    let signed = relocated.row.check.is_signed();
    let reads = patch.field.load(&relocated.after, signed, machine.endian).ok()?;
    Some((patch.value, reads))
}

/// An object that has arrived, and what its relocations use.
struct Arrived<'g> {
    gate: &'g ObjectName,
    /// Targets of calls through stubs, and one such call.
    through_stubs: FxHashSet<u64>,
    call: Option<Relocated>,
    /// Indices of the symbols.
    symbols: FxHashSet<u32>,
}

impl<'g> Arrived<'g> {
    /// `written`: the records of its relocations, if they were recorded.
    fn of(gate: &'g ObjectName, loaded: &Loaded<'_>, written: Range<usize>) -> Self {
        let written = loaded.relocations().get(written).unwrap_or_default().iter();
        let stubs = written.clone().filter(|relocated| relocated.inputs.plt.is_some());
        Self {
            gate,
            call: stubs.clone().next().cloned(),
            through_stubs: stubs.map(|relocated| relocated.inputs.sum()).collect(),
            symbols: written.map(|relocated| relocated.rela.symbol).collect(),
        }
    }
}

impl Trial<'_, '_> {
    /// What goes wrong at an object's reloads, once it has left, if anything. `left`: free stubs
    /// after all objects had arrived.
    fn reload(
        &self,
        arrived: &Arrived<'_>,
        loaded: &mut Loaded<'_>,
        left: Option<u64>,
    ) -> Option<Reload> {
        let object = || arrived.gate.clone();
        let area = Placement::area(self.machine, self.kernel);
        let coming = Loading { known: self.known, object: arrived.gate };
        let came = loaded.gate_arrives(arrived.gate, &Moved { known: &coming, area });
        let error = came.err().and_then(|refused| refused.0.into_iter().next_back());
        let full = |error: &Finding| matches!(error.fault(), Some(Fault::NoRoom { .. }));
        if let Some(error) = error.filter(|error| !full(error)) {
            let then = match &error.kernel {
                Some(kernel) => Aftermath::Refused(kernel.clone()),
                None => Aftermath::Wrong(Refused::from(error).to_string()),
            };
            return Some(Reload { object: object(), survives: 0, then });
        }
        if let Some(left) = left {
            let taken = u64::try_from(arrived.through_stubs.len()).unwrap_or(u64::MAX);
            let refused = loaded.without_room(arrived.gate, arrived.call.as_ref()?);
            return Reload::by_stubs(object(), left, taken, refused);
        }
        let stale = loaded.stale().into_iter().filter(|index| arrived.symbols.contains(index));
        let names: BTreeSet<String> = stale.filter_map(|index| self.name(index)).collect();
        if names.is_empty() {
            return None;
        }
        let then = Aftermath::Stale(names.into_iter().collect());
        Some(Reload { object: object(), survives: 0, then })
    }

    fn name(&self, symbol: u32) -> Option<String> {
        let symbol = self.module.symbol(SymbolIndex::new(symbol))?;
        let name = symbol.name.to_str_lossy();
        let klp = name.parse::<KlpSymbol>();
        Some(klp.map_or_else(|_| name.clone().into_owned(), |klp| klp.symbol.to_string()))
    }
}

/// The same kernel after modules were reloaded: their symbols lie elsewhere in the module area.
struct Moved<'a> {
    known: &'a dyn Bind,
    area: Range<u64>,
}

impl Moved<'_> {
    fn moved(&self, address: u64) -> u64 {
        // An area may wrap to address 0.
        let Range { start, end } = self.area;
        let (offset, size) = (address.wrapping_sub(start), end.wrapping_sub(start));
        if offset < size {
            start.wrapping_add(offset.wrapping_add(MOVED) % size)
        } else {
            // Per-CPU variables lie elsewhere.
            address.wrapping_add(MOVED_PER_CPU)
        }
    }
}

impl Bind for Moved<'_> {
    fn export(&self, name: &str) -> Option<ExportedSymbol> {
        let mut export = self.known.export(name)?;
        if !export.owner.is_vmlinux() {
            export.address = self.moved(export.address);
        }
        Some(export)
    }

    fn exporters(&self, name: &str) -> Vec<ObjectName> {
        self.known.exporters(name)
    }

    fn is_traceable(&self, symbol: &KlpSymbol) -> Option<bool> {
        self.known.is_traceable(symbol)
    }

    fn find(&self, symbol: &KlpSymbol) -> Lookup {
        match self.known.find(symbol) {
            Lookup::Found(address) if !symbol.owner.is_vmlinux() => {
                Lookup::Found(self.moved(address))
            }
            other => other,
        }
    }
}
