//! Small kernels for tests: nothing but tables, in the layout of any kernel and either byte order.
//!
//! Independent of the reader, down to the numbers; also makes the seeds for fuzzing.

#[path = "fixture/exports.rs"]
mod exports;

use std::ops::Range;

pub(crate) use exports::{Crcs, Gpl, Tables};

/// Where the tables are, and what addresses are relative to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Offsets and base before the names.
    Before,
    /// As before, and the order by name after the markers.
    BeforeAndOrdered,
    /// Addresses before the names.
    Addresses,
    /// Offsets, base and order after the tokens.
    After,
    /// Addresses and order after the tokens.
    AddressesAfter,
    /// Offsets from their own addresses, and order, after the tokens.
    SelfRelative,
}

pub(crate) const LAYOUTS: [Layout; 6] = [
    Layout::Before,
    Layout::BeforeAndOrdered,
    Layout::Addresses,
    Layout::After,
    Layout::AddressesAfter,
    Layout::SelfRelative,
];

/// A kernel to build.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) layout: Layout,
    pub(crate) big: bool,
    /// A raw kernel, whose base only its pointers reveal; otherwise an ELF file.
    pub(crate) raw: bool,
    /// Per-CPU symbols with absolute addresses, where the layout has a base.
    pub(crate) percpu: bool,
    /// The type of the symbols at lists.
    pub(crate) lists: u8,
    /// Distance from the previous symbol, type, name.
    pub(crate) symbols: Vec<(u32, u8, String)>,
    pub(crate) exports: Option<Tables>,
    /// The part of a name that the order by name uses.
    pub(crate) sorted_by: fn(&str) -> &str,
}

/// A kernel, and what a reader should find in it.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    pub(crate) bytes: Vec<u8>,
    /// Address, type, name.
    pub(crate) symbols: Vec<(u64, u8, String)>,
    /// The range of each table.
    pub(crate) tables: Vec<(&'static str, Range<usize>)>,
}

impl Built {
    pub(crate) fn table(&self, name: &str) -> Range<usize> {
        self.tables.iter().find(|table| table.0 == name).unwrap().1.clone()
    }
}

pub(crate) const BASE: u64 = 0xffff_8000_8000_0000;
pub(crate) const BUILD_ID: [u8; 20] = *b"twenty bytes of hash";
/// Empty lists, which point to themselves.
const LISTS: usize = 16;
/// Pairs of characters that one byte encodes.
const PAIRS: [(u8, &str); 4] = [(0x80, "st"), (0x90, "__"), (0xa0, "re"), (0xff, "Tk")];

impl Sample {
    /// Some symbols, two with one name, one with more than 127 bytes.
    pub(crate) fn new(layout: Layout, big: bool) -> Self {
        let long = "x1".repeat(150);
        let names = ["a", "start_kernel", "__do_restart", "a", &long, "z.isra.0", "T", "Tktk"];
        let symbols = names.iter().zip(b"tTWddrbB").map(|(name, &kind)| (24, kind, (*name).into()));
        let symbols = symbols.collect();
        Self {
            layout,
            big,
            raw: false,
            percpu: false,
            lists: b'd',
            symbols,
            exports: None,
            sorted_by: |name| name,
        }
    }

    /// Writes the kernel.
    pub(crate) fn build(&self) -> Built {
        // Lists are after everything else, so a first try gives their addresses.
        let end = self.write(0).bytes.len();
        self.write(end - 16 * LISTS)
    }

