//! An ELF file for x86_64 as `ld -r` lays it out.
//!
//! Written by hand, because library writers merge names by sorting their suffixes, which scatters
//! them; linkers of kernel modules keep them in symbol order.

use object::elf;

/// A section of the file.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) kind: u32,
    pub(crate) flags: u64,
    pub(crate) link: u32,
    pub(crate) info: u32,
    pub(crate) entry: u64,
    pub(crate) body: Vec<u8>,
}

/// Concatenated names.
#[derive(Debug)]
pub(crate) struct Strings(Vec<u8>);

impl Strings {
    pub(crate) fn new() -> Self {
        Self(vec![0])
    }

    pub(crate) fn add(&mut self, name: &str) -> u32 {
        let at = u32::try_from(self.0.len()).unwrap();
        self.0.extend(name.as_bytes());
        self.0.push(0);
        at
    }

    pub(crate) fn section(self, name: &str) -> Section {
        let kind = elf::SHT_STRTAB.0;
        Section { name: name.into(), kind, flags: 0, link: 0, info: 0, entry: 0, body: self.0 }
    }
}

/// An `Elf64_Sym`.
pub(crate) fn symbol(name: u32, info: u8, section: u16, value: u64, size: u64) -> Vec<u8> {
    let mut entry = name.to_le_bytes().to_vec();
    entry.extend([info, 0]);
    entry.extend(section.to_le_bytes());
    entry.extend([value, size].map(u64::to_le_bytes).concat());
    entry
}

/// An `Elf64_Rela` of a call (`R_X86_64_PLT32`).
pub(crate) fn call(offset: u64, symbol: u64) -> Vec<u8> {
    let info = symbol << 32 | u64::from(elf::R_X86_64_PLT32.0);
    [offset, info, (-4_i64).cast_unsigned()].map(u64::to_le_bytes).concat()
}

/// The file of these sections, which start with number 1; section names follow.
pub(crate) fn file(kind: elf::FileType, mut sections: Vec<Section>) -> Vec<u8> {
    let mut names = Strings::new();
    let mut starts: Vec<u32> = sections.iter().map(|section| names.add(&section.name)).collect();
    starts.push(names.add(".shstrtab"));
    sections.push(names.section(".shstrtab"));
    let count = u16::try_from(sections.len() + 1).unwrap();

    let mut headers = vec![0; 64];
    let mut file = vec![0; 64];
    for (section, name) in sections.iter().zip(starts) {
        file.resize(file.len().next_multiple_of(16), 0);
        headers.extend([name, section.kind].map(u32::to_le_bytes).concat());
        let (offset, size) = (file.len() as u64, section.body.len() as u64);
        headers.extend([section.flags, 0, offset, size].map(u64::to_le_bytes).concat());
        headers.extend([section.link, section.info].map(u32::to_le_bytes).concat());
        headers.extend([16, section.entry].map(u64::to_le_bytes).concat());
        file.extend(&section.body);
    }
    file.resize(file.len().next_multiple_of(16), 0);
    let table = file.len() as u64;
    file.extend(headers);

    let mut header = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    header.extend([kind.0, elf::EM_X86_64.0].map(u16::to_le_bytes).concat());
    header.extend(1_u32.to_le_bytes());
    header.extend([0, 0, table].map(u64::to_le_bytes).concat());
    header.extend(0_u32.to_le_bytes());
    header.extend([64, 0, 0, 64, count, count - 1].map(u16::to_le_bytes).concat());
    file[..64].copy_from_slice(&header);
    file
}
