//! What happened to one module: it came, lived, its targets arrived and left.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use klp_arch::Backend;
use klp_arch::object::{SHF_ALLOC, SHF_WRITE};
use klp_arch::patched::Moment;
use klp_convert::elf::Module;
use klp_convert::klp::ObjectName;
use klp_convert::load::{Kernel, Loaded, Loader, Patched, Placement, Record, RegionKind};

use crate::compare::{Mask, regions};
use crate::dump::{Capture, Snapshot};
use crate::running::Running;

/// How much was compared.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) snapshots: usize,
    pub(crate) compared: u64,
    pub(crate) relocations: BTreeMap<&'static str, usize>,
    /// Bytes that were left out, by who changes them.
    pub(crate) masked: BTreeMap<&'static str, u64>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { snapshots, compared, relocations, masked } = self;
        writeln!(f, "{snapshots} snapshots, {compared} bytes compared")?;
        writeln!(f, "  relocations: {relocations:?}")?;
        write!(f, "  bytes left out: {masked:?}")
    }
}

/// The order in which the targets come; they leave in the other.
const TARGETS: [&str; 2] = ["klp_target_b", "klp_target_a"];

fn placement(snapshot: &Snapshot, kernel: &Kernel) -> Placement {
    let mut bases: BTreeMap<_, _> = snapshot.regions.iter().map(|r| (r.kind, r.base)).collect();
    if let Some(percpu) = snapshot.percpu {
        bases.insert(RegionKind::Percpu, percpu);
    }
    Placement { bases, page_size: kernel.page_size, ..Placement::default() }
}

/// Loads a module where the kernel had it, and compares what it was at each time.
pub(crate) fn compare(
    capture: &Capture,
    name: &str,
    tally: &mut Tally,
    failures: &mut Vec<String>,
) {
    let backend = backend(capture);
    let module = Module::parse(&capture.modules[name]).unwrap();
    let snapshots: Vec<_> = capture.snapshots.iter().filter(|s| s.module == name).collect();
    if !snapshots.iter().any(|snapshot| snapshot.point == "coming") {
        failures.push(format!("{name}: the kernel has not loaded it"));
    }
    let mut loaded = None;
    // Livepatches come first while their targets are there, and then without.
    let mut comings = 0;
    for snapshot in snapshots {
        tally.snapshots += 1;
        if snapshot.point == "coming" {
            comings += 1;
        }
        let late = comings > 1 && capture.late.contains_key(name);
        let known = if late { Running::late(capture, name) } else { Running::first(capture) };
        let kernel = known.kernel(backend, &module);
        if snapshot.point == "coming" {
            let placement = placement(snapshot, &kernel);
            let loader = Loader {
                backend,
                kernel: &kernel,
                placement: &placement,
                record: Record::Everything,
            };
            match loader.load(&module, &known) {
                Ok(new) => loaded = Some(new),
                Err(refused) => {
                    loaded = None;
                    failures.push(format!("{name}: we refuse it: {refused}"));
                }
            }
        }
        let Some(loaded) = &mut loaded else { continue };
        let before = if snapshot.point == "coming" { 0 } else { loaded.relocations().len() };
        if let Err(why) = turn(loaded, snapshot, late, &known) {
            failures.push(format!("{name} {}: {why}", snapshot.point));
            continue;
        }
        for relocation in &loaded.relocations()[before..] {
            *tally.relocations.entry(relocation.row.name).or_default() += 1;
        }
        let coming = snapshot.point == "coming";
        let mask = Mask::of(loaded, if coming { Moment::Ftrace } else { Moment::Living }, tally);
        let fields = fields(loaded);
        // What the module's own code and livepatching write is data, which is a block's end.
        let written = first_written(&module, loaded);
        let wanted = |kind, address| match kind {
            RegionKind::Data | RegionKind::Percpu => coming,
            RegionKind::Core => coming || address < written,
            _ => true,
        };
        let fields = if coming { &[][..] } else { &fields };
        regions(loaded, snapshot, &mask, wanted, fields, tally, failures);
    }
}

