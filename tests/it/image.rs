//! An ELF file as `object`'s low-level reader sees it: a second opinion on the output.

use object::elf::{FileHeader64, Rela64, SHT_NOBITS, SHT_RELA, SHT_SYMTAB};
use object::read::elf::{FileHeader, SectionHeader, Sym};
use object::{Endianness, pod};

pub(crate) const ALLOC: u64 = 0x2;
pub(crate) const INFO_LINK: u64 = 0x40;
pub(crate) const RELA_LIVEPATCH: u64 = 0x0010_0000;
pub(crate) const SHN_LIVEPATCH: u16 = 0xff20;
pub(crate) const RELA: u32 = SHT_RELA.0;

/// A file, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) machine: u16,
    pub(crate) flags: u32,
    pub(crate) sections: Vec<Section>,
    pub(crate) symbols: Vec<Symbol>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) kind: u32,
    pub(crate) flags: u64,
    pub(crate) address: u64,
    pub(crate) align: u64,
    pub(crate) entry_size: u64,
    pub(crate) link: u32,
    pub(crate) info: u32,
    pub(crate) size: u64,
    pub(crate) body: Vec<u8>,
    pub(crate) relocations: Vec<Relocation>,
}

impl Section {
    pub(crate) fn is_klp(&self) -> bool {
        self.flags & RELA_LIVEPATCH != 0
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Symbol {
    pub(crate) name: String,
    pub(crate) info: u8,
    pub(crate) other: u8,
    pub(crate) section: u16,
    pub(crate) value: u64,
    pub(crate) size: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Relocation {
    pub(crate) offset: u64,
    pub(crate) symbol: u32,
    pub(crate) kind: u32,
    pub(crate) addend: i64,
}

impl Image {
    pub(crate) fn read(data: &[u8]) -> Self {
        let header = FileHeader64::<Endianness>::parse(data).expect("an ELF header");
        let endian = header.endian().unwrap();
        let table = header.sections(endian, data).expect("a section table");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let sections = table
            .iter()
            .map(|section| {
                let kind = section.sh_type(endian);
                let body =
                    if kind == SHT_NOBITS { &[] } else { section.data(endian, data).unwrap() };
                Section {
                    name: text(table.section_name(endian, section).unwrap()),
                    kind: kind.0,
                    flags: section.sh_flags(endian).0,
                    address: section.sh_addr(endian),
                    align: section.sh_addralign(endian),
                    entry_size: section.sh_entsize(endian),
                    link: section.sh_link(endian),
                    info: section.sh_info(endian),
                    size: section.sh_size(endian),
                    body: body.to_vec(),
                    relocations: if kind == SHT_RELA { relocations(body, endian) } else { vec![] },
                }
            })
            .collect();
        let symbols = table.symbols(endian, data, SHT_SYMTAB).expect("a symbol table");
        let symbols = symbols
            .iter()
            .map(|symbol| Symbol {
                name: text(symbols.symbol_name(endian, symbol).unwrap()),
                info: symbol.st_info().0,
                other: symbol.st_other().0,
                section: symbol.st_shndx(endian).0,
                value: symbol.st_value(endian),
                size: symbol.st_size(endian),
            })
            .collect();
        let (machine, flags) = (header.e_machine(endian).0, header.e_flags(endian).0);
        Self { machine, flags, sections, symbols }
    }

    /// The one section of this name.
    pub(crate) fn section(&self, name: &str) -> &Section {
        self.find(name).unwrap_or_else(|| panic!("no section {name}"))
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|s| s.name == name)
    }

    pub(crate) fn klp_sections(&self) -> impl Iterator<Item = &Section> {
        self.sections.iter().filter(|s| s.is_klp())
    }

    /// The name of a relocation's symbol.
    pub(crate) fn symbol_of(&self, relocation: &Relocation) -> &str {
        &self.symbols[relocation.symbol as usize].name
    }

    pub(crate) fn symbol(&self, name: &str) -> &Symbol {
        let mut named = self.symbols.iter().filter(|s| s.name == name);
        named.next().unwrap_or_else(|| panic!("no symbol {name}"))
    }
}

fn relocations(body: &[u8], endian: Endianness) -> Vec<Relocation> {
    let raw = pod::slice_from_all_bytes::<Rela64<Endianness>>(body).expect("whole entries");
    let decoded = raw.iter().map(|r| Relocation {
        offset: r.r_offset.get(endian),
        symbol: r.r_sym(endian, false),
        kind: r.r_type(endian, false).0,
        addend: r.r_addend.get(endian),
    });
    decoded.collect()
}
