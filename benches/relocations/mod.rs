//! A module with any number of relocations, for each machine: those that its compiler emits most.
//!
//! One section of instructions, one of data, a few thousand symbols, every fourth of them the
//! kernel's, and one table for each section, each with half of the relocations. Sites have the
//! bytes that the machine's loader demands. Ten million make 27 MB of instructions, which every
//! branch reaches.

pub(crate) mod placed;

use klp_arch::{Machine, Rela};
use object::elf;
use scroll::Endian;

use crate::generate::Random;
use crate::generate::layout::Strings;

/// Symbols besides the null symbol.
const SYMBOLS: u32 = 4000;

/// One kind of site: the relocation, its addend, the bytes there, and whether the symbol may be the
/// kernel's.
type Kind = (&'static str, i64, &'static [u32], bool);

/// Branch and link; nop.
const CALL: &[u32] = &[0x4800_0001, 0x6000_0000];
const WORD: &[u32] = &[0];
const DOUBLE: &[u32] = &[0, 0];

/// The kinds of sites in a machine's code and data.
fn kinds(machine: &str) -> (&'static [Kind], &'static [Kind]) {
    match machine {
        "x86_64" => (
            &[
                ("R_X86_64_PLT32", -4, WORD, true),
                ("R_X86_64_PC32", -4, WORD, false),
                ("R_X86_64_32S", 16, WORD, false),
            ],
            &[("R_X86_64_64", 0, DOUBLE, true), ("R_X86_64_PC32", 0, WORD, false)],
        ),
        "ppc64le" => (
            &[
                ("R_PPC64_REL24", 0, CALL, true),
                ("R_PPC64_TOC16_HA", 0, &[0x3c62_0000], false),
                ("R_PPC64_TOC16_LO", 0, &[0x3862_0000], false),
            ],
            &[("R_PPC64_ADDR64", 0, DOUBLE, true), ("R_PPC64_REL32", 0, WORD, false)],
        ),
        "s390x" => (
            &[
                ("R_390_PLT32DBL", 2, WORD, true),
                ("R_390_PC32DBL", 2, WORD, false),
                ("R_390_GOTENT", 2, WORD, true),
            ],
            &[("R_390_64", 0, DOUBLE, true), ("R_390_PC32", 0, WORD, false)],
        ),
        _ => (
            &[
                ("R_AARCH64_CALL26", 0, &[0x9400_0000], true),
                ("R_AARCH64_ADR_PREL_PG_HI21", 0, &[0x9000_0003], false),
                ("R_AARCH64_ADD_ABS_LO12_NC", 0, &[0x9100_0063], false),
            ],
            &[("R_AARCH64_ABS64", 0, DOUBLE, true), ("R_AARCH64_PREL32", 0, WORD, false)],
        ),
    }
}

/// A section: name, `sh_type`, `sh_flags`, `sh_link`, `sh_info` and bytes.
type Section<'a> = (&'a str, u32, u64, u32, u32, Vec<u8>);

/// A file being written in the machine's byte order.
struct File {
    endian: Endian,
    bytes: Vec<u8>,
}

impl File {
    fn put(&mut self, value: u64, size: usize) {
        match self.endian {
            Endian::Little => self.bytes.extend(&value.to_le_bytes()[..size]),
            Endian::Big => self.bytes.extend(&value.to_be_bytes()[8 - size..]),
        }
    }
}

/// Sites and their relocations; the pattern of kinds and symbols has no short period.
fn sites(backend: &Machine, kinds: &[Kind], count: u64) -> (Vec<u8>, Vec<u8>) {
    let number = |name: &str| backend.rows.iter().find(|row| row.name == name).unwrap().number;
    let numbers: Vec<u32> = kinds.iter().map(|kind| number(kind.0)).collect();
    let (mut body, mut table) = (Vec::new(), Vec::new());
    let mut random = Random(count);
    for _ in 0..count {
        let kind = random.below(kinds.len() as u64) as usize;
        let (_, addend, words, external) = kinds[kind];
        let mut symbol = random.below(u64::from(SYMBOLS)) as u32;
        if !external && symbol.is_multiple_of(4) {
            symbol += 1;
        }
        let offset = body.len() as u64;
        let rela = Rela { offset, symbol: symbol + 1, kind: numbers[kind], addend };
        table.extend(rela.write(backend.endian));
        // Instructions of 4 bytes are little-endian wherever there are any.
        words.iter().for_each(|word| body.extend(word.to_le_bytes()));
    }
    (body, table)
}

