//! The fixtures in the simulated loader: objects arrive, leave and arrive again.
//!
//! The livepatches are converted and loaded at the addresses of the kernel that they were built for.

use std::cell::RefCell;
use std::collections::BTreeSet;

use klp_convert::check::Judge;
use klp_convert::convert::convert;
use klp_convert::elf::Module;
use klp_convert::load::{
    Loaded, Loader, ObjectState, Placement, Record, Refused, RegionKind, SimulatedKernel,
    TargetKernel,
};
use klp_convert::name::ObjectName;
use klp_convert::options::Options;
use klp_convert::symbols::{Answer, ModuleFile, Sources, Symvers, Vmlinux, Wanted};

use crate::machine::{Machine, machines};

/// Every region of a module: kind, address, bytes.
pub(crate) type Regions = Vec<(RegionKind, u64, Vec<u8>)>;

pub(crate) fn sources(machine: &Machine) -> Sources {
    let mut sources = Sources::new();
    sources.push(Vmlinux::new(machine.path("vmlinux.cut")));
    sources.push(ModuleFile::new(machine.path("klp_target_a.ko")));
    sources.push(ModuleFile::new(machine.path("klp_target_b.ko")));
    sources.push(Symvers::new(machine.path("Module.symvers")));
    sources
}

pub(crate) fn converted(machine: &Machine, name: &str) -> Vec<u8> {
    let data = machine.read(name);
    let options = Options { allow_undeclared_dependency: true, ..Options::default() };
    let conversion = convert(&data, &sources(machine), &options);
    conversion.unwrap_or_else(|error| panic!("{} {name}: {error}", machine.name)).bytes.into_owned()
}

pub(crate) fn answer(machine: &Machine, module: &Module<'_>) -> Answer {
    sources(machine).answer(&Wanted::new(Judge::wanted(module).unwrap())).unwrap()
}

pub(crate) fn backend(machine: &Machine) -> &'static klp_arch::Machine {
    klp_arch::by_name(machine.name).unwrap()
}

pub(crate) fn load<'m>(
    machine: &Machine,
    module: &'m Module<'m>,
    known: &SimulatedKernel<'_>,
    record: Record,
) -> Result<Loaded<'m>, Refused> {
    let backend = backend(machine);
    let kernel = TargetKernel::newest(backend);
    // In the middle: modules are near on both sides.
    let area = Placement::area(backend, &kernel);
    let start = area.start + (area.end - area.start) / 2 / kernel.page_size * kernel.page_size;
    let placement = Placement { start, page_size: kernel.page_size, ..Placement::default() };
    Loader { machine: backend, kernel: &kernel, placement: &placement, record }.load(module, known)
}

pub(crate) fn regions(loaded: &Loaded<'_>) -> Regions {
    loaded.regions().map(|(kind, base, bytes)| (kind, base, bytes.to_vec())).collect()
}

/// Every region, without the values of symbols, which the kernel never clears.
fn written(loaded: &Loaded<'_>) -> Regions {
    let table = loaded.symbol_table();
    let mut regions = regions(loaded);
    for (_, base, bytes) in &mut regions {
        let addresses = (*base..).zip(bytes);
        addresses.filter(|(at, _)| table.contains(at)).for_each(|(_, byte)| *byte = 0);
    }
    regions
}

