//! Kernels with hand-made debug information: the files of their symbols.

use std::io::{Cursor, Write};

use object::elf;
use proptest::prelude::*;
use scroll::{Endian, Pwrite};

use crate::symbols::elf::table::ElfTable;
use crate::symbols::fixture::{ABS, ALLOC, EXEC, FILE, GLOBAL, Image, LOCAL, WRITE};
use crate::symbols::{Answer, Merged, Scope, SymbolSource, Vmlinux, Wanted};

const BASE: u64 = 0xffff_ffff_8100_0000;
const COMPRESSED: u64 = elf::SHF_COMPRESSED.0;

/// Debug sections under construction.
#[derive(Clone)]
struct Debug {
    endian: Endian,
    info: Vec<u8>,
    abbrev: Vec<u8>,
    strings: Vec<u8>,
    ranges: Vec<u8>,
    rnglists: Vec<u8>,
}

fn number<const N: usize>(endian: Endian, value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let mut bytes = bytes[8 - N..].to_vec();
    if endian == Endian::Little {
        bytes.reverse();
    }
    bytes
}

impl Debug {
    fn new(endian: Endian) -> Self {
        let (info, abbrev, strings) = (vec![], vec![], vec![0]);
        Self { endian, info, abbrev, strings, ranges: vec![], rnglists: vec![] }
    }

    fn text(&mut self, text: &str) -> Vec<u8> {
        let at = self.strings.len() as u64;
        self.strings.extend(text.as_bytes());
        self.strings.push(0);
        number::<4>(self.endian, at)
    }

    /// Adds a unit; two ranges become a list, one `DW_AT_high_pc`.
    fn unit(&mut self, version: u8, folder: &str, name: &str, ranges: &[(u64, u64)]) {
        let e = self.endian;
        let abbrev = self.abbrev.len() as u64;
        let listed = ranges.len() != 1;
        let string = if version == 5 { 0x1f } else { 0x0e };
        // Another abbreviation comes before that of the unit.
        self.abbrev.extend([1, 0x34, 0, 0x1c, 0x21, 0x7f, 0, 0]);
        self.abbrev.extend([2, 0x11, 1, 0x03, string, 0x1b, string, 0x11, 0x01]);
        self.abbrev.extend(if listed { [0x55, 0x17] } else { [0x12, 0x07] });
        self.abbrev.extend([0, 0, 0]);

        let mut unit = number::<2>(e, version.into());
        if version == 5 {
            unit.extend([1, 8]);
        }
        unit.extend(number::<4>(e, abbrev));
        if version < 5 {
            unit.push(8);
        }
        unit.push(2);
        unit.extend(self.text(name));
        unit.extend(self.text(folder));
        unit.extend(number::<8>(e, if listed { 0 } else { ranges[0].0 }));
        if !listed {
            unit.extend(number::<8>(e, ranges[0].1 - ranges[0].0));
        } else if version == 5 {
            unit.extend(number::<4>(e, self.rnglists.len() as u64));
            for (start, end) in ranges {
                self.rnglists.push(6);
                self.rnglists.extend(number::<8>(e, *start));
                self.rnglists.extend(number::<8>(e, *end));
            }
            self.rnglists.push(0);
        } else {
            unit.extend(number::<4>(e, self.ranges.len() as u64));
            for (start, end) in ranges.iter().chain(&[(0, 0)]) {
                self.ranges.extend(number::<8>(e, *start));
                self.ranges.extend(number::<8>(e, *end));
            }
        }
        // What follows the first entry is not read, however long it is.
        unit.extend(vec![0xee; 5000]);
        self.info.extend(number::<4>(e, unit.len() as u64));
        self.info.extend(unit);
    }

    fn put(&self, image: &mut Image, pack: impl Fn(&[u8]) -> Option<(u32, Vec<u8>)>) {
        for (name, bytes) in [
            (".debug_info", &self.info),
            (".debug_abbrev", &self.abbrev),
            (".debug_str", &self.strings),
            (".debug_line_str", &self.strings),
            (".debug_ranges", &self.ranges),
            (".debug_rnglists", &self.rnglists),
        ] {
            match pack(bytes) {
                None => image.section(name, 0, 0, bytes),
                Some((kind, packed)) => {
                    let mut body = vec![0; 24];
                    body.pwrite_with(kind, 0, self.endian).unwrap();
                    body.pwrite_with(bytes.len() as u64, 8, self.endian).unwrap();
                    body.extend(packed);
                    image.section(name, COMPRESSED, 0, &body)
                }
            };
        }
    }
}

