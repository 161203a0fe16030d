//! The simulated load: relocations per second, and the whole load compared with the minimal work.
//!
//! *Apply* is the loop over the tables alone. Its baseline is a copy of the touched bytes and one
//! read of the tables, from the same run. Times are medians of interleaved runs.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "inputs are made here, a surprise stops the run"
)]

#[allow(dead_code, reason = "the inputs of other benchmarks")]
mod generate;
#[allow(dead_code, reason = "the measures of other benchmarks")]
mod measure;
mod relocations;

use std::hint::black_box;
use std::time::Duration;

use klp_arch::object::{SHF_ALLOC, SHF_EXECINSTR, SHT_NOBITS, Section, Symbol};
use klp_arch::{
    Conditions, Configuration, Extent, Machine, Memory, Object, Operation, Region, RelocationTable,
    machines,
};
use klp_convert::elf::Module;
use klp_convert::load::{Bind, ExportedSymbol, Loader, Lookup, Placement, Record, TargetKernel};
use klp_convert::name::KlpSymbol;
use measure::{compare, ms, ratio, table, timed};
use relocations::relocations;

/// Relocations of the promised figures.
const RELOCATIONS: u64 = 10_000_000;
/// Addresses of modules and kernel: close enough for direct calls on every machine that can make
/// them, which is the usual case.
const MODULE: u64 = 0xffff_ffff_c000_0000;
const KERNEL: u64 = 0xffff_ffff_be00_0000;

/// A kernel that exports every name.
#[derive(Debug)]
struct Everything;

impl Bind for Everything {
    fn export(&self, _: &str) -> Option<ExportedSymbol> {
        Some(ExportedSymbol {
            address: KERNEL,
            owner: klp_convert::name::ObjectName::vmlinux(),
            gpl: Some(false),
            namespace: None,
            crc: None,
        })
    }

    fn find(&self, _: &KlpSymbol) -> Lookup {
        Lookup::Found(KERNEL)
    }
}

/// Reads every word and keeps nothing but their sum.
fn read(bytes: &[u8]) -> u64 {
    bytes.as_chunks().0.iter().fold(0, |sum, word| sum ^ u64::from_ne_bytes(*word))
}

/// The machine's part alone: a module whose regions are placed and whose symbols are bound.
struct Placed<'data> {
    object: Object<'data>,
    linkage: Box<dyn klp_arch::Linkage>,
    memory: Memory,
}

impl<'data> Placed<'data> {
    fn new(machine: &'static Machine, module: &Module<'data>) -> Self {
        let sections = module.sections().map(|section| Section {
            name: section.name,
            sh_type: section.sh_type.0,
            sh_flags: section.sh_flags.bits(),
            sh_size: section.sh_size,
            sh_info: section.sh_info,
            sh_addralign: section.sh_addralign,
            body: module.body(section.index).into(),
            extent: None,
        });
        let symbols = module.symbols().map(|symbol| Symbol {
            name: symbol.name,
            st_value: symbol.st_value,
            st_shndx: u16::from(symbol.name == b"function"),
            ..Symbol::default()
        });
        let (big_endian, text_start) = (machine.endian == scroll::Endian::Big, 0);
        let (sections, symbols) = (sections.collect(), symbols.collect());
        let mut object = Object { big_endian, sections, symbols, text_start, text_base: MODULE };
        let mut linkage = machine.loader.reserve(&mut object, &Configuration::default()).unwrap();
        let mut size = object.text_start;
        // Instructions first: stubs must be near.
        let mut loaded: Vec<_> = object.sections.iter_mut().filter(|s| s.has(SHF_ALLOC)).collect();
        loaded.sort_by_key(|section| !section.has(SHF_EXECINSTR));
        for section in loaded {
            let offset = size.next_multiple_of(section.sh_addralign.max(8));
            size = offset + section.sh_size;
            let (offset, size) = (offset as usize, section.sh_size as usize);
            let address = MODULE + offset as u64;
            section.extent = Some(Extent { region: 0, offset, size, address });
        }
        let region = Region { base: MODULE, bytes: vec![0; size as usize] };
        let memory = Memory { regions: vec![region] };
        linkage.settle(&mut object, &memory).unwrap();
        let text = object.sections[1].address();
        for symbol in object.symbols.iter_mut().skip(1) {
            symbol.st_value += if symbol.st_shndx == 0 { KERNEL } else { text };
        }
        Self { object, linkage, memory }
    }

    /// Restores the sections.
    fn reset(&mut self) {
        self.memory.regions[0].bytes.fill(0);
        for section in self.object.sections.iter().filter(|s| s.sh_type != SHT_NOBITS) {
            if let Some(extent) = &section.extent {
                self.memory.bytes_mut(extent).copy_from_slice(&section.body);
            }
        }
    }

    fn apply(&mut self, machine: &'static Machine) -> Duration {
        self.reset();
        let mut linkage = self.linkage.boxed_clone();
        timed(|| {
            for table in self.object.sections.iter().filter(|s| s.name.starts_with(b".rela")) {
                let target = self.object.sections[table.sh_info as usize].extent.unwrap();
                let (entries, symbols) = (table.body.as_chunks().0, self.object.symbols.as_slice());
                let table = RelocationTable {
                    entries,
                    symbols,
                    target,
                    init: false,
                    conditions: Conditions::default(),
                };
                machine
                    .loader
                    .relocate(&table, Operation::Apply, &mut *linkage, &mut self.memory, None)
                    .unwrap();
            }
        })
    }
}

fn one(machine: &'static Machine, count: u64, rounds: usize) -> Vec<String> {
    let data = relocations(machine, count);
    let module = Module::parse(&data).unwrap();
    let kernel = TargetKernel::newest(machine);
    let placement =
        Placement { start: MODULE, page_size: kernel.page_size, ..Placement::default() };
    let loader =
        Loader { machine, kernel: &kernel, placement: &placement, record: Record::Nothing };
    let tables: Vec<&[u8]> = module.relocation_sections().map(|s| module.body(s.index)).collect();
    let loaded = loader.load(&module, &Everything).unwrap();
    let touched: usize = loaded.regions().map(|(.., bytes)| bytes.len()).sum();
    drop(loaded);
    let from = vec![1_u8; touched];
    let mut placed = Placed::new(machine, &module);
    let [apply, whole, copied, read] = compare(
        rounds,
        Duration::from_secs(20),
        [
            &mut || placed.apply(machine),
            &mut || timed(|| loader.load(&module, &Everything).unwrap()),
            &mut || timed(|| black_box(&from).clone()),
            &mut || timed(|| tables.iter().map(|table| read(table)).sum::<u64>()),
        ],
    );
    let least = copied + read;
    let per_second = count as f64 / apply.as_secs_f64() / 1e6;
    vec![
        machine.name.into(),
        ms(apply),
        format!("{per_second:.0} million/s"),
        ms(whole),
        ms(copied),
        ms(read),
        ratio(whole, least),
    ]
}

fn main() {
    // Without `--bench` this only tests that everything runs.
    let bench = std::env::args().any(|word| word == "--bench");
    let (count, rounds) = if bench { (RELOCATIONS, 5) } else { (10_000, 1) };
    let rows = machines().iter().map(|machine| one(machine, count, rounds)).collect();
    let titles = ["machine", "apply", "rate", "whole load", "copy", "read", "ratio"];
    println!("\n{count} relocations");
    table(&titles, rows);
}
