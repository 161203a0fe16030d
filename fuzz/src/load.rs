//! Arbitrary modules at several addresses: a refusal, or memory whose bytes all lie in regions.
#![allow(clippy::panic, reason = "a property that does not hold has to stop the run")]

use klp_arch::{Fault, Features, KernelVersion, Machine};
use klp_convert::elf::Module;
use klp_convert::findings::Finding;
use klp_convert::load::{
    Bind, ExportedSymbol, Loaded, Loader, Lookup, Placement, Record, TargetKernel,
};
use klp_convert::name::{KlpSymbol, ObjectName};
use klp_convert::target::machine;

/// Where modules are loaded first.
const BASE: u64 = 0xffff_ffff_c000_0000;
/// No region of a real module is this large; it must be refused long before.
const MEMORY_MAX: usize = 1 << 32;

/// A kernel that exports every name, at addresses derived from the name and the number of moves.
#[derive(Debug)]
struct Everything {
    base: u64,
    moved: u64,
    /// Whether some names are not found, and some exports have conditions.
    odd: bool,
}

impl Everything {
    fn address(&self, name: &str) -> u64 {
        let hash = name.bytes().fold(self.moved, |hash, byte| {
            hash.wrapping_mul(0x100_0193).wrapping_add(u64::from(byte))
        });
        self.base.wrapping_add(hash & 0x00ff_fff0)
    }
}

impl Bind for Everything {
    fn export(&self, name: &str) -> Option<ExportedSymbol> {
        let address = self.address(name);
        let which = if self.odd { address >> 4 & 15 } else { 0 };
        let namespace = match which {
            8 | 9 => Some("SPACE".to_owned()),
            10 => Some("module:generated,klp-*".to_owned()),
            _ => None,
        };
        let exported = ExportedSymbol {
            address,
            owner: ObjectName::vmlinux(),
            gpl: matches!(which, 11 | 12).then_some(which == 11),
            namespace,
            crc: matches!(which, 12..14).then_some(if which == 12 { 0x1234 } else { 5 }),
        };
        (which != 15).then_some(exported)
    }

    fn find(&self, symbol: &KlpSymbol) -> Lookup {
        let address = self.address(symbol.symbol.as_str());
        match if self.odd { address >> 4 & 15 } else { 0 } {
            12 => Lookup::NotFound,
            13 => Lookup::Ambiguous,
            14 => Lookup::NoSuchPosition,
            15 => Lookup::Unknown,
            _ => Lookup::Found(address),
        }
    }
}

/// Checks the property.
///
/// # Panics
/// When it does not hold.
pub fn run(data: &[u8]) {
    check(data, false);
}

/// Checks the property, and with `sound` that the reserved room is enough; returns whether the
/// module loads somewhere.
pub(crate) fn check(data: &[u8], sound: bool) -> bool {
    let Ok(module) = Module::parse_as_kernel(data) else { return false };
    let Ok(machine) = machine(&module) else { return false };
    let mut loads = false;
    if !sound || data.len().is_multiple_of(4) {
        others(&module, machine, data);
    }
    let kernel = TargetKernel::newest(machine);
    let near = Placement { start: BASE, page_size: kernel.page_size, ..Placement::default() };
    let placements = [near].into_iter().chain(Placement::extremes(machine, &kernel));
    for placement in placements.take(3) {
        let base = placement.start.wrapping_sub(0x100_0000);
        let known = Everything { base, moved: 0, odd: false };
        let load = |record| {
            let loader = Loader { machine, kernel: &kernel, placement: &placement, record };
            loader.load(&module, &known)
        };
        match (load(Record::Nothing), load(Record::Everything)) {
            (Ok(mut loaded), Ok(watched)) => {
                assert!(memory(&loaded) == memory(&watched), "watching changes what is written");
                described(&watched, machine);
                gates(&mut loaded, base, false);
                loads = true;
            }
            (Err(refused), Err(again)) => {
                assert_eq!(refused, again, "watching changes why it is refused");
                assert!(!refused.to_string().is_empty(), "refused without a word");
                let full = |error: &Finding| matches!(error.fault(), Some(Fault::NoRoom { .. }));
                assert!(
                    !sound || !refused.0.iter().any(full),
                    "too little was reserved: {refused}"
                );
            }
            (one, other) => panic!("watching decides: {:?} and {:?}", one.err(), other.err()),
        }
    }
    loads
}

