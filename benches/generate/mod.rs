//! Inputs of any size, deterministic for a seed.
//!
//! A text list resembles kbuild's for a distribution kernel: vmlinux and thousands of modules,
//! names with the kernel's usual words and lengths, some homonyms, sorted by name in each object. A
//! module resembles an x86_64 livepatch linked from many units: functions that call one another,
//! and calls of kernel functions to convert.

#[allow(dead_code, unused_imports, reason = "tests of the reader need more of it")]
#[path = "../../src/symbols/image/fixture.rs"]
pub(crate) mod image;
pub(crate) mod kernel;
pub(crate) mod layout;

use std::fmt::Write as _;

use klp_convert::symbols::{Sources, TextList};
use object::elf;

use layout::{Section, Strings, file, symbol};

/// Kernel functions that modules call and lists have, each in vmlinux once.
const TARGETS: u64 = 1000;
/// Vmlinux's share of the lines; modules have the rest.
const LINES_IN_VMLINUX: f64 = 0.2;
const LINES_IN_MODULE: u64 = 240;
/// Functions in one section.
const UNIT: u64 = 64;
/// Bytes that one call takes.
const CALL: u64 = 8;

const WORDS: &[&str] = &[
    "acpi", "add", "alloc", "amd", "attr", "bio", "bpf", "btrfs", "buf", "cache", "cgroup",
    "check", "clk", "cpu", "ctrl", "debugfs", "dev", "dma", "driver", "drm", "enable", "event",
    "exit", "ext4", "fault", "file", "filter", "find", "free", "get", "handler", "hw", "i2c",
    "info", "init", "inode", "intel", "io", "ipv6", "irq", "kobj", "list", "lock", "map", "mem",
    "mlx5", "mutex", "net", "nfs", "node", "ops", "page", "pci", "perf", "phy", "pm", "proc",
    "put", "queue", "read", "register", "release", "remove", "reset", "resume", "rtnl", "sched",
    "scsi", "set", "show", "skb", "snd", "sock", "state", "store", "suspend", "sysfs", "task",
    "tcp", "timer", "trace", "tx", "update", "usb", "vfs", "vm", "wait", "work", "write", "xfs",
];

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    /// A name such as `__pfx_ext4_get_inode_cache` or `debugfs_buf.17`.
    fn name(&mut self) -> String {
        let mut name = match self.below(12) {
            0 => "__pfx_".to_owned(),
            1 => "__ksymtab_".to_owned(),
            2 => "__".to_owned(),
            _ => String::new(),
        };
        for word in 0..3 + self.below(3) {
            let at = usize::try_from(self.below(WORDS.len() as u64)).unwrap();
            name.push_str(if word == 0 { "" } else { "_" });
            name.push_str(WORDS[at]);
        }
        if self.below(10) == 0 {
            write!(name, ".{}", self.below(200)).unwrap();
        }
        name
    }

    fn sorted_names(&mut self, count: u64) -> Vec<String> {
        let mut names: Vec<_> = (0..count).map(|_| self.name()).collect();
        names.sort_unstable();
        names
    }
}

fn target(number: u64) -> String {
    format!("hidden_kernel_function_{:04}", number % TARGETS)
}

/// A text list (`symbols.klp`) of about this many lines; an average one has 22 bytes.
pub(crate) fn text_list(lines: u64) -> Vec<u8> {
    let mut random = Random(lines);
    let mut text = "klp-convert-symbol-data.0.1\n*vmlinux\n".to_owned();
    let in_vmlinux = (lines as f64 * LINES_IN_VMLINUX) as u64;
    let mut names = random.sorted_names(in_vmlinux.saturating_sub(TARGETS));
    names.extend((0..TARGETS).map(target));
    names.sort_unstable();
    let mut written = names.len() as u64 + 2;
    let mut put = |names: &[String]| names.iter().for_each(|name| text.extend([name, "\n"]));
    put(&names);
    for module in 0.. {
        if written >= lines {
            break;
        }
        let names = random.sorted_names(LINES_IN_MODULE.min(lines - written));
        written += names.len() as u64 + 1;
        put(&[format!("*module_{module:04}")]);
        put(&names);
    }
    text.into_bytes()
}

/// The list in a file, as a source.
pub(crate) fn sources(list: &std::path::Path) -> Sources {
    let mut sources = Sources::new();
    sources.push(TextList::new(list));
    sources
}

