//! Compares the memory of modules in a guest with our load of them at the same addresses: byte for
//! byte, except what the kernel itself changes after relocation (`Loaded::patched_later`).
//!
//! It compares modules that are coming, before jump labels and init, and live ones, and livepatches
//! after each load and unload of a module that they patch.

mod compare;
pub(crate) mod dump;
mod sorted;
mod symbols;
mod tally;

use std::collections::BTreeMap;
use std::ops::Range;

use klp_arch::Machine;
use klp_arch::object::{SHF_ALLOC, SHF_WRITE};
use klp_arch::special::Moment;
use klp_convert::elf::Module;
use klp_convert::findings::Consequence;
use klp_convert::load::{Loaded, Loader, Placement, Record, Refused, RegionKind, TargetKernel};
use klp_convert::name::ObjectName;

use crate::failure::Failure;
use crate::mistake::Mistake;
use compare::Mask;
use dump::Snapshot;
use symbols::Somewhere;
pub(crate) use symbols::Symbols;
pub(crate) use tally::Tally;

/// A module in the guest.
#[derive(Debug)]
struct Present {
    name: String,
    module: &'static Module<'static>,
    loaded: Loaded<'static>,
    /// The objects that a livepatch patches: the kernel writes relocations only for these.
    objects: Vec<String>,
    /// An enabled livepatch: the kernel writes and clears its relocations when modules are loaded
    /// and unloaded.
    enabled: bool,
}

impl Present {
    fn patches(&self, gate: &ObjectName) -> bool {
        self.objects.iter().any(|object| object == gate.as_str())
    }
}

/// The modules of a guest in our memory.
#[derive(Debug)]
pub(crate) struct Memory {
    backend: &'static Machine,
    pub(crate) symbols: Symbols,
    mistake: Option<Mistake>,
    present: Vec<Present>,
    pub(crate) tally: Tally,
}

/// A value of `.modinfo`.
pub(crate) fn modinfo(module: &Module<'_>, key: &str) -> Option<String> {
    let found = module.modinfo().find(|(name, _)| *name == key.as_bytes());
    found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
}

impl Memory {
    pub(crate) fn new(
        backend: &'static Machine,
        symbols: Symbols,
        mistake: Option<Mistake>,
    ) -> Self {
        Self { backend, symbols, mistake, present: Vec::new(), tally: Tally::default() }
    }

    /// The loaded modules, the newest first.
    pub(crate) fn present(&self) -> impl Iterator<Item = &str> {
        self.present.iter().rev().map(|present| present.name.as_str())
    }