/// A module of this machine with this many relocations.
pub(crate) fn relocations(backend: &Machine, count: u64) -> Vec<u8> {
    let (code, data) = kinds(backend.name);
    let (text, text_table) = sites(backend, code, count / 2);
    let (data, data_table) = sites(backend, data, count - count / 2);
    let (write, alloc, exec) = (1, elf::SHF_ALLOC.0, elf::SHF_EXECINSTR.0);
    let (progbits, nobits) = (elf::SHT_PROGBITS.0, elf::SHT_NOBITS.0);
    let mut symbols = File { endian: backend.endian, bytes: vec![0; 24] };
    let mut names = Strings::new();
    let functions = names.add("function");
    for symbol in 0..u64::from(SYMBOLS) {
        let (name, section) = match symbol {
            symbol if symbol.is_multiple_of(4) => (names.add(&format!("kernel_{symbol}")), 0),
            _ => (functions, 1),
        };
        symbols.put(u64::from(name), 4);
        symbols.put(if section == 0 { 0x10 } else { 2 }, 1);
        symbols.put(0, 1);
        symbols.put(section, 2);
        // Near the sites, at instructions.
        symbols.put(if section == 0 { 0 } else { symbol * 8 }, 8);
        symbols.put(0, 8);
    }
    // Its name, where the kernel has it.
    let mut this = vec![0; 64];
    this[24] = b'm';
    let mut sections: Vec<Section<'_>> = vec![
        (".text", progbits, alloc | exec, 0, 0, text),
        (".rela.text", elf::SHT_RELA.0, 0, 0, 1, text_table),
        (".data", progbits, alloc | write, 0, 0, data),
        (".rela.data", elf::SHT_RELA.0, 0, 0, 3, data_table),
        (".gnu.linkonce.this_module", progbits, alloc | write, 0, 0, this),
        (".modinfo", progbits, alloc, 0, 0, b"name=many\0license=GPL\0".to_vec()),
    ];
    // The sections for tracing that a machine's loader looks for.
    let traced: &[&str] = match backend.name {
        "arm64" => &[".text.ftrace_trampoline", ".init.text.ftrace_trampoline"],
        _ => &[],
    };
    for name in backend.required_sections.iter().chain(traced) {
        sections.push((name, nobits, alloc | exec, 0, 0, Vec::new()));
    }
    let symtab = sections.len() as u32 + 1;
    sections.push((".symtab", elf::SHT_SYMTAB.0, 0, symtab + 1, 1, symbols.bytes));
    sections.push((".strtab", elf::SHT_STRTAB.0, 0, 0, 0, names.section("").body));
    for section in sections.iter_mut().filter(|section| section.1 == elf::SHT_RELA.0) {
        section.3 = symtab;
    }
    file(backend, sections)
}

fn file(backend: &Machine, mut sections: Vec<Section<'_>>) -> Vec<u8> {
    let mut names = Strings::new();
    let mut starts: Vec<u32> = sections.iter().map(|section| names.add(section.0)).collect();
    starts.push(names.add(".shstrtab"));
    sections.push((".shstrtab", elf::SHT_STRTAB.0, 0, 0, 0, names.section("").body));
    let count = sections.len() as u64 + 1;
    let mut headers = File { endian: backend.endian, bytes: vec![0; 64] };
    let mut file = File { endian: backend.endian, bytes: vec![0; 64] };
    for ((_, kind, flags, link, info, body), name) in sections.into_iter().zip(starts) {
        file.bytes.resize(file.bytes.len().next_multiple_of(16), 0);
        let (offset, size) = (file.bytes.len() as u64, body.len() as u64);
        let entry = if kind == elf::SHT_RELA.0 || kind == elf::SHT_SYMTAB.0 { 24 } else { 0 };
        let align = if kind == elf::SHT_STRTAB.0 { 1 } else { 8 };
        for (value, size) in [
            (u64::from(name), 4),
            (u64::from(kind), 4),
            (flags, 8),
            (0, 8),
            (offset, 8),
            (size, 8),
            (u64::from(link), 4),
            (u64::from(info), 4),
            (align, 8),
            (entry, 8),
        ] {
            headers.put(value, size);
        }
        file.bytes.extend(body);
    }
    file.bytes.resize(file.bytes.len().next_multiple_of(16), 0);
    let table = file.bytes.len() as u64;
    file.bytes.extend(headers.bytes);
    let order = if backend.endian == Endian::Big { 2 } else { 1 };
    let mut header = File { endian: backend.endian, bytes: b"\x7fELF\x02".to_vec() };
    header.bytes.extend([order, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    // ELFv2, if the machine checks it.
    let flags = if backend.check_header(0).is_err() { 2 } else { 0 };
    let machine = u64::from(backend.e_machines[0]);
    for (value, size) in [(1, 2), (machine, 2), (1, 4), (0, 8), (0, 8), (table, 8), (flags, 4)] {
        header.put(value, size);
    }
    for value in [64, 0, 0, 64, count, count - 1] {
        header.put(value, 2);
    }
    file.bytes[..64].copy_from_slice(&header.bytes);
    file.bytes
}
