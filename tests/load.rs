//! Every module of a distribution kernel, loaded at the addresses of that kernel.
//!
//! `KLP_KERNELS=DIR[:DIR…] cargo test --release --test load -- --ignored --nocapture`, with directories
//! made by `.ci/distribution-kernels`. The kernel has loaded each of these modules somewhere: what is
//! refused here is explained here, one by one, or is a fault of ours. Symbols, exports, versions and
//! addresses are those of the boot image and of the modules' files; of a kernel without
//! `CONFIG_KALLSYMS_ALL` only functions are known, and data is assumed to lie behind them. `KLP_EVERY=1` loads every module;
//! without it about each sixteenth.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may stop at the first surprise"
)]

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use klp_arch::Machine;
use klp_convert::elf::{Module, SectionIndex, SymbolIndex, SymbolSection};
use klp_convert::load::{
    Bind, ExportedSymbol, Loaded, Loader, Lookup, Placement, Record, SimulatedKernel, TargetKernel,
};
use klp_convert::name::{KlpSymbol, ObjectName};
use klp_convert::symbols::{Answer, Sources, Wanted, add_kernel};
use rayon::prelude::*;

/// Modules that are refused by their kernel, too, and why: release, module, what the message says.
const REFUSED: [(&str, &str, &str); 0] = [];

/// Every module below a folder, in the order of their paths.
fn modules(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() && !path.is_symlink() {
            modules(&path, found);
        } else if path.to_str().is_some_and(|p| p.ends_with(".ko") || p.ends_with(".ko.xz")) {
            found.push(path);
        }
    }
}

fn read(path: &Path) -> Vec<u8> {
    if path.extension().is_none_or(|end| end != "xz") {
        return fs::read(path).unwrap();
    }
    let output = Command::new("xz").arg("-dc").arg(path).output().expect("xz is installed");
    assert!(output.status.success(), "{}", path.display());
    output.stdout
}

/// What the sources know about everything that these modules leave undefined.
fn answer(tree: &Path, modules: &[Vec<u8>]) -> Answer {
    let mut names = BTreeSet::from(["module_layout", "_etext"].map(String::from));
    for data in modules {
        let module = Module::parse(data).unwrap();
        let undefined = module.symbols_in(SymbolSection::Undefined).skip(1);
        names.extend(undefined.map(|symbol| String::from_utf8(symbol.name.to_vec()).unwrap()));
    }
    let mut sources = Sources::new();
    let errors = add_kernel(tree, false, &mut sources);
    assert!(errors.is_empty(), "{errors:?}");
    for backend in klp_arch::machines() {
        names.extend(TargetKernel::wanted(backend).map(String::from));
    }
    sources.answer(&Wanted::new(names.iter().map(String::as_str))).unwrap()
}

/// A kernel whose table of symbols has functions only, so that the boot image does not show what is
/// exported: what its own modules leave undefined must be. Data is assumed to lie behind the functions.
struct Exporting<'a> {
    known: &'a SimulatedKernel<'a>,
    answer: &'a Answer,
    backend: &'static Machine,
}

impl Bind for Exporting<'_> {
    fn export(&self, name: &str) -> Option<ExportedSymbol> {
        if let Some(export) = self.known.export(name) {
            return Some(export);
        }
        let special = self.backend.loader_symbol(name.as_bytes());
        if name.is_empty() || special.is_some_and(|s| s.needs_no_export()) {
            return None;
        }
        let vmlinux = ObjectName::vmlinux();
        let candidates = || self.answer.candidates_in(name, &vmlinux);
        // Local symbols have the small letter.
        let global = candidates().find(|c| c.letter.is_some_and(|l| l.is_ascii_uppercase()));
        let function = global.or_else(|| candidates().next()).and_then(|c| c.address);
        let data = || self.answer.candidates_in("_etext", &vmlinux).next()?.address;
        let address = function.or_else(data)?;
        Some(ExportedSymbol { address, owner: vmlinux, gpl: None, namespace: None, crc: None })
    }

    fn find(&self, symbol: &KlpSymbol) -> Lookup {
        self.known.find(symbol)
    }
}

/// What came of the modules of one kernel.
#[derive(Default)]
struct Tally {
    loaded: usize,
    relocations: usize,
    checked: usize,
    time: Duration,
    refused: Vec<(String, String)>,
}