    fn write(&self, lists: usize) -> Built {
        let mut out = Out { bytes: Vec::new(), big: self.big };
        self.header(&mut out);
        out.bytes.extend(b"Linux version %s (%s)\n\0Linux version 6.1.0-test (me@here) #1\n\0");
        out.align(8);
        out.note();
        let mut tables = Vec::new();
        let exports = self.exports.as_ref().map(|exports| exports.write(&mut out, &mut tables));
        let offsets = self.offsets(lists, exports.unwrap_or_default());
        let percpu = offsets.iter().filter(|symbol| symbol.1 == b'A').count();
        let address = |&(offset, kind, _): &(u64, u8, String)| {
            if kind == b'A' { offset } else { BASE + offset }
        };

        let align = if self.layout == Layout::SelfRelative { 4 } else { 8 };
        let mut table = |out: &mut Out, name, write: &dyn Fn(&mut Out)| {
            out.align(align);
            let start = out.bytes.len();
            write(out);
            tables.push((name, start..out.bytes.len()));
        };
        let relative = |out: &mut Out| {
            for (index, (offset, ..)) in offsets.iter().enumerate() {
                let offset = u32::try_from(*offset).unwrap();
                let stored = if percpu > 0 && index >= percpu { !offset } else { offset };
                out.u32(stored);
            }
        };
        // What a kernel that relocates itself fills in at boot.
        let base = if self.raw { 0 } else { BASE };
        let wide = |out: &mut Out| offsets.iter().for_each(|symbol| out.u64(address(symbol)));
        let seqs = |out: &mut Out| {
            let mut order: Vec<_> = (0..offsets.len()).collect();
            order.sort_by_key(|&index| ((self.sorted_by)(&offsets[index].2), index));
            for index in order {
                out.bytes.extend(&u32::try_from(index).unwrap().to_be_bytes()[1..]);
            }
        };
        let names: Vec<_> = offsets.iter().map(|(_, kind, name)| packed(*kind, name)).collect();
        match self.layout {
            Layout::Before | Layout::BeforeAndOrdered => {
                table(&mut out, "offsets", &relative);
                table(&mut out, "base", &|out| out.u64(base));
            }
            Layout::Addresses => table(&mut out, "addresses", &wide),
            _ => {}
        }
        let count = u32::try_from(names.len()).unwrap();
        table(&mut out, "num_syms", &|out| out.u32(count));
        table(&mut out, "names", &|out| out.bytes.extend(names.concat()));
        table(&mut out, "markers", &|out| {
            for strides in 0..names.len().div_ceil(256) {
                out.u32(u32::try_from(names[..256 * strides].concat().len()).unwrap());
            }
        });
        if self.layout == Layout::BeforeAndOrdered {
            table(&mut out, "seqs", &seqs);
        }
        table(&mut out, "token_table", &|out| (0..=255).for_each(|byte| out.string(&token(byte))));
        table(&mut out, "token_index", &|out| {
            let mut at = 0;
            for byte in 0..=255 {
                out.u16(at);
                at += u16::try_from(token(byte).len() + 1).unwrap();
            }
        });
        match self.layout {
            Layout::After => {
                table(&mut out, "offsets", &relative);
                table(&mut out, "base", &|out| out.u64(base));
                table(&mut out, "seqs", &seqs);
            }
            Layout::AddressesAfter => {
                table(&mut out, "addresses", &wide);
                table(&mut out, "seqs", &seqs);
            }
            Layout::SelfRelative => {
                table(&mut out, "offsets", &|out| {
                    for (offset, ..) in &offsets {
                        let at = u32::try_from(out.bytes.len()).unwrap();
                        out.u32(u32::try_from(*offset).unwrap().wrapping_sub(at));
                    }
                });
                table(&mut out, "seqs", &seqs);
            }
            _ => {}
        }
        self.pointers(&mut out, lists);
        self.sizes(&mut out);
        let found = offsets.iter().map(|symbol| (address(symbol), symbol.1, symbol.2.clone()));
        Built { symbols: found.collect(), bytes: out.bytes, tables }
    }

    /// Every symbol: offset or absolute address, type, name; in address order.
    fn offsets(&self, lists: usize, more: Vec<(u64, u8, String)>) -> Vec<(u64, u8, String)> {
        let mut offsets = vec![(0, b'T', "_text".to_string())];
        offsets.extend(more);
        let mut at = 0;
        for (distance, kind, name) in &self.symbols {
            at += u64::from(*distance);
            offsets.push((at, *kind, name.clone()));
        }
        for list in 0..LISTS {
            let at = u64::try_from(lists + 16 * list).unwrap();
            offsets.push((at, self.lists, format!("list_{list}")));
        }
        offsets.sort_by_key(|symbol| symbol.0);
        if self.percpu {
            offsets.insert(0, (0x40, b'A', "per_cpu_thing".into()));
            offsets.insert(0, (0, b'A', "__per_cpu_start".into()));
        }
        offsets
    }

