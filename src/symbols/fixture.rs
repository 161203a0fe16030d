//! Small ELF files for tests, in either byte order, with any error that a test needs.
//!
//! The tests of the ELF sources build their input here. Layout: header, section bodies, section
//! headers; the symbol and string tables are the last sections.

use std::io::Cursor;

use object::elf;
use scroll::{Endian, Pwrite};

use super::elf::table::ElfTable;

/// A section: name, `sh_type`, `sh_flags`, `sh_addr`, contents.
type Section = (&'static str, elf::SectionType, u64, u64, Vec<u8>);

/// An ELF file under construction.
pub(super) struct Image {
    pub(super) endian: Endian,
    pub(super) file_type: elf::FileType,
    pub(super) machine: u16,
    sections: Vec<Section>,
    symbols: Vec<u8>,
    strings: Vec<u8>,
    /// Real section indices, for symbols with `SHN_XINDEX`.
    indices: Vec<u8>,
    /// `sh_info` by section.
    infos: Vec<(usize, u16)>,
    /// Whether the section header count and the names' index are in section 0.
    pub(super) extended: bool,
}

pub(super) const ALLOC: u64 = elf::SHF_ALLOC.0;
pub(super) const WRITE: u64 = elf::SHF_WRITE.0;
pub(super) const EXEC: u64 = elf::SHF_EXECINSTR.0;
pub(super) const UNDEF: u16 = 0;
pub(super) const ABS: u16 = 0xfff1;
pub(super) const XINDEX: u16 = 0xffff;
/// `st_info` of a local, global, weak, or unique function.
pub(super) const LOCAL: u8 = 0x02;
pub(super) const GLOBAL: u8 = 0x12;
pub(super) const WEAK: u8 = 0x22;
pub(super) const UNIQUE: u8 = 0xa2;
/// `st_info` of a file name and of a section.
pub(super) const FILE: u8 = 0x04;
pub(super) const SECTION: u8 = 0x03;

impl Image {
    pub(super) fn new(endian: Endian, file_type: elf::FileType) -> Self {
        Self {
            endian,
            file_type,
            machine: 22,
            sections: vec![("", elf::SHT_NULL, 0, 0, Vec::new())],
            symbols: vec![0; 24],
            strings: vec![0],
            indices: vec![0; 4],
            infos: Vec::new(),
            extended: false,
        }
    }

    /// Adds a section with contents, and returns its index.
    pub(super) fn section(
        &mut self,
        name: &'static str,
        flags: u64,
        addr: u64,
        data: &[u8],
    ) -> u16 {
        self.any_section((name, elf::SHT_PROGBITS, flags, addr, data.to_vec()))
    }

    pub(super) fn any_section(&mut self, section: Section) -> u16 {
        self.sections.push(section);
        u16::try_from(self.sections.len() - 1).unwrap()
    }

    /// Adds the relocations of a section.
    pub(super) fn rela(&mut self, name: &'static str, of: u16, data: &[u8]) {
        let index = self.any_section((name, elf::SHT_RELA, 0, 0, data.to_vec()));
        self.infos.push((usize::from(index), of));
    }

    /// Adds a symbol of 8 bytes.
    pub(super) fn symbol(&mut self, name: &str, info: u8, section: u16, value: u64) {
        self.indexed_symbol(name, info, section, value, 0);
    }

    /// Sets `st_other` of the last symbol.
    pub(super) fn other(&mut self, other: u8) {
        let entry = self.symbols.len() - 24;
        self.symbols[entry + 5] = other;
    }

    /// Adds a symbol with an entry in `SHT_SYMTAB_SHNDX`.
    pub(super) fn indexed_symbol(
        &mut self,
        name: &str,
        info: u8,
        section: u16,
        value: u64,
        index: u32,
    ) {
        let mut entry = [0; 24];
        let at = u32::try_from(self.strings.len()).unwrap();
        entry.pwrite_with(at, 0, self.endian).unwrap();
        entry[4] = info;
        entry.pwrite_with(section, 6, self.endian).unwrap();
        entry.pwrite_with(value, 8, self.endian).unwrap();
        entry.pwrite_with(8_u64, 16, self.endian).unwrap();
        self.symbols.extend(entry);
        let mut word = [0; 4];
        word.pwrite_with(index, 0, self.endian).unwrap();
        self.indices.extend(word);
        self.strings.extend(name.as_bytes());
        self.strings.push(0);
    }

    /// The file.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut sections = self.sections.clone();
        let symtab = u32::try_from(sections.len()).unwrap();
        sections.push((".symtab", elf::SHT_SYMTAB, 0, 0, self.symbols.clone()));
        sections.push((".strtab", elf::SHT_STRTAB, 0, 0, self.strings.clone()));
        sections.push((".shndx", elf::SHT_SYMTAB_SHNDX, 0, 0, self.indices.clone()));
        let mut names = Vec::new();
        let offsets: Vec<u32> = sections
            .iter()
            .map(|(name, ..)| {
                let at = u32::try_from(names.len()).unwrap();
                names.extend(name.as_bytes());
                names.push(0);
                at
            })
            .collect();
        sections.push((".shstrtab", elf::SHT_STRTAB, 0, 0, names));

        let mut bodies = vec![0; 64];
        let mut headers = Vec::new();
        let count = u64::try_from(sections.len()).unwrap();
        for (index, (_, sh_type, flags, addr, data)) in sections.iter().enumerate() {
            let mut header = [0; 64];
            let e = self.endian;
            header.pwrite_with(offsets.get(index).copied().unwrap_or(0), 0, e).unwrap();
            header.pwrite_with(sh_type.0, 4, e).unwrap();
            header.pwrite_with(*flags, 8, e).unwrap();
            header.pwrite_with(*addr, 16, e).unwrap();
            header.pwrite_with(u64::try_from(bodies.len()).unwrap(), 24, e).unwrap();
            let size = u64::try_from(data.len()).unwrap();
            let first = index == 0 && self.extended;
            header.pwrite_with(if first { count } else { size }, 32, e).unwrap();
            let link = match *sh_type {
                elf::SHT_SYMTAB => symtab + 1,
                elf::SHT_SYMTAB_SHNDX => symtab,
                _ if first => u32::try_from(count - 1).unwrap(),
                _ => 0,
            };
            header.pwrite_with(link, 40, e).unwrap();
            let info = self.infos.iter().find(|(of, _)| *of == index).map_or(0, |(_, info)| *info);
            header.pwrite_with(u32::from(info), 44, e).unwrap();
            bodies.extend(data);
            headers.extend(header);
        }
        let e = self.endian;
        bodies[..4].copy_from_slice(b"\x7fELF");
        bodies[4] = 2;
        bodies[5] = if e == Endian::Little { 1 } else { 2 };
        bodies.pwrite_with(self.file_type.0, 16, e).unwrap();
        bodies.pwrite_with(self.machine, 18, e).unwrap();
        let shoff = u64::try_from(bodies.len()).unwrap();
        bodies.pwrite_with(shoff, 40, e).unwrap();
        bodies.pwrite_with(64_u16, 58, e).unwrap();
        let count = u16::try_from(count).unwrap();
        let (shnum, shstrndx) = if self.extended { (0, XINDEX) } else { (count, count - 1) };
        bodies.pwrite_with(shnum, 60, e).unwrap();
        bodies.pwrite_with(shstrndx, 62, e).unwrap();
        bodies.extend(headers);
        bodies
    }

    /// The file, opened.
    pub(super) fn table(&self) -> ElfTable<Cursor<Vec<u8>>> {
        ElfTable::read(Cursor::new(self.bytes())).unwrap()
    }
}