/// Two files `stat.c` with a homonym, an assembler file, data, globals, and a file unknown to the
/// debug information.
fn kernel(endian: Endian) -> Image {
    let mut image = Image::new(endian, elf::ET_EXEC);
    let text = image.section(".text", ALLOC | EXEC, BASE, &[0; 256]);
    let data = image.section(".data", ALLOC | WRITE, BASE + 0x1000, &[0; 64]);
    let object = 0x01;
    image.symbol("stat.c", FILE, ABS, 0);
    image.symbol("show", LOCAL, text, BASE);
    image.symbol("table", object, data, BASE + 0x1000);
    image.symbol("in_asm", LOCAL, text, BASE + 0x30);
    image.symbol("stat.c", FILE, ABS, 0);
    image.symbol("show", LOCAL, text, BASE + 0x10);
    image.symbol("cold", LOCAL, text, BASE + 0x40);
    image.symbol("alien.c", FILE, ABS, 0);
    image.symbol("alien", LOCAL, text, BASE + 0x80);
    image.symbol("alien_table", object, data, BASE + 0x1008);
    image.symbol("open", GLOBAL, text, BASE + 0x18);
    image.symbol("asm_entry", GLOBAL, text, BASE + 0x38);
    image.symbol("_label", 0x10, text, BASE);
    image
}

fn debug(endian: Endian, version: u8) -> Debug {
    let mut debug = Debug::new(endian);
    let at = |start: u64, end: u64| (BASE + start, BASE + end);
    debug.unit(version, "/out", "/src/init/main.c", &[at(0x50, 0x60)]);
    debug.unit(version, "/out", "/src/fs/proc/stat.c", &[at(0, 0x10)]);
    debug.unit(version, "/out", "../src/fs/stat.c", &[at(0x10, 0x20), at(0x40, 0x48)]);
    debug.unit(version, "/out", "/src/arch/entry.S", &[at(0x30, 0x40)]);
    debug.unit(version, "/out", "dropped.c", &[(0, 0x10)]);
    debug
}

const NAMES: [&str; 9] =
    ["show", "table", "in_asm", "cold", "alien", "alien_table", "open", "asm_entry", "_label"];

fn answer(image: Vec<u8>) -> Answer {
    let wanted = Wanted::new(NAMES);
    let source = Vmlinux::new("vmlinux");
    let mut table = ElfTable::read(Cursor::new(image)).unwrap();
    let data = source.read_from(&mut table, Scope::Names(&wanted)).unwrap();
    let mut merged = Merged::default();
    merged.add(data, source.path()).unwrap();
    Answer::new(merged).unwrap()
}

fn files(image: Vec<u8>) -> Vec<(&'static str, Option<String>)> {
    let answer = answer(image);
    let of = |name| answer.candidates(name).iter().map(move |c| (name, c.file.clone()));
    NAMES.into_iter().flat_map(of).collect()
}

fn expected() -> Vec<(&'static str, Option<String>)> {
    [
        ("show", Some("fs/proc/stat.c")),
        ("show", Some("fs/stat.c")),
        ("table", Some("fs/proc/stat.c")),
        ("in_asm", Some("arch/entry.S")),
        ("cold", Some("fs/stat.c")),
        ("alien", Some("alien.c")),
        ("alien_table", Some("alien.c")),
        ("open", Some("fs/stat.c")),
        ("asm_entry", Some("arch/entry.S")),
        ("_label", None),
    ]
    .map(|(name, file)| (name, file.map(str::to_owned)))
    .to_vec()
}

#[test]
fn each_function_has_the_path_of_its_file_in_dwarf_4_and_5_of_both_byte_orders() {
    for endian in [Endian::Little, Endian::Big] {
        for version in [4, 5] {
            let mut image = kernel(endian);
            debug(endian, version).put(&mut image, |_| None);
            assert_eq!(files(image.bytes()), expected(), "{endian:?} {version}");
        }
    }
}