/// Spoils the relocations of a module one by one and looks whether that shows. Gives how many were
/// written; `hidden` is told who changes those that do not show.
pub(crate) fn spoil(
    capture: &Capture,
    name: &str,
    hidden: &mut BTreeMap<&'static str, usize>,
) -> usize {
    let backend = backend(capture);
    let module = Module::parse(&capture.modules[name]).unwrap();
    let coming = |s: &&Snapshot| s.module == name && s.point == "coming";
    let snapshot = capture.snapshots.iter().find(coming).unwrap();
    let known = Running::first(capture);
    let kernel = known.kernel(backend, &module);
    let placement = placement(snapshot, &kernel);
    let loader =
        Loader { backend, kernel: &kernel, placement: &placement, record: Record::Everything };
    let loaded = loader.load(&module, &known).unwrap();
    let patched = loaded.patched_later();
    let patched: Vec<_> = patched.iter().filter(|p| p.moment <= Moment::Ftrace).collect();
    let mut written = 0;
    for relocation in loaded.relocations() {
        let bytes = relocation.before.iter().zip(&relocation.after);
        let Some(changed) = bytes.into_iter().position(|(before, after)| before != after) else {
            continue;
        };
        written += 1;
        let address = relocation.inputs.p + u64::try_from(changed).unwrap();
        let spoilt = relocation.after[changed] ^ 1;
        let in_region = |region: &&crate::dump::Region| {
            let size = u64::try_from(region.bytes.len()).unwrap();
            (region.base..region.base + size).contains(&address)
        };
        // The percpu template is copied to another address.
        let Some(region) = snapshot.regions.iter().find(in_region) else {
            *hidden.entry("percpu").or_default() += 1;
            continue;
        };
        let theirs = region.bytes[usize::try_from(address - region.base).unwrap()];
        let covers = |p: &&&Patched| (p.address..p.address + p.size).contains(&address);
        match patched.iter().find(covers) {
            Some(patched) => *hidden.entry(patched.by).or_default() += 1,
            None => assert_ne!(theirs, spoilt, "{name}: {relocation:?}"),
        }
    }
    written
}

/// What happens to a module before a snapshot.
fn turn(
    loaded: &mut Loaded<'_>,
    snapshot: &Snapshot,
    late: bool,
    known: &Running<'_>,
) -> Result<(), String> {
    let targets = TARGETS.map(|name| name.parse::<ObjectName>().unwrap());
    let gates = loaded.gates();
    let waiting = || targets.iter().filter(|target| gates.contains(*target));
    match snapshot.point.as_str() {
        "live" => {
            if !late {
                for gate in &gates {
                    loaded.gate_arrives(gate, known).map_err(|error| error.to_string())?;
                }
            }
            loaded.free_init();
        }
        "arrived" => {
            for gate in waiting() {
                loaded.gate_arrives(gate, known).map_err(|error| error.to_string())?;
            }
        }
        "left" => {
            for gate in waiting().rev() {
                loaded.gate_leaves(gate).map_err(|error| error.to_string())?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Where that part of `core_layout` begins that stays writable.
fn first_written(module: &Module<'_>, loaded: &Loaded<'_>) -> u64 {
    let flags = SHF_ALLOC | SHF_WRITE;
    let stays = |name: &[u8]| !matches!(name, b".data..ro_after_init" | b"__jump_table");
    let writable: Vec<_> = module
        .sections()
        .filter(|section| section.sh_flags.bits() & flags == flags && stays(section.name))
        .map(|section| section.name)
        .collect();
    let places = loaded.sections();
    let written =
        places.filter(|(name, kind, ..)| *kind == RegionKind::Core && writable.contains(name));
    written.map(|(_, _, address, _)| address).min().unwrap_or(u64::MAX)
}

/// The places of all relocations.
fn fields(loaded: &Loaded<'_>) -> Vec<Range<u64>> {
    let places = loaded.relocations().iter();
    let places = places.map(|r| r.inputs.p..r.inputs.p + u64::try_from(r.after.len()).unwrap());
    places.collect()
}

fn backend(capture: &Capture) -> &'static dyn Backend {
    klp_arch::by_name(&capture.machine).unwrap()
}