/// Holds S of every relocation against the symbol's place, which the relocations of its section tell,
/// or its export; gives how many could be.
fn right_symbols(module: &Module<'_>, loaded: &Loaded<'_>, known: &dyn Bind) -> usize {
    let target = |section: usize| {
        let index = SectionIndex::new(u32::try_from(section).unwrap());
        module.section(index).unwrap().sh_info
    };
    let bases: HashMap<u32, u64> = loaded
        .relocations()
        .iter()
        .filter(|r| r.inputs.p != 0)
        .map(|r| (target(r.section), r.inputs.p - r.rela.offset))
        .collect();
    let mut checked = 0;
    for relocation in loaded.relocations().iter().filter(|r| r.inputs.p != 0) {
        let symbol = module.symbol(SymbolIndex::new(relocation.rela.symbol)).unwrap();
        let name = std::str::from_utf8(symbol.name).unwrap();
        let expected = match symbol.section {
            SymbolSection::Undefined => known.export(name).map(|export| export.address),
            SymbolSection::Absolute => Some(symbol.st_value),
            SymbolSection::Defined(section) => {
                bases.get(&section.get()).map(|base| base + symbol.st_value)
            }
            _ => None,
        };
        if let Some(expected) = expected {
            assert_eq!(relocation.inputs.s, expected, "{name}");
            checked += 1;
        }
    }
    checked
}

fn load(
    answer: &Answer,
    backend: &'static Machine,
    known: &dyn Bind,
    tally: &mut Tally,
    data: &[u8],
) {
    let module = Module::parse(data).unwrap();
    // The version is the one that the module says it is for.
    let kernel = TargetKernel::of(backend, None, &module, Some(answer));
    let name = module.modinfo().find(|(key, _)| *key == b"name").expect("a module's name").1;
    let placement = Placement::usual(backend, &kernel);
    let loader = Loader {
        machine: backend,
        kernel: &kernel,
        placement: &placement,
        record: Record::Everything,
    };
    let start = Instant::now();
    match loader.load(&module, known) {
        Ok(loaded) => {
            tally.loaded += 1;
            tally.relocations += loaded.relocations().len();
            tally.checked += right_symbols(&module, &loaded, known);
            tally.time += start.elapsed();
            assert_eq!(loaded.unnoticed(), []);
        }
        Err(refused) => {
            tally.refused.push((String::from_utf8_lossy(name).into_owned(), refused.to_string()));
        }
    }
}

#[test]
#[ignore = "needs distribution kernels; .ci/run fetches and names them"]
fn every_module_of_a_kernel_loads_at_its_addresses() {
    let kernels = std::env::var_os("KLP_KERNELS").expect("KLP_KERNELS is not set");
    let every = std::env::var("KLP_EVERY").map_or(16, |every| every.parse().unwrap());
    let kernels: Vec<_> = std::env::split_paths(&kernels).collect();
    kernels.into_par_iter().for_each(|directory| {
        let trees = ["lib/modules", "usr/lib/modules"].map(|below| directory.join(below));
        let tree = trees.iter().find(|tree| tree.is_dir()).unwrap();
        let tree = fs::read_dir(tree).unwrap().next().unwrap().unwrap().path();
        let release = tree.file_name().unwrap().to_str().unwrap().to_owned();
        let mut all = Vec::new();
        modules(&tree, &mut all);
        let files: Vec<_> = all.iter().step_by(every).map(|path| read(path)).collect();
        let answer = answer(&tree, &files);
        let backend = klp_arch::for_machine(answer.kernel().machine.unwrap()).unwrap();
        let known = SimulatedKernel::new(&answer);
        let exporting = Exporting { known: &known, answer: &answer, backend };
        let functions_only = answer.kernel().kallsyms_all == Some(false);
        let known: &dyn Bind = if functions_only { &exporting } else { &known };
        let mut tally = Tally::default();
        for data in &files {
            load(&answer, backend, known, &mut tally, data);
        }
        println!(
            "{release}: {} of {} modules loaded, {} relocations, {} with known symbols, {} refused, {:?}",
            tally.loaded,
            files.len(),
            tally.relocations,
            tally.checked,
            tally.refused.len(),
            tally.time
        );
        let unexplained: Vec<_> = tally
            .refused
            .iter()
            .filter(|(module, says)| {
                !REFUSED
                    .iter()
                    .any(|(r, m, why)| release == *r && module == m && says.contains(why))
            })
            .collect();
        for (module, says) in &unexplained {
            println!("{module}: {says}");
        }
        assert!(unexplained.is_empty(), "{release}: {} modules are refused", unexplained.len());
        assert!(tally.loaded > 100 / every && tally.checked * 3 > tally.relocations * 2);
    });
}
