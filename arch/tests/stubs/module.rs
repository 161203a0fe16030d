//! A small ppc64le module in memory: text, stubs, TOC, slots, tables.

use klp_arch::object::{
    SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE, SHN_UNDEF, SHT_NOBITS, SHT_RELA, Section, Symbol,
};
use klp_arch::{
    Conditions, Configuration, Extent, Fault, Features, KernelError, Linkage, Memory, Object,
    Operation, PPC64LE, Region, Rela, RelocationTable,
};
use scroll::Endian;

pub(crate) const BASE: u64 = 0x10_0001_0000;
pub(crate) const NOP: u32 = 0x6000_0000;
pub(crate) const BL: u32 = 0x4800_0001;
pub(crate) const REL24: u32 = 10;

pub(crate) const TEXT: usize = 1;
pub(crate) const STUBS: usize = 2;
pub(crate) const TOC: usize = 3;
pub(crate) const GOT: usize = 4;
pub(crate) const PERCPU: usize = 5;
/// The first relocation table.
pub(crate) const TABLES: usize = 6;

pub(crate) fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// The configuration of Debian's kernel of a version, with addresses.
pub(crate) fn configuration(version: &str) -> Configuration {
    let mut configuration = PPC64LE.configuration(version.parse().unwrap());
    configuration.symbols.extend([
        ("ftrace_caller", 0xc000_0000_0007_7114),
        ("ftrace_regs_caller", 0xc000_0000_0007_6f48),
        (".TOC.", 0xc000_0000_01e7_3100),
        ("ftrace_nop_ops", 0xc000_0000_0145_9e40),
        ("_stext", 0xc000_0000_0000_0000),
    ]);
    configuration
}

/// Only these features, and nothing for ftrace.
pub(crate) fn bare(features: Features) -> Configuration {
    Configuration { features, ..configuration("7.2") }
}

pub(crate) fn call(symbol: u32, offset: u64, addend: i64) -> Rela {
    Rela { offset, symbol, kind: REL24, addend }
}

pub(crate) fn undefined(name: &'static [u8], st_value: u64) -> Symbol<'static> {
    Symbol { name, st_value, st_size: 0, st_shndx: SHN_UNDEF, st_info: 0x10, st_other: 0 }
}

/// The temporary copy: text of calls with room for `calls`, one table for each list.
pub(crate) fn object(
    calls: usize,
    symbols: &[Symbol<'static>],
    tables: &[Vec<Rela>],
) -> Object<'static> {
    let section = |name: &'static [u8], sh_type, sh_flags, sh_addralign, body: Vec<u8>| Section {
        name,
        sh_type,
        sh_flags,
        sh_addralign,
        sh_size: body.len() as u64,
        body: body.into(),
        ..Section::default()
    };
    let mut sections = vec![
        Section::default(),
        section(
            b".text",
            1,
            SHF_ALLOC | SHF_EXECINSTR,
            16,
            words(&[BL, NOP, NOP, NOP].repeat(calls)),
        ),
        section(b".stubs", SHT_NOBITS, SHF_ALLOC | SHF_EXECINSTR, 8, vec![]),
        section(b".toc", 1, SHF_ALLOC | SHF_WRITE, 1, vec![0; 8]),
        section(b".mygot", SHT_NOBITS, SHF_ALLOC, 1, vec![]),
        section(b".data..percpu", 1, 0, 8, vec![0; 8]),
    ];
    for table in tables {
        let body = table.iter().flat_map(|rela| rela.write(Endian::Little)).collect();
        let mut section = section(b".rela.text", SHT_RELA, 0, 8, body);
        section.sh_info = TEXT as u32;
        sections.push(section);
    }
    let null = Symbol { st_info: 0, ..undefined(b"", 0) };
    let symbols = [&[null], symbols].concat();
    Object { sections, symbols, ..Object::default() }
}

/// A module that is being loaded.
#[derive(Debug)]
pub(crate) struct Loading {
    pub(crate) object: Object<'static>,
    pub(crate) linkage: Box<dyn Linkage>,
    pub(crate) memory: Memory,
    pub(crate) features: Features,
}

impl Loading {
    pub(crate) fn new(
        mut object: Object<'static>,
        configuration: &Configuration,
    ) -> Result<Self, KernelError> {
        let mut linkage = PPC64LE.loader.reserve(&mut object, configuration)?;
        let mut bytes = Vec::new();
        for section in object.sections.iter_mut().filter(|s| s.has(SHF_ALLOC)) {
            bytes.resize(bytes.len().next_multiple_of(section.sh_addralign as usize), 0);
            let (offset, size) = (bytes.len(), section.sh_size as usize);
            bytes.extend_from_slice(&section.body);
            bytes.resize(offset + size, 0);
            let address = BASE + offset as u64;
            section.extent = Some(Extent { region: 0, offset, size, address });
        }
        // What follows.
        bytes.resize(bytes.len() + 256, 0);
        let memory = Memory { regions: vec![Region { base: BASE, bytes }] };
        linkage.settle(&mut object, &memory).unwrap();
        Ok(Self { object, linkage, memory, features: configuration.features })
    }

    pub(crate) fn extent(&self, section: usize) -> Extent {
        self.object.sections[section].extent.unwrap()
    }

    /// Applies one relocation of text.
    pub(crate) fn apply(&mut self, rela: Rela, late: bool) -> Result<(), Fault> {
        let table = RelocationTable {
            entries: &[rela.write(Endian::Little)],
            symbols: &self.object.symbols,
            target: self.extent(TEXT),
            init: false,
            conditions: Conditions { late, features: self.features, ..Conditions::default() },
        };
        let linkage = &mut *self.linkage;
        let done =
            PPC64LE.loader.relocate(&table, Operation::Apply, linkage, &mut self.memory, None);
        done.map_err(|stopped| stopped.fault)
    }

    /// Applies all tables in order; returns the fault of each relocation that has one.
    pub(crate) fn apply_all(&mut self) -> Vec<Fault> {
        let tables = TABLES..self.object.sections.len();
        let relas: Vec<Rela> =
            tables.flat_map(|table| self.object.relas(table).collect::<Vec<_>>()).collect();
        relas.into_iter().filter_map(|rela| self.apply(rela, false).err()).collect()
    }

    pub(crate) fn finish(&mut self) -> Result<(), Fault> {
        self.linkage.finish(&self.object, &mut self.memory)
    }

    /// The words of a stub.
    pub(crate) fn stub(&self, slot: usize) -> Vec<u32> {
        let bytes = &self.memory.bytes(&self.extent(STUBS))[slot * 40..][..40];
        bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
    }

    /// The target of a stub.
    pub(crate) fn target(&self, slot: usize) -> u64 {
        let words = self.stub(slot);
        u64::from(words[9]) << 32 | u64::from(words[8])
    }

    /// How many stubs fit.
    pub(crate) fn reserved(&self) -> u64 {
        self.object.sections[STUBS].sh_size / 40
    }

    /// How many stubs are in use, and how many fit.
    pub(crate) fn stubs(&self) -> (u64, u64) {
        let reserved = self.reserved();
        (reserved - self.linkage.stubs_left().unwrap(), reserved)
    }

    pub(crate) fn r2(&self) -> u64 {
        self.linkage.anchors().toc.unwrap()
    }
}