/// The size of a module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Symbols, including undefined ones.
    pub(crate) symbols: u64,
    /// Relocations, including those to convert.
    pub(crate) relocations: u64,
    /// Undefined symbols, each used by one relocation, that become klp symbols.
    pub(crate) convert: u64,
}

impl Shape {
    /// A livepatch of a few functions.
    pub(crate) const SMALL: Self = Self { symbols: 60, relocations: 100, convert: 10 };
    /// The largest with a promised time.
    pub(crate) const LARGE: Self = Self { symbols: 50_000, relocations: 100_000, convert: 50 };
}

/// A livepatch module.
pub(crate) fn module(shape: Shape) -> Vec<u8> {
    seeded(shape, shape.symbols, false)
}

/// The same, with its units linked in the opposite order.
#[allow(dead_code, reason = "one of the benchmarks compares objects")]
pub(crate) fn relinked(shape: Shape) -> Vec<u8> {
    seeded(shape, shape.symbols, true)
}

/// One of many different modules.
fn seeded(shape: Shape, seed: u64, reversed: bool) -> Vec<u8> {
    let mut random = Random(seed);
    let (alloc, text) = (elf::SHF_ALLOC.0, elf::SHF_ALLOC.0 | elf::SHF_EXECINSTR.0);
    let progbits = |name: String, flags, body| {
        let kind = elf::SHT_PROGBITS.0;
        Section { name, kind, flags, link: 0, info: 0, entry: 0, body }
    };
    let functions = shape.symbols - shape.convert;
    let units = functions.div_ceil(UNIT);
    let calls_each = shape.relocations.div_ceil(functions);
    // After the first two, each unit is a section and its relocations.
    let (first, symtab) = (3, u32::try_from(3 + 2 * units).unwrap());
    let mut sections = vec![
        progbits(".modinfo".into(), alloc, b"livepatch=Y\0license=GPL\0".to_vec()),
        progbits(".gnu.linkonce.this_module".into(), alloc, vec![0; 64]),
    ];

    let place = |unit: u64| if reversed { units - 1 - unit } else { unit };
    let mut names = Strings::new();
    let mut symbols = vec![0; 24];
    for function in 0..functions {
        let name = names.add(&format!("{}_{function}", random.name()));
        let section = u16::try_from(first + 2 * place(function / UNIT)).unwrap();
        let (value, size) = (function % UNIT * calls_each * CALL, calls_each * CALL);
        symbols.extend(symbol(name, elf::STT_FUNC.0, section, value, size));
    }
    for number in 0..shape.convert {
        symbols.extend(symbol(names.add(&target(number)), elf::STB_GLOBAL.0 << 4, 0, 0, 0));
    }

    // The calls to convert are spread over the module.
    let every = (shape.relocations / shape.convert.max(1)).max(1);
    let mut calls = 0..shape.relocations;
    let mut linked = Vec::new();
    for unit in 0..units {
        let mut relocations = Vec::new();
        for call in calls.by_ref().take((UNIT * calls_each) as usize) {
            let hidden = call % every == 0 && call / every < shape.convert;
            let callee =
                if hidden { functions + call / every } else { random.below(functions) } + 1;
            relocations.extend(layout::call(call % (UNIT * calls_each) * CALL + 1, callee));
        }
        let name = format!(".text.unit_{unit:05}");
        let body = vec![0; (UNIT * calls_each * CALL) as usize];
        let (kind, flags) = (elf::SHT_RELA.0, elf::SHF_INFO_LINK.0);
        let info = u32::try_from(first + 2 * place(unit)).unwrap();
        let rela = Section {
            name: format!(".rela{name}"),
            kind,
            flags,
            link: symtab,
            info,
            entry: 24,
            body: relocations,
        };
        linked.push([progbits(name, text, body), rela]);
    }
    if reversed {
        linked.reverse();
    }
    sections.extend(linked.into_iter().flatten());
    sections.push(Section {
        name: ".symtab".into(),
        kind: elf::SHT_SYMTAB.0,
        flags: 0,
        link: symtab + 1,
        info: u32::try_from(functions + 1).unwrap(),
        entry: 24,
        body: symbols,
    });
    sections.push(names.section(".strtab"));
    file(elf::ET_REL, sections)
}
