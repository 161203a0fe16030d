//! Calls of the library that are measured alone, in a process of their own.

use std::fs;
use std::hint::black_box;

use klp_arch::by_name;
use klp_convert::elf::Module;
use klp_convert::load::{Loader, Placement, Record, TargetKernel};
use klp_convert::symbols::{Map, Scope, SymbolSource as _, Wanted};

use super::inputs::folder;
use crate::relocations::placed::{Everything, MODULE, Placed};
use crate::relocations::relocations;

/// The option that makes this program run one of them.
pub(crate) const ONE: &str = "--one";
/// The name of the function whose instructions count.
pub(crate) const MEASURED: &str = "klp_measured";

pub(crate) const READ: &str = "read/large";
pub(crate) const LOOKUP: &str = "symbols/names";
pub(crate) const APPLY: &str = "apply";
pub(crate) const LOAD: &str = "load";

/// Relocations of a module to load.
const RELOCATIONS: u64 = 40_000;
/// Names to look up.
const NAMES: u64 = 200;

/// Does the work of a benchmark.
pub(crate) fn run(name: &str) {
    match name.split_once('/').unwrap() {
        _ if name == READ => {
            let data = fs::read(folder().join("module-8.ko")).unwrap();
            klp_measured(&mut || drop(black_box(Module::parse(&data).unwrap())));
        }
        _ if name == LOOKUP => lookup(),
        (APPLY, machine) => {
            let machine = by_name(machine).unwrap();
            let data = relocations(machine, RELOCATIONS);
            let mut placed = Placed::new(machine, &Module::parse(&data).unwrap());
            placed.reset();
            klp_measured(&mut || placed.relocate(machine));
        }
        (_, machine) => {
            let machine = by_name(machine).unwrap();
            let data = relocations(machine, RELOCATIONS);
            let module = Module::parse(&data).unwrap();
            let kernel = TargetKernel::newest(machine);
            let placement =
                Placement { start: MODULE, page_size: kernel.page_size, ..Placement::default() };
            let loader =
                Loader { machine, kernel: &kernel, placement: &placement, record: Record::Nothing };
            klp_measured(&mut || drop(black_box(loader.load(&module, &Everything).unwrap())));
        }
    }
}

/// What callgrind counts.
#[inline(never)]
fn klp_measured(work: &mut dyn FnMut()) {
    work();
}

/// Opens a map, and looks up names that it has and one that it has not.
fn lookup() {
    let names: Vec<_> =
        (0..NAMES).map(|n| format!("hidden_kernel_function_{:04}", n * 7)).collect();
    klp_measured(&mut || {
        let map = Map::open(folder().join("8.map")).unwrap();
        for name in &names {
            black_box(map.read(Scope::Names(&Wanted::new([name.as_str()]))).unwrap());
        }
    });
}
