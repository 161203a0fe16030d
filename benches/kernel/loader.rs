//! The kernel's own loader.
//!
//! Its functions are compiled as they are, up to the one that needs the rest of the kernel; what they need of the
//! kernel around them is in the headers here. Numbers have the byte order of this machine: for s390x the work is the
//! same, but the bytes are not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use klp_convert::elf::Module;

use super::process::Process;
use super::{HERE, tree};
use crate::relocations::placed::{KERNEL, MODULE};

/// Sources of a machine's loader: the machine's folder in the tree, files, and the first line of the first that is
/// left out.
fn sources(machine: &str) -> (&'static str, &'static [&'static str], &'static str) {
    match machine {
        "x86_64" => ("arch/x86", &["kernel/module.c"], "int module_finalize("),
        "ppc64le" => ("arch/powerpc", &["kernel/module_64.c"], ""),
        "s390x" => ("arch/s390", &["kernel/module.c"], "int module_finalize("),
        _ => (
            "arch/arm64",
            &["kernel/module.c", "kernel/module-plts.c", "lib/insn.c"],
            "static inline void __init_plt(",
        ),
    }
}

/// Headers that are read in the tree; others are empty.
const READ: [&str; 4] = ["asm/module.h", "asm/insn.h", "asm/insn-def.h", "asm/brk-imm.h"];
/// Headers that these include.
const WITHIN: [&str; 7] = [
    "asm-generic/module.h",
    "asm/bug.h",
    "asm/code-patching.h",
    "asm/inst.h",
    "linux/build_bug.h",
    "linux/list.h",
    "linux/types.h",
];
/// Headers of this machine.
const OWN: &str = "asm/errno.h";

/// The program, with a module.
pub(crate) struct Kernel {
    process: Process,
    memory: PathBuf,
}

impl Kernel {
    /// The loader of a machine with this module; `None` without a tree.
    pub(crate) fn new(machine: &str, module: &Module<'_>) -> Option<Self> {
        let tree = tree()?;
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kernel").join(machine);
        fs::create_dir_all(&folder).unwrap();
        let program = compile(&tree, machine, &folder);
        let [input, memory] = ["module", "memory"].map(|name| folder.join(name));
        fs::write(&input, described(module)).unwrap();
        Some(Self { process: Process::start(&program, [&input, &memory]), memory })
    }

    /// All relocations of a module in memory.
    pub(crate) fn apply(&mut self) -> Duration {
        Duration::from_nanos(self.process.ask("a"))
    }

    /// A whole load.
    pub(crate) fn load(&mut self) -> Duration {
        Duration::from_nanos(self.process.ask("l"))
    }

    /// What the last of these has left in memory.
    pub(crate) fn memory(&mut self) -> Vec<u8> {
        self.process.ask("w");
        fs::read(&self.memory).unwrap()
    }
}

fn compile(tree: &Path, machine: &str, folder: &Path) -> PathBuf {
    let (arch, files, end) = sources(machine);
    let paths = files.iter().map(|file| tree.join(arch).join(file));
    let mut paths: Vec<PathBuf> = paths.chain([tree.join("lib/sort.c")]).collect();
    for path in &paths {
        let text = fs::read_to_string(path).unwrap();
        let included =
            text.lines().filter_map(|line| line.strip_prefix("#include <")?.split_once('>'));
        let included = included.map(|(header, _)| header).chain(WITHIN);
        for header in included.filter(|header| !READ.contains(header) && *header != OWN) {
            let header = folder.join(header);
            fs::create_dir_all(header.parent().unwrap()).unwrap();
            fs::write(header, "").unwrap();
        }
    }
    if !end.is_empty() {
        let text = fs::read_to_string(&paths[0]).unwrap();
        let (start, _) = text.split_once(end).unwrap();
        paths[0] = folder.join("module.c");
        fs::write(&paths[0], start).unwrap();
    }
    paths.push(Path::new(HERE).join("main.c"));
    let program = folder.join("loader");
    let objects: Vec<PathBuf> = paths
        .iter()
        .enumerate()
        .map(|(number, path)| {
            let header = if path.ends_with("lib/sort.c") { "common" } else { machine };
            let object = folder.join(format!("{number}.o"));
            let mut compiler = Command::new("cc");
            compiler
                .args(["-O2", "-w", "-fno-strict-aliasing", "-c"])
                .arg(path)
                .arg("-o")
                .arg(&object);
            compiler.arg("-include").arg(Path::new(HERE).join(header).with_extension("h"));
            compiler.arg("-I").arg(folder).arg("-idirafter").arg(tree.join(arch).join("include"));
            for (name, value) in [
                ("BASE", MODULE),
                ("KERNEL", KERNEL),
                ("KERNEL_BASE", KERNEL),
                ("KERNEL_TOC", KERNEL + 0x8000),
            ] {
                compiler.arg(format!("-D{name}={value:#x}UL"));
            }
            assert!(compiler.status().unwrap().success());
            object
        })
        .collect();
    let status = Command::new("cc").args(&objects).arg("-o").arg(&program).status();
    assert!(status.unwrap().success());
    program
}

/// The module as the program reads it.
fn described(module: &Module<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let number = |out: &mut Vec<u8>, value: u64| out.extend(value.to_ne_bytes());
    let sections: Vec<_> = module.sections().collect();
    let room = sections.iter().map(|s| module.body(s.index).len() as u64 + 16).sum::<u64>();
    number(&mut out, sections.len() as u64);
    number(&mut out, room + 24 * module.symbols().count() as u64 + 4096);
    for section in sections {
        number(&mut out, section.name.len() as u64);
        out.extend(section.name);
        for value in [
            section.sh_type.0.into(),
            section.sh_flags.bits(),
            section.sh_info.into(),
            section.sh_addralign,
            section.sh_size,
        ] {
            number(&mut out, value);
        }
        let body = module.body(section.index);
        number(&mut out, body.len() as u64);
        // Tables have the byte order of their machine.
        if section.sh_type.0 == object::elf::SHT_RELA.0 {
            for rela in module.relocations(section.index) {
                number(&mut out, rela.offset);
                number(&mut out, u64::from(rela.symbol.get()) << 32 | u64::from(rela.kind));
                number(&mut out, rela.addend as u64);
            }
        } else {
            out.extend(body);
        }
    }
    number(&mut out, module.symbols().count() as u64);
    for symbol in module.symbols() {
        number(&mut out, symbol.st_value);
        number(&mut out, u64::from(symbol.name == b"function"));
    }
    out
}