    /// Relocations of a kernel that relocates itself, and the lists.
    fn pointers(&self, out: &mut Out, lists: usize) {
        out.align(8);
        let address = |list: usize| BASE + u64::try_from(lists + 16 * list).unwrap();
        if self.raw && self.layout != Layout::SelfRelative {
            for list in (0..4).flat_map(|_| 0..LISTS) {
                out.u64(address(list));
                out.u64(1027);
                out.u64(address(list));
            }
        }
        for list in 0..LISTS {
            out.u64(address(list));
            out.u64(address(list));
        }
    }

    fn header(&self, out: &mut Out) {
        if self.raw {
            out.bytes.extend([0; 56]);
            out.bytes.extend(b"ARM\x64\0\0\0\0");
            return;
        }
        out.bytes.extend(b"\x7fELF\x02");
        out.bytes.extend([1 + u8::from(self.big), 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for half in [2, if self.big { 22 } else { 62 }] {
            out.u16(half);
        }
        out.u32(1);
        [BASE, 64, 0].iter().for_each(|&word| out.u64(word));
        out.u32(0);
        [64, 56, 1, 64, 0, 0].iter().for_each(|&half| out.u16(half));
        out.u32(1);
        out.u32(7);
        [0, BASE, BASE, 0, 0, 4096].iter().for_each(|&word| out.u64(word));
    }

    /// The sizes in the program header, once known.
    fn sizes(&self, out: &mut Out) {
        if !self.raw {
            let mut size = Out { bytes: Vec::new(), big: self.big };
            size.u64(u64::try_from(out.bytes.len()).unwrap());
            out.bytes[96..104].copy_from_slice(&size.bytes);
            out.bytes[104..112].copy_from_slice(&size.bytes);
        }
    }
}

/// The token of a byte: a pair, a character, or nothing.
fn token(byte: u8) -> String {
    let pair = PAIRS.iter().find(|pair| pair.0 == byte).map(|pair| pair.1.to_string());
    let own = if byte.is_ascii_graphic() { char::from(byte).to_string() } else { String::new() };
    pair.unwrap_or(own)
}

/// A type and a name, compressed, with their length.
fn packed(kind: u8, name: &str) -> Vec<u8> {
    let mut text = [&[kind], name.as_bytes()].concat();
    for (byte, pair) in PAIRS {
        while let Some(at) = text.windows(2).position(|window| window == pair.as_bytes()) {
            text.splice(at..at + 2, [byte]);
        }
    }
    let [low, high, ..] = text.len().to_le_bytes();
    match text.len() {
        0..128 => [vec![low], text].concat(),
        _ => [vec![low | 0x80, high << 1 | low >> 7], text].concat(),
    }
}

/// Output in one byte order.
struct Out {
    bytes: Vec<u8>,
    big: bool,
}

impl Out {
    fn align(&mut self, align: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(align), 0);
    }

    fn string(&mut self, text: &str) {
        self.bytes.extend(text.as_bytes());
        self.bytes.push(0);
    }

    fn put<const N: usize>(&mut self, mut little: [u8; N]) {
        if self.big {
            little.reverse();
        }
        self.bytes.extend(little);
    }

    fn u16(&mut self, number: u16) {
        self.put(number.to_le_bytes());
    }

    fn u32(&mut self, number: u32) {
        self.put(number.to_le_bytes());
    }

    fn u64(&mut self, number: u64) {
        self.put(number.to_le_bytes());
    }

    /// The note with the build-id.
    fn note(&mut self) {
        [4, 20, 3].iter().for_each(|&word| self.u32(word));
        self.bytes.extend(b"GNU\0");
        self.bytes.extend(BUILD_ID);
    }
}