    /// Our load of a loaded module.
    pub(crate) fn loaded(&self, name: &str) -> Option<&Loaded<'static>> {
        self.present.iter().find(|present| present.name == name).map(|present| &present.loaded)
    }

    /// The enabled livepatches that have relocations for a module.
    pub(crate) fn waiting(&self, gate: &str) -> Vec<String> {
        let Ok(gate) = gate.parse::<ObjectName>() else { return Vec::new() };
        let waits =
            |p: &&Present| p.enabled && p.patches(&gate) && p.loaded.gates().contains(&gate);
        self.present.iter().filter(waits).map(|present| present.name.clone()).collect()
    }

    /// A gate of a loaded livepatch that never arrives.
    pub(crate) fn unopened(&self, livepatch: &str) -> Option<ObjectName> {
        let present = self.present.iter().find(|present| present.name == livepatch)?;
        present.loaded.gates().into_iter().find(|gate| !present.patches(gate))
    }

    /// Compares a coming module's memory before init; the last snapshot, if it came twice.
    fn coming(
        &mut self,
        module: &'static Module<'static>,
        snapshots: &[Snapshot],
    ) -> Result<Present, Failure> {
        let coming = at(module, snapshots, "coming")?;
        let mut kernel = self.symbols.kernel(self.backend);
        if let Some(mistake) = self.mistake {
            mistake.reserve(&mut kernel);
        }
        near(coming, &kernel, self.backend)?;
        let placement = placement(coming, &kernel);
        let (backend, record) = (self.backend, Record::Everything);
        let loader = Loader { machine: backend, kernel: &kernel, placement: &placement, record };
        let name = name(module)?;
        let loaded = loader
            .load(module, &self.symbols)
            .map_err(|refused| format!("the kernel loads {name}, we refuse it: {refused}"))?;
        check_none(&compare(module, &loaded, coming, 0, &mut self.tally))?;
        let enabled = modinfo(module, "livepatch").is_some();
        Ok(Present { name, module, loaded, objects: Vec::new(), enabled })
    }

    /// A module has been loaded; `symbols` are up to date. `objects`: those that it patches.
    pub(crate) fn came(
        &mut self,
        module: &'static Module<'static>,
        objects: Vec<String>,
        snapshots: &[Snapshot],
    ) -> Result<(), Failure> {
        let mut present = Present { objects, ..self.coming(module, snapshots)? };
        let before = present.loaded.relocations().len();
        for gate in present.loaded.gates() {
            let is_there = self.present.iter().any(|present| present.name == gate.as_str());
            if is_there && present.patches(&gate) {
                let arrived = present.loaded.gate_arrives(&gate, &self.symbols);
                unless_passed_over(arrived)
                    .map_err(|refused| format!("{}: {gate} arrives: {refused}", present.name))?;
            }
        }
        let loaded = &mut present.loaded;
        loaded.free_init();
        let live = at(module, snapshots, "live")?;
        check_none(&compare(module, loaded, live, before, &mut self.tally))?;
        self.present.push(present);
        Ok(())
    }

    /// A module was loaded that writes its own data, or whose init failed.
    pub(crate) fn passed(
        &mut self,
        module: &'static Module<'static>,
        snapshots: &[Snapshot],
        stays: bool,
    ) -> Result<(), Failure> {
        let present = self.coming(module, snapshots)?;
        self.present.extend(stays.then_some(present));
        Ok(())
    }

    /// A module that a livepatch waits for was loaded or unloaded.
    pub(crate) fn turned(
        &mut self,
        livepatch: &str,
        gate: &str,
        arrived: bool,
        snapshots: &[Snapshot],
    ) -> Result<(), Failure> {
        let gate: ObjectName = gate.parse()?;
        let snapshot = snapshots.iter().find(|snapshot| snapshot.module == livepatch);
        let snapshot = snapshot.ok_or_else(|| format!("no memory of {livepatch}"))?;
        let present = self.present.iter_mut().find(|present| present.name == livepatch);
        let present = present.ok_or_else(|| format!("{livepatch} is not there"))?;
        let (module, loaded) = (present.module, &mut present.loaded);
        let before = loaded.relocations().len();
        let turned = if arrived {
            loaded.gate_arrives(&gate, &self.symbols)
        } else {
            loaded.gate_leaves(&gate)
        };
        turned.map_err(|refused| format!("{livepatch}: {gate} turns: {refused}"))?;
        check_none(&compare(module, loaded, snapshot, before, &mut self.tally))
    }

    /// What our load of a livepatch refuses when a module arrives that the kernel has refused: its
    /// address is not known, so that of any loaded module is used.
    pub(crate) fn refuses(&mut self, livepatch: &str, gate: &str) -> Result<Refused, Failure> {
        let gate = gate.parse()?;
        let present = self.present.iter_mut().find(|present| present.name == livepatch);
        let present = present.ok_or_else(|| format!("{livepatch} is not there"))?;
        let near = present.loaded.regions().map(|(_, base, _)| base).next().unwrap_or_default();
        let symbols = Somewhere { symbols: &self.symbols, near };
        match present.loaded.gate_arrives(&gate, &symbols) {
            Err(refused) => Ok(refused),
            Ok(()) => Err(format!("we write {livepatch} when {gate} comes again").into()),
        }
    }

    /// Livepatches that are no longer enabled are not written any more.
    pub(crate) fn enabled(&mut self, livepatches: &[&str]) {
        for present in &mut self.present {
            present.enabled &= livepatches.contains(&present.name.as_str());
        }
    }

    /// A module has been unloaded.
    pub(crate) fn left(&mut self, name: &str) {
        self.present.retain(|present| present.name != name);
    }
}

fn name(module: &Module<'_>) -> Result<String, Failure> {
    modinfo(module, "name").ok_or_else(|| "a module without name".into())
}