/// Clang refers to strings, addresses and range lists by index.
#[test]
fn what_is_referred_to_by_index_is_found_after_the_bases() {
    for endian in [Endian::Little, Endian::Big] {
        let mut debug = Debug::new(endian);
        let e = endian;
        let mut offsets = vec![0; 8];
        for text in ["fs/stat.c", "/src"] {
            offsets.extend(debug.text(text));
        }
        let mut addresses = vec![0; 8];
        for address in [BASE + 0x10, BASE + 0x40] {
            addresses.extend(number::<8>(e, address));
        }
        // A header, the offset of one list from its end, and the list.
        debug.rnglists = vec![0; 12];
        debug.rnglists.extend(number::<4>(e, 4));
        debug.rnglists.extend([1, 0, 4, 0, 0x10, 3, 1, 8, 0]);
        debug.abbrev = vec![1, 0x11, 1, 0x03, 0x25, 0x1b, 0x25, 0x55, 0x23];
        debug.abbrev.extend([0x72, 0x17, 0x73, 0x17, 0x74, 0x17, 0, 0, 0]);
        let mut unit = number::<2>(e, 5);
        unit.extend([1, 8, 0, 0, 0, 0, 1, 0, 1, 0]);
        [8, 8, 12].iter().for_each(|base| unit.extend(number::<4>(e, *base)));
        debug.info.extend(number::<4>(e, unit.len() as u64));
        debug.info.extend(unit);
        let mut image = kernel(endian);
        debug.put(&mut image, |_| None);
        image.section(".debug_str_offsets", 0, 0, &offsets);
        image.section(".debug_addr", 0, 0, &addresses);
        let files = files(image.bytes());
        let file = |n: usize| files[n].1.as_deref();
        assert_eq!([file(1), file(4), file(7)], [Some("fs/stat.c"); 3]);
    }
}

#[test]
fn compressed_sections_are_read_like_others() {
    let zlib = |bytes: &[u8]| {
        let mut to = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        to.write_all(bytes).unwrap();
        Some((1_u32, to.finish().unwrap()))
    };
    let zstd = |bytes: &[u8]| Some((2_u32, zstd::encode_all(bytes, 1).unwrap()));
    for pack in [&zlib as &dyn Fn(&[u8]) -> _, &zstd] {
        let mut image = kernel(Endian::Big);
        debug(Endian::Big, 5).put(&mut image, pack);
        assert_eq!(files(image.bytes()), expected());
    }
}

#[test]
fn a_global_and_a_local_symbol_of_one_file_have_one_unit() {
    let mut image = kernel(Endian::Little);
    debug(Endian::Little, 5).put(&mut image, |_| None);
    let answer = answer(image.bytes());
    let unit = |name: &str, n: usize| answer.candidates(name)[n].unit.unwrap();
    assert_eq!(unit("show", 1), unit("open", 0));
    assert_eq!(unit("in_asm", 0), unit("asm_entry", 0));
    assert_ne!(unit("show", 0), unit("show", 1));
}

/// The names in the symbol table, as without debug information.
fn plain() -> Vec<(&'static str, Option<String>)> {
    files(kernel(Endian::Little).bytes())
}

#[test]
fn unusable_debug_information_leaves_the_files_of_the_symbol_table() {
    assert_eq!(plain()[0].1.as_deref(), Some("stat.c"));
    let unknown = |_: &[u8]| Some((7_u32, vec![1_u8, 2, 3]));
    let broken = |_: &[u8]| Some((1_u32, vec![1_u8, 2, 3]));
    let version = |version| {
        let mut debug = debug(Endian::Little, 5);
        debug.info[4] = version;
        debug
    };
    for pack in [&unknown as &dyn Fn(&[u8]) -> _, &broken] {
        let mut image = kernel(Endian::Little);
        debug(Endian::Little, 5).put(&mut image, pack);
        assert_eq!(files(image.bytes()), plain());
    }
    let mut image = kernel(Endian::Little);
    let mut empty = Debug::new(Endian::Little);
    empty.info = vec![0xff; 12];
    empty.put(&mut image, |_| None);
    assert_eq!(files(image.bytes()), plain());
    // A unit of an unknown version is skipped; without it the root of the tree is unknown.
    let mut image = kernel(Endian::Little);
    version(9).put(&mut image, |_| None);
    assert_eq!(files(image.bytes())[0].1.as_deref(), Some("/src/fs/proc/stat.c"));
}

#[test]
fn two_files_of_one_name_in_one_unit_leave_its_name() {
    let mut image = kernel(Endian::Little);
    let mut debug = Debug::new(Endian::Little);
    debug.unit(5, "/src", "fs/stat.c", &[(BASE + 0x10, BASE + 0x20)]);
    debug.unit(5, "/src", "mm/stat.c", &[(BASE + 0x40, BASE + 0x48)]);
    debug.put(&mut image, |_| None);
    let files = files(image.bytes());
    let file = |n: usize| files[n].1.as_deref();
    assert_eq!([file(0), file(1), file(4)], [Some("stat.c"); 3]);
}

