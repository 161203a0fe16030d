//! Arbitrary modules at several addresses: a refusal, or memory whose bytes all lie in regions.
#![allow(clippy::panic, reason = "a property that does not hold has to stop the run")]

use klp_arch::{Fault, Machine};
use klp_convert::elf::Module;
use klp_convert::findings::Finding;
use klp_convert::load::{
    Bind, ExportedSymbol, Loaded, Loader, Lookup, Placement, Record, TargetKernel,
};
use klp_convert::name::{KlpSymbol, ObjectName};
use klp_convert::target::machine;

/// No region of a real module is this large; it must be refused long before.
const MEMORY_MAX: usize = 1 << 32;

/// A kernel that exports every name, at addresses derived from the name and the number of moves.
#[derive(Debug)]
struct Everything {
    base: u64,
    moved: u64,
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
        Some(ExportedSymbol {
            address: self.address(name),
            owner: ObjectName::vmlinux(),
            gpl: None,
            namespace: None,
            crc: None,
        })
    }

    fn find(&self, symbol: &KlpSymbol) -> Lookup {
        Lookup::Found(self.address(symbol.symbol.as_str()))
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
    let kernel = TargetKernel::newest(machine);
    let near = Placement {
        start: 0xffff_ffff_c000_0000,
        page_size: kernel.page_size,
        ..Placement::default()
    };
    let placements = [near].into_iter().chain(Placement::extremes(machine, &kernel));
    for placement in placements.take(3) {
        let base = placement.start.wrapping_sub(0x100_0000);
        let known = Everything { base, moved: 0 };
        let load = |record| {
            let loader = Loader { machine, kernel: &kernel, placement: &placement, record };
            loader.load(&module, &known)
        };
        for record in [Record::Counts, Record::Truncated] {
            let counted = load(record).ok();
            let counts =
                counted.map(|counted| counted.counts().len() + counted.relocations().len());
            assert!(counts.is_none_or(|counts| counts <= data.len()));
        }
        match (load(Record::Nothing), load(Record::Everything)) {
            (Ok(mut loaded), Ok(watched)) => {
                assert!(memory(&loaded) == memory(&watched), "watching changes what is written");
                described(&watched, machine);
                gates(&mut loaded, base);
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
    assert!(loaded.ignored().iter().all(|finding| !format!("{finding:?}").is_empty()));
    let _ = (loaded.stubs_left(), loaded.enable(&Everything { base: 0, moved: 0 }).is_ok());
}

/// Objects arrive and leave, at other addresses each time.
fn gates(loaded: &mut Loaded<'_>, base: u64) {
    let shape = |loaded: &Loaded<'_>| {
        loaded.regions().map(|(kind, base, bytes)| (kind, base, bytes.len())).collect::<Vec<_>>()
    };
    let before = shape(loaded);
    loaded.free_init();
    let gates = loaded.gates();
    for moved in 0..3 {
        for gate in gates.iter().take(4) {
            let _ = loaded.gate_arrives(gate, &Everything { base, moved });
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