/// Loads in kernels of other versions and configurations, chosen by the bytes, which do not have every name.
fn others(module: &Module<'_>, machine: &'static Machine, data: &[u8]) {
    let mix = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x100_0193);
    let hash = data.iter().fold(0x811c_9dc5_u32, mix);
    let mut configured = TargetKernel::newest(machine);
    configured.configuration.features ^= Features::from_bits_truncate(hash >> 3 & hash >> 11);
    configured.checks_signatures = true;
    configured.reads_btf = true;
    configured.strict_module_rwx = hash & 1 == 0;
    configured.flags_apart = hash & 2 == 0;
    configured.smp = hash & 4 == 0;
    configured.vermagic = (hash & 0x38 == 0).then(|| "7.3 SMP mod_unload".to_owned());
    configured.module_size = (hash & 0x1c0 == 0).then_some(0x500);
    let older = TargetKernel::of_version(machine, KernelVersion::new(6, hash % 20));
    for (kernel, record) in
        [(&configured, Record::Everything), (&older, Record::Counts), (&older, Record::Truncated)]
    {
        let placement =
            Placement { start: BASE, page_size: kernel.page_size, ..Placement::default() };
        let loader = Loader { machine, kernel, placement: &placement, record };
        let known = Everything { base: BASE - 0x100_0000, moved: 0, odd: true };
        match loader.load(module, &known) {
            Ok(mut loaded) => {
                assert!(loaded.counts().len() <= data.len());
                described(&loaded, machine);
                gates(&mut loaded, known.base, true);
                let _ = kernel.receive(module);
            }
            Err(refused) => assert!(!refused.to_string().is_empty(), "refused without a word"),
        }
    }
}

/// The bytes of all regions.
fn memory(loaded: &Loaded<'_>) -> Vec<(u64, Vec<u8>)> {
    let regions: Vec<_> = loaded.regions().map(|(_, base, bytes)| (base, bytes.to_vec())).collect();
    let size: usize = regions.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(size < MEMORY_MAX, "{size} bytes are allocated");
    regions
}

/// What is told about a loaded module lies in its memory.
fn described(loaded: &Loaded<'_>, machine: &Machine) {
    for edit in loaded.patched_later() {
        let last = edit.address.checked_add(edit.size.saturating_sub(1));
        assert!(last.and_then(|last| loaded.bytes_at(last)).is_some(), "{edit:?} is outside");
    }
    for (name, _, address, size) in loaded.sections() {
        let found = loaded.section_at(address);
        assert!(size == 0 || found.is_some(), "{name:?} is not at its address");
    }
    for relocated in loaded.relocations() {
        assert!(loaded.bytes_at(relocated.inputs.p).is_some() || relocated.patch.is_none());
        let _ = relocated.is_truncated(machine.endian);
    }
    assert!(loaded.unnoticed().iter().all(|finding| !format!("{finding:?}").is_empty()));
    let _ = (
        loaded.stubs_left(),
        loaded.enable(&Everything { base: BASE, moved: 0, odd: false }).is_ok(),
    );
}

/// Objects arrive and leave, at other addresses each time.
fn gates(loaded: &mut Loaded<'_>, base: u64, odd: bool) {
    let shape = |loaded: &Loaded<'_>| {
        loaded.regions().map(|(kind, base, bytes)| (kind, base, bytes.len())).collect::<Vec<_>>()
    };
    let before = shape(loaded);
    loaded.free_init();
    let gates = loaded.gates();
    for moved in 0..3 {
        for gate in gates.iter().take(4) {
            let _ = loaded.gate_arrives(gate, &Everything { base, moved, odd });
            let _ = loaded.gate_leaves(gate);
        }
    }
    assert_eq!(before, shape(loaded), "regions change while objects come and go");
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_property_holds_for_every_seed() {
        let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/seeds/load");
        let mut count = 0;
        for seed in std::fs::read_dir(seeds).unwrap() {
            super::run(&std::fs::read(seed.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "no seeds in {seeds}");
    }
}
