//! A module loaded in simulation, wherever the kernel may put it, with its objects coming and going.
//!
//! At each placement a module is loaded; then its gates come, either because they are there already
//! when it is enabled or after its init memory is gone, and leave. Where the kernel usually puts modules
//! each comes again, at other addresses. The kernel stops at the first fault, and so does each run.
//! Source: `klp_init_object_loaded`, `klp_cleanup_module_patches_limited`.

use std::collections::BTreeSet;
use std::ops::Range;

use bstr::ByteSlice;
use klp_arch::{Fault, Machine};
use rustc_hash::{FxHashMap, FxHashSet};

use super::coming::Coming;
use crate::elf::{Module, Rela, SectionIndex, SymbolIndex, SymbolSection};
use crate::findings::{Aftermath, Encounter, Finding, Identity, Occasion, Reload};
use crate::load::{
    Bind, ExportedSymbol, Loaded, Loader, Lookup, Placement, Record, Refused, RegionKind,
    Relocated, TargetKernel,
};
use crate::name::{KlpSymbol, ObjectName};
use crate::site::Sites;

/// How far the symbols of modules have moved when they come again, in bytes: no distance that two
/// functions are likely to have, and no alignment is lost.
const MOVED: u64 = 0x12_3450;
/// The same for per-CPU variables.
const MOVED_PER_CPU: u64 = 0x450;

/// Whether the objects are there before the module is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    ObjectsFirst,
    ModuleFirst,
}

/// One module, ready to be loaded.
pub(super) struct Trial<'t, 'm> {
    pub(super) module: &'m Module<'m>,
    pub(super) backend: &'static Machine,
    pub(super) kernel: &'t TargetKernel,
    pub(super) known: &'t dyn Bind,
}

impl Trial<'_, '_> {
    /// Whether it hands a patch over to the livepatch core.
    fn enables(&self) -> bool {
        self.module.symbols_in(SymbolSection::Undefined).any(|s| s.name == b"klp_enable_patch")
    }

    /// Loads it everywhere.
    pub(super) fn run(&self) -> Met {
        let mut met = Meeting {
            trial: self,
            sites: Sites::new(self.module, self.backend),
            entries: FxHashMap::default(),
            usual: true,
            received: self.kernel.receive(self.module),
            findings: Vec::new(),
            reloads: Vec::new(),
            seen: FxHashSet::default(),
        };
        let usual = Placement::usual(self.backend, self.kernel);
        let mut extremes = Placement::extremes(self.backend, self.kernel);
        extremes.retain(|placement| *placement != usual);
        let placements: Vec<_> = std::iter::once(usual).chain(extremes).collect();
        for placement in &placements {
            let gated = met.load(placement, Order::ObjectsFirst);
            if gated {
                met.load(placement, Order::ModuleFirst);
            }
            met.usual = false;
        }
        let mut findings = met.findings;
        findings.extend(met.reloads.into_iter().map(Finding::from));
        Met { findings, placements: placements.len() }
    }
}

/// What simulated loads have shown.
pub(super) struct Met {
    /// Each once, then the objects that do not survive every reload.
    pub(super) findings: Vec<Finding>,
    /// At how many placements it was loaded.
    pub(super) placements: usize,
}

/// What was met so far.
struct Meeting<'t, 'm> {
    trial: &'t Trial<'t, 'm>,
    sites: Sites<'m, 'm>,
    /// Where in the file each relocation of a table stands: a module may have many thousands of findings.
    entries: FxHashMap<SectionIndex, FxHashMap<Rela, usize>>,
    /// Whether modules lie where the kernel usually puts them.
    usual: bool,
    /// What comes of it once it has been relocated, wherever it is.
    received: Result<(), Refused>,
    findings: Vec<Finding>,
    reloads: Vec<Reload>,
    /// What makes each of them the one it is: a module may have many thousands.
    seen: FxHashSet<Identity>,
}

