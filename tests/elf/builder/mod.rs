//! Makes ELF files for tests: any byte order, any oddity, from code or from a seed.
//!
//! Written from the gABI, not with the code under test. Sections come in the order they are added;
//! the symbol table and the string tables follow, then the section header table.

mod random;

use std::collections::BTreeMap;

#[allow(unused_imports, reason = "seeds need no numbers beside the modules")]
pub(crate) use random::{Random, random};

pub(crate) const PROGBITS: u32 = 1;
pub(crate) const SYMTAB: u32 = 2;
pub(crate) const STRTAB: u32 = 3;
pub(crate) const RELA: u32 = 4;
pub(crate) const NOBITS: u32 = 8;
pub(crate) const REL: u32 = 9;
pub(crate) const GROUP: u32 = 17;
pub(crate) const SYMTAB_SHNDX: u32 = 18;
pub(crate) const ADDRSIG: u32 = 0x6fff_4c03;

/// Stands for the index of the symbol table in `link`, which is known only when all is added.
pub(crate) const LINK_SYMTAB: u32 = u32::MAX;
/// The same for the string table of the symbols.
pub(crate) const LINK_STRTAB: u32 = u32::MAX - 1;

#[derive(Clone, Debug, Default)]
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) sh_type: u32,
    pub(crate) flags: u64,
    pub(crate) link: u32,
    pub(crate) info: u32,
    pub(crate) align: u64,
    pub(crate) entsize: u64,
    pub(crate) body: Vec<u8>,
    /// Size where there is no body (`NOBITS`).
    pub(crate) size: u64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Symbol {
    pub(crate) name: String,
    pub(crate) info: u8,
    pub(crate) other: u8,
    /// A section index, possibly beyond 16 bits, or a reserved one if `reserved`.
    pub(crate) section: u32,
    pub(crate) reserved: bool,
    pub(crate) value: u64,
    pub(crate) size: u64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Builder {
    pub(crate) big: bool,
    pub(crate) machine: u16,
    pub(crate) flags: u32,
    pub(crate) sections: Vec<Section>,
    pub(crate) symbols: Vec<Symbol>,
    /// One string table for symbols and sections, as clang makes it.
    pub(crate) shared_strings: bool,
    /// Number of leading symbols that are local.
    pub(crate) locals: u32,
}

impl Builder {
    pub(crate) fn new(big: bool) -> Self {
        Self { big, machine: 62, flags: 0x1234, locals: 1, ..Self::default() }
    }

    /// Adds a section and gives its index.
    pub(crate) fn section(&mut self, section: Section) -> u32 {
        self.sections.push(section);
        u32::try_from(self.sections.len()).unwrap()
    }

    pub(crate) fn progbits(&mut self, name: &str, body: &[u8]) -> u32 {
        let name = name.to_owned();
        let (sh_type, flags, align, body) = (PROGBITS, 2, 4, body.to_vec());
        self.section(Section { name, sh_type, flags, align, body, ..Section::default() })
    }

    /// Adds a relocation section of (offset, symbol, type, addend).
    pub(crate) fn rela(
        &mut self,
        name: &str,
        target: u32,
        entries: &[(u64, u32, u32, i64)],
    ) -> u32 {
        let mut body = Vec::new();
        for &(offset, symbol, kind, addend) in entries {
            body.extend(self.u64(offset));
            body.extend(self.u64(u64::from(symbol) << 32 | u64::from(kind)));
            body.extend(self.u64(addend.cast_unsigned()));
        }
        self.section(Section {
            name: name.to_owned(),
            sh_type: RELA,
            flags: 0x40,
            link: LINK_SYMTAB,
            info: target,
            align: 8,
            entsize: 24,
            body,
            size: 0,
        })
    }

    pub(crate) fn group(&mut self, symbol: u32, members: &[u32]) -> u32 {
        let mut body = self.u32(1).to_vec();
        for &member in members {
            body.extend(self.u32(member));
        }
        self.section(Section {
            name: ".group".to_owned(),
            sh_type: GROUP,
            link: LINK_SYMTAB,
            info: symbol,
            align: 4,
            entsize: 4,
            body,
            ..Section::default()
        })
    }

    /// Adds a global symbol and gives its index.
    pub(crate) fn symbol(&mut self, name: &str, section: u32, value: u64) -> u32 {
        let name = name.to_owned();
        self.symbols.push(Symbol { name, info: 0x10, section, value, ..Symbol::default() });
        u32::try_from(self.symbols.len()).unwrap()
    }

    pub(crate) fn reserved_symbol(&mut self, name: &str, section: u32) -> u32 {
        let index = self.symbol(name, section, 8);
        self.symbols.last_mut().unwrap().reserved = true;
        index
    }

    pub(crate) fn u16(&self, value: u16) -> [u8; 2] {
        if self.big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    pub(crate) fn u32(&self, value: u32) -> [u8; 4] {
        if self.big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    pub(crate) fn u64(&self, value: u64) -> [u8; 8] {
        if self.big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    /// The file.
    pub(crate) fn build(&self) -> Vec<u8> {
        let mut sections = self.sections.clone();
        let symtab = u32::try_from(sections.len()).unwrap() + 1;
        let long = self.symbols.iter().any(|symbol| symbol.section >= 0xff00 && !symbol.reserved);
        let strtab = symtab + 1 + u32::from(long);
        let shstrtab = if self.shared_strings { strtab } else { strtab + 1 };

        let mut names: Vec<String> = sections.iter().map(|section| section.name.clone()).collect();
        names.push(".symtab".to_owned());
        if long {
            names.push(".symtab_shndx".to_owned());
        }
        names.push(".strtab".to_owned());
        if !self.shared_strings {
            names.push(".shstrtab".to_owned());
        }
        let symbol_names = self.symbols.iter().map(|symbol| symbol.name.as_str());
        let section_names = names.iter().map(String::as_str);
        let (symbol_strings, section_strings) = if self.shared_strings {
            let both = strings(symbol_names.chain(section_names));
            (both.clone(), both)
        } else {
            (strings(symbol_names), strings(section_names))
        };

        let mut symbols = vec![0; 24];
        let mut extended = self.u32(0).to_vec();
        for symbol in &self.symbols {
            let beyond = symbol.section >= 0xff00 && !symbol.reserved;
            let short = if beyond { 0xffff } else { u16::try_from(symbol.section).unwrap() };
            symbols.extend(self.u32(symbol_strings.1[&symbol.name]));
            symbols.extend([symbol.info, symbol.other]);
            symbols.extend(self.u16(short));
            symbols.extend(self.u64(symbol.value));
            symbols.extend(self.u64(symbol.size));
            extended.extend(self.u32(if beyond { symbol.section } else { 0 }));
        }
        let table = |sh_type, link, info, align, entsize, body| Section {
            name: String::new(),
            sh_type,
            flags: 0,
            link,
            info,
            align,
            entsize,
            body,
            size: 0,
        };
        sections.push(table(SYMTAB, strtab, self.locals, 8, 24, symbols));
        if long {
            sections.push(table(SYMTAB_SHNDX, symtab, 0, 4, 4, extended));
        }
        sections.push(table(STRTAB, 0, 0, 1, 0, symbol_strings.0));
        if !self.shared_strings {
            sections.push(table(STRTAB, 0, 0, 1, 0, section_strings.0));
        }
        for (section, name) in sections.iter_mut().zip(names) {
            section.name = name;
            if section.link == LINK_SYMTAB {
                section.link = symtab;
            } else if section.link == LINK_STRTAB {
                section.link = strtab;
            }
        }
        self.file(&sections, &section_strings.1, shstrtab)
    }

    fn file(&self, sections: &[Section], names: &BTreeMap<String, u32>, shstrtab: u32) -> Vec<u8> {
        let mut file = vec![0; 64];
        let mut headers = Vec::new();
        for section in sections {
            let align = usize::try_from(section.align.max(1)).unwrap();
            file.resize(file.len().next_multiple_of(align), 0);
            let size = if section.sh_type == NOBITS {
                section.size
            } else {
                u64::try_from(section.body.len()).unwrap()
            };
            headers.extend(self.u32(names[&section.name]));
            headers.extend(self.u32(section.sh_type));
            headers.extend(self.u64(section.flags));
            headers.extend(self.u64(0));
            headers.extend(self.u64(u64::try_from(file.len()).unwrap()));
            headers.extend(self.u64(size));
            headers.extend(self.u32(section.link));
            headers.extend(self.u32(section.info));
            headers.extend(self.u64(section.align));
            headers.extend(self.u64(section.entsize));
            file.extend(&section.body);
        }
        file.resize(file.len().next_multiple_of(8), 0);
        let table = u64::try_from(file.len()).unwrap();
        let count = sections.len() + 1;
        let (mut zero, mut short, mut names) = (vec![0; 64], 0, 0xffff);
        if count < 0xff00 {
            short = u16::try_from(count).unwrap();
        } else {
            zero[32..40].copy_from_slice(&self.u64(u64::try_from(count).unwrap()));
        }
        if shstrtab < 0xff00 {
            names = u16::try_from(shstrtab).unwrap();
        } else {
            zero[40..44].copy_from_slice(&self.u32(shstrtab));
        }
        file.extend(zero);
        file.extend(headers);
        let data = if self.big { 2 } else { 1 };
        file[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, data, 1]);
        file[16..18].copy_from_slice(&self.u16(1));
        file[18..20].copy_from_slice(&self.u16(self.machine));
        file[20..24].copy_from_slice(&self.u32(1));
        file[40..48].copy_from_slice(&self.u64(table));
        file[48..52].copy_from_slice(&self.u32(self.flags));
        file[52..54].copy_from_slice(&self.u16(64));
        file[58..60].copy_from_slice(&self.u16(64));
        file[60..62].copy_from_slice(&self.u16(short));
        file[62..64].copy_from_slice(&self.u16(names));
        file
    }
}

/// A string table whose strings end other strings where they can, as linkers merge them.
fn strings<'a>(names: impl Iterator<Item = &'a str>) -> (Vec<u8>, BTreeMap<String, u32>) {
    let mut longest_first: Vec<&str> = names.collect();
    longest_first.sort_by_key(|name| std::cmp::Reverse(name.len()));
    let mut bytes = vec![0];
    let mut offsets = BTreeMap::new();
    let mut suffixes: BTreeMap<String, u32> = BTreeMap::from([(String::new(), 0)]);
    for name in longest_first {
        if !suffixes.contains_key(name) {
            let at = u32::try_from(bytes.len()).unwrap();
            // Long names have too many suffixes to list them all.
            for start in 0..name.len().min(64) {
                let offset = at + u32::try_from(start).unwrap();
                suffixes.entry(name[start..].to_owned()).or_insert(offset);
            }
            bytes.extend(name.as_bytes());
            bytes.push(0);
        }
        offsets.insert(name.to_owned(), suffixes[name]);
    }
    (bytes, offsets)
}