#[test]
fn a_file_without_local_functions_is_found_between_its_neighbours() {
    let table = |between: &[&str], swapped: bool| {
        let mut image = Image::new(Endian::Little, elf::ET_EXEC);
        let text = image.section(".text", ALLOC | EXEC, BASE, &[0; 256]);
        let data = image.section(".data", ALLOC | WRITE, BASE + 0x1000, &[0; 64]);
        image.symbol("a.c", FILE, ABS, 0);
        image.symbol("show", LOCAL, text, BASE);
        image.symbol("data.c", FILE, ABS, 0);
        image.symbol("table", 0x01, data, BASE + 0x1000);
        image.symbol("b.c", FILE, ABS, 0);
        image.symbol("cold", LOCAL, text, BASE + 0x10);
        image.symbol("open", GLOBAL, text, BASE + 0x20);
        let mut debug = Debug::new(Endian::Little);
        let (first, last) = ((BASE, BASE + 8), (BASE + 0x10, BASE + 0x18));
        let (first, last) = if swapped { (last, first) } else { (first, last) };
        debug.unit(5, "/src", if swapped { "b.c" } else { "a.c" }, &[first]);
        for (n, name) in (2..).zip(between) {
            debug.unit(5, "/src", name, &[(BASE + n * 0x10, BASE + n * 0x10 + 8)]);
        }
        debug.unit(5, "/src", if swapped { "a.c" } else { "b.c" }, &[last]);
        debug.unit(5, "/src", "other/data.c", &[(BASE + 0x80, BASE + 0x88)]);
        debug.put(&mut image, |_| None);
        let files = files(image.bytes());
        files.iter().find(|(name, _)| *name == "table").unwrap().1.clone().unwrap()
    };
    assert_eq!(table(&["/src/this/data.c", "/src/this/more.c"], false), "this/data.c");
    assert_eq!(table(&["/src/this/data.c", "/src/that/data.c"], false), "data.c");
    assert_eq!(table(&["/src/this/more.c"], false), "data.c");
    assert_eq!(table(&["/src/this/data.c"], true), "data.c");
}

#[test]
fn many_units_with_one_large_abbreviation_table_take_little_time() {
    let mut debug = Debug::new(Endian::Little);
    debug.unit(5, "/src", "a.c", &[(BASE, BASE + 8)]);
    let unit: Vec<u8> = debug.info[4..16].to_vec();
    debug.info.clear();
    debug.abbrev = [9, 0x11, 0, 0, 0].repeat(100_000);
    for _ in 0..100_000 {
        debug.info.extend(12_u32.to_le_bytes());
        debug.info.extend(&unit);
    }
    let mut image = kernel(Endian::Little);
    debug.put(&mut image, |_| None);
    assert_eq!(files(image.bytes()), plain());
}

#[test]
fn empty_units_take_little_time_even_when_compressed() {
    let zlib = |bytes: &[u8]| {
        let mut to = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        to.write_all(bytes).unwrap();
        Some((1_u32, to.finish().unwrap()))
    };
    let none = |_: &[u8]| None;
    for pack in [&none as &dyn Fn(&[u8]) -> _, &zlib] {
        let mut debug = Debug::new(Endian::Little);
        debug.info = vec![0; 1 << 24];
        let mut image = kernel(Endian::Little);
        debug.put(&mut image, pack);
        assert_eq!(files(image.bytes()), plain());
    }
}

proptest! {
    #[test]
    fn damage_changes_files_and_never_positions(
        version in 4u8..6,
        damage in proptest::collection::vec((0usize..100_000, any::<u8>()), 1..12),
    ) {
        let mut debug = debug(Endian::Little, version);
        for (at, byte) in damage {
            // What follows the first entry of a unit does not matter.
            let info = debug.info.len() / 5;
            let sections = [&mut debug.info, &mut debug.abbrev, &mut debug.strings,
                &mut debug.ranges, &mut debug.rnglists];
            let section = sections.into_iter().nth(at % 5).unwrap();
            let at = at / 5;
            let at = if section.len() > 10_000 { at % 5 * info + at % 48 } else { at };
            if let Some(to) = section.len().checked_sub(1).map(|last| at % (last + 1)) {
                section[to] = byte;
            }
        }
        let mut image = kernel(Endian::Little);
        debug.put(&mut image, |_| None);
        let (damaged, plain) = (answer(image.bytes()), answer(kernel(Endian::Little).bytes()));
        for name in NAMES {
            let places = |answer: &Answer| -> Vec<_> {
                answer.candidates(name).iter().map(|c| (c.address, c.position)).collect()
            };
            prop_assert_eq!(places(&damaged), places(&plain));
        }
    }
}