impl<'t, 'm> Meeting<'t, 'm> {
    /// Loads once, and lets every gate come, go and come again; says whether there are gates.
    fn load(&mut self, placement: &Placement, order: Order) -> bool {
        let Trial { module, backend, kernel, known } = *self.trial;
        // Slots and stubs are looked at, too, where objects come again.
        let reloads = self.usual && order == Order::ModuleFirst;
        let record = if reloads { Record::Everything } else { Record::Cut };
        let loader = Loader { backend, kernel, placement, record };
        let mut loaded = match loader.load(module, known) {
            Ok(loaded) => loaded,
            Err(refused) => {
                let text = placement.bases.get(&RegionKind::Text).copied();
                self.refused(refused, &Occasion::Load, text);
                return false;
            }
        };
        let text = loaded.regions().find(|(kind, ..)| *kind == RegionKind::Text);
        let text = text.map(|(_, base, _)| base);
        if let Err(refused) = &self.received {
            self.refused(refused.clone(), &Occasion::Load, text);
            return false;
        }
        let taken = loaded.enable(known);
        if let Err(refused) = &taken
            && self.trial.enables()
        {
            self.refused(refused.clone(), &Occasion::Load, text);
            return false;
        }
        let ignored = loaded.ignored();
        if !ignored.is_empty() {
            self.refused(Refused(ignored), &Occasion::Load, text);
        }
        let mut seen = 0;
        self.cut(&loaded, &mut seen, &Occasion::Load, text);
        if taken.is_err() {
            return false;
        }
        let gates = loaded.gates();
        let mut arrived = Vec::new();
        if order == Order::ModuleFirst {
            loaded.free_init();
        }
        for gate in &gates {
            let occasion = match order {
                Order::ObjectsFirst => Occasion::Enable(gate.clone()),
                Order::ModuleFirst => Occasion::Arrival(gate.clone()),
            };
            let coming = Coming { known, object: gate };
            let there: &dyn Bind = if order == Order::ModuleFirst { &coming } else { known };
            let (came, before) = (loaded.gate_arrives(gate, there), seen);
            self.cut(&loaded, &mut seen, &occasion, text);
            match came {
                Ok(()) => arrived.push(Arrived::of(gate, &loaded, before..seen)),
                Err(refused) => self.refused(refused, &occasion, text),
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

    /// Notes what was cut off since the last time.
    fn cut(
        &mut self,
        loaded: &Loaded<'_>,
        seen: &mut usize,
        occasion: &Occasion,
        text: Option<u64>,
    ) {
        let new = loaded.relocations().get(*seen..).unwrap_or_default();
        *seen = loaded.relocations().len();
        for relocated in new {
            let Some((value, reads)) = cut_off(relocated, self.trial.backend) else { continue };
            let finding = Finding::cut_off(value, reads).at(self.site(relocated));
            self.note(finding, occasion, text);
        }
    }

    /// Where a relocation stands in the file, whose order the loader may have changed.
    fn site(&mut self, relocated: &Relocated) -> crate::site::Site {
        let klp_arch::Rela { offset, symbol, kind, addend } = relocated.rela;
        let rela = Rela { offset, symbol: SymbolIndex::new(symbol), kind, addend };
        let section = SectionIndex::new(u32::try_from(relocated.section).unwrap_or(u32::MAX));
        let module = self.trial.module;
        let entries = self.entries.entry(section).or_insert_with(|| {
            // The first of several that are equal.
            module.relocations(section).enumerate().map(|(i, rela)| (rela, i)).rev().collect()
        });
        let entry = entries.get(&rela).copied().unwrap_or(relocated.entry);
        self.sites.describe(section, entry, rela)
    }

    fn note(&mut self, finding: Finding, occasion: &Occasion, text: Option<u64>) {
        if self.seen.insert(finding.identity()) {
            let met = Encounter { occasion: occasion.clone(), text, usual: self.usual };
            self.findings.push(finding.met(met));
        }
    }
}

/// What was to be written and what the field holds, where that is less.
fn cut_off(relocated: &Relocated, backend: &Machine) -> Option<(i64, i64)> {
    let patch = relocated.patch.filter(|_| relocated.is_cut(backend.endian))?;
    let signed = relocated.row.check.is_signed();
    let reads = patch.field.load(&relocated.after, signed, backend.endian).ok()?;
    Some((patch.value, reads))
}

/// An object that has arrived, and what its relocations use.
struct Arrived<'g> {
    gate: &'g ObjectName,
    /// Where calls go that go through stubs, and one of them.
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
    /// What comes of an object's reloads, once it has left, if not all goes well. `left`: how many
    /// stubs could be made after all objects had arrived.
    fn reload(
        &self,
        arrived: &Arrived<'_>,
        loaded: &mut Loaded<'_>,
        left: Option<u64>,
    ) -> Option<Reload> {
        let object = || arrived.gate.clone();
        let area = Placement::area(self.backend, self.kernel);
        let coming = Coming { known: self.known, object: arrived.gate };
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

/// The same kernel after modules have come again: their symbols lie elsewhere, still among modules.
struct Moved<'a> {
    known: &'a dyn Bind,
    area: Range<u64>,
}

impl Moved<'_> {
    fn moved(&self, address: u64) -> u64 {
        // An area may end beyond address 0.
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
