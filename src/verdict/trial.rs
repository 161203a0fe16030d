//! A module loaded in simulation, wherever the kernel may put it, with its objects coming and going.
//!
//! At each placement a module is loaded; then its gates come, either because they are there already
//! when it is enabled or after its init memory is gone; each leaves and comes again at other
//! addresses. The kernel stops at the first fault, and so does each run.
//! Source: `klp_init_object_loaded`, `klp_cleanup_module_patches_limited`.

use bstr::ByteSlice;
use klp_arch::{Backend, Calc};
use rustc_hash::FxHashSet;
use scroll::Endian;

use super::problem::{Occasion, Problem, Trouble};
use crate::elf::{Module, Rela, SectionFlags, SectionIndex, SymbolIndex, SymbolSection};
use crate::klp::{KlpSection, KlpSymbol, ObjectName, Sites};
use crate::load::{
    Bind, ExportedSymbol, Kernel, Loaded, Loader, Lookup, Placement, Record, Refused, RegionKind,
    Relocated,
};

/// How far an object's symbols have moved when it comes again, in bytes.
const MOVED: u64 = 0x10_0000;

/// Whether the objects are there before the module is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    ObjectsFirst,
    ModuleFirst,
}

/// One module, ready to be loaded.
pub(super) struct Trial<'t, 'm> {
    pub(super) module: &'m Module<'m>,
    pub(super) backend: &'static dyn Backend,
    pub(super) kernel: &'t Kernel,
    pub(super) known: &'t dyn Bind,
}

impl Trial<'_, '_> {
    /// Whether it hands a patch over to the livepatch core.
    fn enables(&self) -> bool {
        self.module.symbols_in(SymbolSection::Undefined).any(|s| s.name == b"klp_enable_patch")
    }

    /// Whether anything waits for an object.
    fn is_gated(&self) -> bool {
        let sections = self.module.sections();
        let klp = sections.filter(|s| s.sh_flags.contains(SectionFlags::RELA_LIVEPATCH));
        klp.filter_map(|s| s.name.to_str_lossy().parse::<KlpSection>().ok())
            .any(|section| !section.gate.is_vmlinux())
    }

    /// Loads it everywhere; gives each problem once, and the number of placements.
    pub(super) fn run(&self) -> (Vec<Problem>, usize) {
        let mut met = Met {
            trial: self,
            sites: Sites::new(self.module, self.backend),
            usual: true,
            received: self.kernel.receive(self.module),
            problems: Vec::new(),
            met: FxHashSet::default(),
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
        (met.problems, placements.len())
    }
}

/// What was met so far.
struct Met<'t, 'm> {
    trial: &'t Trial<'t, 'm>,
    sites: Sites<'m, 'm>,
    /// Whether modules lie where the kernel usually puts them.
    usual: bool,
    /// What comes of it once it has been relocated, wherever it is.
    received: Result<(), Refused>,
    problems: Vec<Problem>,
    /// What makes each of them the one it is: a module may have many thousands.
    met: FxHashSet<String>,
}

impl<'t, 'm> Met<'t, 'm> {
    /// Loads once, and lets every gate come, go and come again; says whether there are gates.
    fn load(&mut self, placement: &Placement, order: Order) -> bool {
        let Trial { module, backend, kernel, known } = *self.trial;
        // Slots are looked at, too, where objects come again.
        let record = if self.trial.is_gated() { Record::Everything } else { Record::Cut };
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
            let came = loaded.gate_arrives(gate, known);
            self.cut(&loaded, &mut seen, &occasion, text);
            match came {
                Ok(()) => arrived.push(gate),
                Err(refused) => self.refused(refused, &occasion, text),
            }
        }
        if order == Order::ObjectsFirst {
            loaded.free_init();
        }
        for gate in arrived {
            if let Err(refused) = loaded.gate_leaves(gate) {
                self.refused(refused, &Occasion::Departure(gate.clone()), text);
                continue;
            }
            let occasion = Occasion::Return(gate.clone());
            let came = loaded.gate_arrives(gate, &Moved { known, object: gate });
            self.stale(&loaded, seen, &occasion, text);
            self.cut(&loaded, &mut seen, &occasion, text);
            if let Err(refused) = came {
                self.refused(refused, &occasion, text);
            }
        }
        !gates.is_empty()
    }

