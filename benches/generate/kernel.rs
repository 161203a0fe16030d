//! A kernel: a linked vmlinux, and any number of modules.
//!
//! Of the size of a distribution's in symbols and files; the modules have less code.
#![allow(dead_code, reason = "one of the benchmarks needs a kernel")]

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use object::elf;

use super::image::{Built, Layout, Sample};
use super::layout::{Section, Strings, file, symbol};
use super::{Random, Shape, TARGETS, seeded, target};

/// A module of usual size.
const MODULE: Shape = Shape { symbols: 240, relocations: 240, convert: 8 };
/// One in this many names occurs twice in vmlinux.
const HOMONYM: usize = 64;
const START: u64 = 0xffff_ffff_8100_0000;
const FUNCTION: u64 = 64;

/// The module with this number.
pub(crate) fn kernel_module(number: u64) -> Vec<u8> {
    seeded(MODULE, number, false)
}

/// The names of a vmlinux of about this many symbols.
fn names_of(symbols: u64) -> Vec<String> {
    let mut random = Random(symbols);
    let mut all: Vec<_> =
        (0..symbols).map(|number| format!("{}_{number}", random.name())).collect();
    let again: Vec<_> = all.iter().step_by(HOMONYM).cloned().collect();
    all.extend(again);
    all.extend((0..TARGETS).map(target));
    all
}

/// The same kernel as a running one has it: no more than its tables of names, in the layout of Linux 6.15 and later.
pub(crate) fn kallsyms(symbols: u64) -> Built {
    let symbols = names_of(symbols).into_iter().map(|name| (64, b't', name)).collect();
    Sample { symbols, raw: true, ..Sample::new(Layout::SelfRelative, false) }.build()
}

/// The same as a boot image, compressed as a whole.
pub(crate) fn boot_image(symbols: u64) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&kallsyms(symbols).bytes).unwrap();
    packed.finish().unwrap()
}

/// A vmlinux of about this many symbols, the targets of livepatches among them.
pub(crate) fn vmlinux(symbols: u64) -> Vec<u8> {
    let all = names_of(symbols);
    let mut names = Strings::new();
    let mut table = vec![0; 24];
    for (number, name) in (0..).zip(&all) {
        let info = elf::STT_FUNC.0;
        table.extend(symbol(names.add(name), info, 1, START + number * FUNCTION, FUNCTION));
    }
    let text = Section {
        name: ".text".into(),
        kind: elf::SHT_PROGBITS.0,
        flags: elf::SHF_ALLOC.0 | elf::SHF_EXECINSTR.0,
        link: 0,
        info: 0,
        entry: 0,
        body: vec![0; 64],
    };
    let symtab = Section {
        name: ".symtab".into(),
        kind: elf::SHT_SYMTAB.0,
        flags: 0,
        link: 3,
        info: u32::try_from(all.len() + 1).unwrap(),
        entry: 24,
        body: table,
    };
    file(elf::ET_EXEC, vec![text, symtab, names.section(".strtab")])
}
