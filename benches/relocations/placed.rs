//! A module in a kernel's memory, without the rest of a load: regions are placed and symbols are bound.

use std::time::Duration;

use klp_arch::object::{SHF_ALLOC, SHF_EXECINSTR, SHT_NOBITS, Section, Symbol};
use klp_arch::{
    Conditions, Configuration, Extent, Machine, Memory, Object, Operation, Region, RelocationTable,
};
use klp_convert::elf::Module;
use klp_convert::load::{Bind, ExportedSymbol, Lookup};
use klp_convert::name::KlpSymbol;

use crate::measure::timed;

/// Addresses of modules and kernel: close enough for direct calls on every machine that can make
/// them, which is the usual case, and such that a process may have memory there.
pub(crate) const MODULE: u64 = 0x4000_0000;
pub(crate) const KERNEL: u64 = 0x3e00_0000;

/// A kernel that exports every name.
#[derive(Debug)]
pub(crate) struct Everything;

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

/// The machine's part alone: a module whose regions are placed and whose symbols are bound.
pub(crate) struct Placed<'data> {
    object: Object<'data>,
    linkage: Box<dyn klp_arch::Linkage>,
    memory: Memory,
}

impl<'data> Placed<'data> {
    pub(crate) fn new(machine: &'static Machine, module: &Module<'data>) -> Self {
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
    pub(crate) fn reset(&mut self) {
        self.memory.regions[0].bytes.fill(0);
        for section in self.object.sections.iter().filter(|s| s.sh_type != SHT_NOBITS) {
            if let Some(extent) = &section.extent {
                self.memory.bytes_mut(extent).copy_from_slice(&section.body);
            }
        }
    }

    /// What is in memory.
    pub(crate) fn memory(&self) -> &[u8] {
        &self.memory.regions[0].bytes
    }

    /// The time of the loop over the tables alone.
    pub(crate) fn apply(&mut self, machine: &'static Machine) -> Duration {
        self.reset();
        timed(|| self.relocate(machine))
    }

    /// The time of the least that any loader does: it reads each entry and its symbol's value, and adds to the word at
    /// the place.
    pub(crate) fn touch(&mut self) -> Duration {
        self.reset();
        let memory = self.memory.regions[0].bytes.as_mut_slice();
        let Object { big_endian, sections, symbols, .. } = &self.object;
        let number = |bytes: &[u8; 8]| match big_endian {
            true => u64::from_be_bytes(*bytes),
            false => u64::from_le_bytes(*bytes),
        };
        timed(|| {
            for table in sections.iter().filter(|s| s.name.starts_with(b".rela")) {
                let target = sections[table.sh_info as usize].extent.unwrap();
                let memory = &mut memory[target.offset..];
                for entry in table.body.as_chunks::<24>().0 {
                    let [place, info, addend] = *entry.as_chunks().0 else { unreachable!() };
                    let (place, symbol) = (number(&place) as usize, number(&info) >> 32);
                    let value = symbols[symbol as usize].st_value.wrapping_add(number(&addend));
                    let word = memory[place..].first_chunk_mut().unwrap();
                    *word = u32::from_ne_bytes(*word).wrapping_add(value as u32).to_ne_bytes();
                }
            }
        })
    }

    /// The loop over the tables.
    pub(crate) fn relocate(&mut self, machine: &'static Machine) {
        let mut linkage = self.linkage.boxed_clone();
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
    }
}