    fn refused(&mut self, refused: Refused, occasion: &Occasion, text: Option<u64>) {
        for error in refused.0 {
            let trouble = Trouble::Load(Box::new(error));
            self.note(Problem { trouble, occasion: occasion.clone(), text, usual: self.usual });
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
            let site = Box::new(self.site(relocated));
            let trouble = Trouble::Cut { site, value, reads };
            self.note(Problem { trouble, occasion: occasion.clone(), text, usual: self.usual });
        }
    }

    /// Notes slots that keep the address of an object that has gone.
    fn stale(&mut self, loaded: &Loaded<'_>, seen: usize, occasion: &Occasion, text: Option<u64>) {
        let endian = self.trial.backend.endian();
        for relocated in loaded.relocations().get(seen..).unwrap_or_default() {
            let Some((address, slot)) = stale_slot(loaded, relocated, endian) else { continue };
            let trouble = Trouble::Stale { site: Box::new(self.site(relocated)), address, slot };
            self.note(Problem { trouble, occasion: occasion.clone(), text, usual: self.usual });
        }
    }

    /// Where a relocation stands in the file, whose order the loader may have changed.
    fn site(&self, relocated: &Relocated) -> crate::klp::Site {
        let klp_arch::Rela { offset, symbol, kind, addend } = relocated.rela;
        let rela = Rela { offset, symbol: SymbolIndex::new(symbol), kind, addend };
        let section = SectionIndex::new(u32::try_from(relocated.section).unwrap_or(u32::MAX));
        let entry = self.trial.module.relocations(section).position(|other| other == rela);
        self.sites.describe(section, entry.unwrap_or(relocated.entry), rela)
    }

    fn note(&mut self, problem: Problem) {
        if self.met.insert(problem.identity()) {
            self.problems.push(problem);
        }
    }
}

/// What was to be written and what the field holds, where that is less.
fn cut_off(relocated: &Relocated, backend: &dyn Backend) -> Option<(i64, i64)> {
    let patch = relocated.patch.filter(|_| relocated.is_cut(backend.endian()))?;
    let signed = relocated.row.check.is_signed();
    let reads = patch.field.load(&relocated.after, signed, backend.endian()).ok()?;
    Some((patch.value, reads))
}

/// The symbol's address and what its slot holds, where that is another one.
fn stale_slot(loaded: &Loaded<'_>, relocated: &Relocated, endian: Endian) -> Option<(u64, u64)> {
    let bytes = loaded.bytes_at(relocated.inputs.got_slot?)?.first_chunk()?;
    let slot = match endian {
        Endian::Little => u64::from_le_bytes(*bytes),
        Endian::Big => u64::from_be_bytes(*bytes),
    };
    let address = match relocated.row.calc {
        Calc::SlotOfSum => relocated.inputs.sum(),
        _ => relocated.inputs.s,
    };
    (slot != address).then_some((address, slot))
}

/// The same kernel after an object has come again: its symbols lie elsewhere.
struct Moved<'a> {
    known: &'a dyn Bind,
    object: &'a ObjectName,
}

impl Bind for Moved<'_> {
    fn export(&self, name: &str) -> Option<ExportedSymbol> {
        let mut export = self.known.export(name)?;
        if export.owner == *self.object {
            export.address = export.address.wrapping_add(MOVED);
        }
        Some(export)
    }

    fn exporters(&self, name: &str) -> Vec<ObjectName> {
        self.known.exporters(name)
    }

    fn find(&self, symbol: &KlpSymbol) -> Lookup {
        match self.known.find(symbol) {
            Lookup::Found(address) if symbol.owner == *self.object => {
                Lookup::Found(address.wrapping_add(MOVED))
            }
            other => other,
        }
    }
}