/// The last snapshot of a module at a time.
fn at<'s>(
    module: &Module<'_>,
    snapshots: &'s [Snapshot],
    point: &str,
) -> Result<&'s Snapshot, Failure> {
    let name = name(module)?;
    let found = snapshots.iter().rev().find(|s| s.module == name && s.point == point);
    found.ok_or_else(|| Failure(format!("no memory of {name} when {point}")))
}

/// A fault that the kernel silently skips is not a failure; our load of that table ends there.
fn unless_passed_over(arrived: Result<(), Refused>) -> Result<(), Refused> {
    arrived.or_else(|refused| {
        let ignored = refused.0.iter().all(|error| error.consequence == Some(Consequence::Ignored));
        if ignored { Ok(()) } else { Err(refused) }
    })
}

fn check_none(failures: &[String]) -> Result<(), Failure> {
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}

/// Per-CPU memory is where we say that it is. ppc64le has no reserve for modules, and takes what is free
/// (`arch/powerpc/kernel/setup_64.c:setup_per_cpu_areas`): there it is only not in a module's area.
fn near(snapshot: &Snapshot, kernel: &TargetKernel, backend: &Machine) -> Result<(), Failure> {
    let (module, reserve) = (&snapshot.module, kernel.module_per_cpu());
    let own = || snapshot.regions.iter().filter(|region| region.kind != RegionKind::Percpu);
    let is_there = |base: &u64| match backend.name {
        "ppc64le" => own().all(|region| region.base.abs_diff(*base) > 1 << 31),
        _ => reserve.contains(base),
    };
    match snapshot.percpu {
        Some(base) if !is_there(&base) => {
            Err(format!("{module}: per-CPU memory at {base:#x}, not in {reserve:#x?}").into())
        }
        _ => Ok(()),
    }
}

/// Where the kernel had the module.
fn placement(snapshot: &Snapshot, kernel: &TargetKernel) -> Placement {
    let mut bases: BTreeMap<_, _> = snapshot.regions.iter().map(|r| (r.kind, r.base)).collect();
    if let Some(percpu) = snapshot.percpu {
        bases.insert(RegionKind::Percpu, percpu);
    }
    Placement { bases, page_size: kernel.page_size, ..Placement::default() }
}

/// Compares a snapshot; `new`: the relocations from this one on are counted.
fn compare(
    module: &Module<'_>,
    loaded: &Loaded<'_>,
    snapshot: &Snapshot,
    new: usize,
    tally: &mut Tally,
) -> Vec<String> {
    tally.snapshots += 1;
    let coming = snapshot.point == "coming";
    let mask = Mask::of(loaded, if coming { Moment::Ftrace } else { Moment::Living }, tally);
    compare::count(&loaded.relocations()[new..], &mask, tally);
    // What the module's own code and livepatching write is data, which is a block's end.
    let data = data_of_block(module, loaded);
    let wanted = |kind, address| match kind {
        RegionKind::Data | RegionKind::Percpu => coming,
        RegionKind::Core => coming || address < data,
        _ => true,
    };
    let fields = if coming { Vec::new() } else { fields(loaded) };
    let mut failures = compare::regions(loaded, snapshot, &mask, wanted, &fields, tally);
    failures.extend(sorted::compare(loaded, snapshot, tally));
    failures
}

/// Where in `core_layout` that begins which stays writable.
fn data_of_block(module: &Module<'_>, loaded: &Loaded<'_>) -> u64 {
    let flags = SHF_ALLOC | SHF_WRITE;
    let protected = |name: &[u8]| matches!(name, b".data..ro_after_init" | b"__jump_table");
    let writable = module.sections().filter(|section| section.sh_flags.bits() & flags == flags);
    let writable = writable.map(|section| section.name).filter(|name| !protected(name));
    let writable: Vec<_> = writable.collect();
    let places = loaded.sections().filter(|(_, kind, ..)| *kind == RegionKind::Core);
    let data = places.filter(|(name, ..)| writable.contains(name));
    data.map(|(_, _, address, _)| address).min().unwrap_or(u64::MAX)
}

/// The places of all relocations.
fn fields(loaded: &Loaded<'_>) -> Vec<Range<u64>> {
    let places = loaded.relocations().iter();
    let places = places.map(|r| r.inputs.p..r.inputs.p + u64::try_from(r.after.len()).unwrap());
    places.collect()
}