/// Runs a claim about every livepatch of every machine.
fn each(claim: impl Fn(&str, &Machine, &Module<'_>, &Answer)) {
    let mut count = 0;
    for machine in machines() {
        for name in machine.convertible() {
            let bytes = converted(&machine, &name);
            let module = Module::parse(&bytes).unwrap();
            claim(
                &format!("{} {name}", machine.name),
                &machine,
                &module,
                &answer(&machine, &module),
            );
            count += 1;
        }
    }
    assert!(count > 4 * 15);
}

#[test]
fn every_livepatch_loads_and_its_gates_open() {
    let mut gates = BTreeSet::new();
    for machine in machines() {
        for name in machine.convertible() {
            let bytes = converted(&machine, &name);
            let module = Module::parse(&bytes).unwrap();
            let answer = answer(&machine, &module);
            let known = SimulatedKernel::new(&answer);
            let mut loaded = load(&machine, &module, &known, Record::Everything)
                .unwrap_or_else(|error| panic!("{} {name}: {error}", machine.name));
            assert_eq!(loaded.unnoticed(), []);
            let at_load = loaded.relocations().len();
            for gate in loaded.gates() {
                let arrived = loaded.gate_arrives(&gate, &known);
                arrived.unwrap_or_else(|error| panic!("{} {name}: {error}", machine.name));
                assert!(loaded.relocations().len() > at_load, "{} {name}", machine.name);
                gates.insert((machine.name, gate));
            }
        }
    }
    assert_eq!(gates.len(), 4, "{gates:?}");
}

#[test]
fn loading_is_deterministic_and_recording_changes_nothing() {
    each(|context, machine, module, answer| {
        let known = SimulatedKernel::new(answer);
        let run = |record| {
            let mut loaded = load(machine, module, &known, record).unwrap();
            for gate in loaded.gates() {
                loaded.gate_arrives(&gate, &known).unwrap();
            }
            assert_eq!(loaded.relocations().is_empty(), record == Record::Nothing, "{context}");
            regions(&loaded)
        };
        let first = run(Record::Nothing);
        assert!(first == run(Record::Nothing), "{context}");
        assert!(first == run(Record::Everything), "{context}");
    });
}

#[test]
fn a_gate_that_leaves_and_arrives_at_the_same_addresses_gives_the_same_image() {
    each(|context, machine, module, answer| {
        let known = SimulatedKernel::new(answer);
        let mut loaded = load(machine, module, &known, Record::Nothing).unwrap();
        let closed = written(&loaded);
        for gate in loaded.gates() {
            loaded.gate_arrives(&gate, &known).unwrap();
            let open = written(&loaded);
            assert!(open != closed, "{context}: nothing was written");
            loaded.gate_leaves(&gate).unwrap();
            let left = written(&loaded);
            let clears = backend(machine).clears_relocations;
            assert!(left == if clears { closed.clone() } else { open.clone() }, "{context}");
            loaded.free_init();
            loaded.gate_arrives(&gate, &known).unwrap_or_else(|e| panic!("{context}: {e}"));
            assert!(written(&loaded) == open, "{context}");
        }
    });
}

#[test]
fn a_gate_that_arrives_elsewhere_gives_another_image_except_for_slots_written_once() {
    let stale = RefCell::new(Vec::new());
    each(|context, machine, module, answer| {
        let known = SimulatedKernel::new(answer);
        let backend = backend(machine);
        let area = Placement::area(backend, &TargetKernel::newest(backend));
        let elsewhere = SimulatedKernel::new(answer).modules_in(area.start + 0x20_0000..area.end);
        let mut loaded = load(machine, module, &known, Record::Nothing).unwrap();
        for gate in loaded.gates() {
            loaded.gate_arrives(&gate, &known).unwrap();
            let open = written(&loaded);
            loaded.gate_leaves(&gate).unwrap();
            loaded.gate_arrives(&gate, &elsewhere).unwrap_or_else(|e| panic!("{context}: {e}"));
            if written(&loaded) == open {
                stale.borrow_mut().push(context.to_owned());
            }
        }
    });
    // The s390x kernel never rewrites a slot: references through one keep the object's old address.
    let stale = stale.into_inner();
    assert!(stale.iter().all(|context| context.starts_with("s390x ")), "{stale:?}");
    assert!(stale.contains(&"s390x lp_dotted_names.ko".into()), "{stale:?}");
}

#[test]
fn a_gate_that_was_not_cleared_is_refused_where_bytes_must_be_untouched() {
    for machine in machines().into_iter().filter(|m| backend(m).needs_untouched_place) {
        let bytes = converted(&machine, "lp_module_symbols.ko");
        let module = Module::parse(&bytes).unwrap();
        let answer = answer(&machine, &module);
        let known = SimulatedKernel::new(&answer);
        let gate: ObjectName = "klp_target_a".parse().unwrap();
        let backend = backend(&machine);
        let mut kernel = TargetKernel::newest(backend);
        kernel.livepatching.clears = false;
        let placement = Placement::usual(backend, &kernel);
        let loader = Loader {
            machine: backend,
            kernel: &kernel,
            placement: &placement,
            record: Record::Nothing,
        };
        let mut loaded = loader.load(&module, &known).unwrap();
        loaded.gate_arrives(&gate, &known).unwrap();
        loaded.free_init();
        loaded.gate_leaves(&gate).unwrap();
        let written = regions(&loaded);
        let error = loaded.gate_arrives(&gate, &known).unwrap_err().to_string();
        assert!(error.contains("existing value is nonzero"), "{error}");
        let refusing = "refusing to load module 'klp_target_a'";
        assert!(error.contains(refusing), "{error}");
        assert!(regions(&loaded) == written);
    }
}

#[test]
fn an_object_that_is_not_loaded_has_no_symbols() {
    each(|context, machine, module, answer| {
        let mut known = SimulatedKernel::new(answer);
        let mut loaded = load(machine, module, &known, Record::Nothing).unwrap();
        let closed = regions(&loaded);
        for object in ["klp_target_a", "klp_target_b"] {
            known.set_state(object.parse().unwrap(), ObjectState::Absent);
        }
        for gate in loaded.gates() {
            let error = loaded.gate_arrives(&gate, &known).unwrap_err();
            assert!(
                error.to_string().contains("not found in symbol table -EINVAL"),
                "{context}: {error}"
            );
            assert!(regions(&loaded) == closed, "{context}");
        }
    });
}

#[test]
fn a_gate_writes_the_values_it_finds_to_the_symbol_table_that_stays() {
    each(|context, machine, module, answer| {
        let known = SimulatedKernel::new(answer);
        let mut loaded = load(machine, module, &known, Record::Everything).unwrap();
        for gate in loaded.gates() {
            let before = loaded.relocations().len();
            loaded.gate_arrives(&gate, &known).unwrap();
            for relocated in &loaded.relocations()[before..] {
                // All symbols of a livepatch stay, in their order; the value is 8 bytes into each.
                let at = loaded.symbol_table().start + u64::from(relocated.rela.symbol) * 24 + 8;
                let bytes: [u8; 8] = loaded.bytes_at(at).unwrap()[..8].try_into().unwrap();
                let value = match backend(machine).endian {
                    scroll::Endian::Little => u64::from_le_bytes(bytes),
                    scroll::Endian::Big => u64::from_be_bytes(bytes),
                };
                assert_eq!(value, relocated.inputs.s, "{context}");
            }
        }
    });
}
