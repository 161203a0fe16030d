//! The kernel's own look-up of names, from a source tree, over the tables of an image.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::process::Process;
use super::{HERE, tree};
use crate::generate::image::Built;

/// The first line of the source that is left out.
const END: &str = "/*\n * Iterate over all symbols in vmlinux.";
const TABLES: [&str; 7] =
    ["names", "markers", "seqs", "token_table", "token_index", "offsets", "num_syms"];

/// The program, with names to look up.
#[derive(Debug)]
pub(crate) struct Kallsyms {
    process: Process,
    addresses: PathBuf,
}

impl Kallsyms {
    /// The names of this kernel, whose offsets are from their own addresses; `None` without a tree.
    pub(crate) fn new(kernel: &Built, names: &[String]) -> Option<Self> {
        let tree = tree()?;
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kernel/kallsyms");
        fs::create_dir_all(folder.join("linux")).unwrap();
        let program = compile(&tree, &folder, kernel);
        let [input, addresses] = ["searched", "addresses"].map(|name| folder.join(name));
        fs::write(&input, names.iter().map(|name| format!("{name}\0")).collect::<String>())
            .unwrap();
        Some(Self { process: Process::start(&program, [&input, &addresses]), addresses })
    }

    /// Looks up all names.
    pub(crate) fn lookup(&mut self) -> Duration {
        Duration::from_nanos(self.process.ask("l"))
    }

    /// Expands the names of all symbols.
    pub(crate) fn expand(&mut self) -> Duration {
        Duration::from_nanos(self.process.ask("e"))
    }

    /// What it has found: offsets from the first symbol.
    pub(crate) fn found(&mut self) -> Vec<u64> {
        self.process.ask("w");
        let bytes = fs::read(&self.addresses).unwrap();
        bytes.as_chunks().0.iter().map(|number| u64::from_ne_bytes(*number)).collect()
    }
}

fn compile(tree: &Path, folder: &Path, kernel: &Built) -> PathBuf {
    let mut tables = ".section .note.GNU-stack, \"\", %progbits\n.section .rodata\n".to_owned();
    for name in TABLES {
        let file = folder.join(name);
        fs::write(&file, &kernel.bytes[kernel.table(name)]).unwrap();
        let symbol = format!("kallsyms_{}", if name == "seqs" { "seqs_of_names" } else { name });
        tables +=
            &format!(".balign 8\n.globl {symbol}\n{symbol}: .incbin \"{}\"\n", file.display());
    }
    let text = fs::read_to_string(tree.join("kernel/kallsyms.c")).unwrap();
    let (text, _) = text.split_once(END).unwrap();
    let headers =
        text.lines().filter_map(|line| line.strip_prefix("#include <linux/")?.split_once('>'));
    for (header, _) in headers.chain([("types.h", "")]) {
        fs::write(folder.join("linux").join(header), "").unwrap();
    }
    let [source, assembly, program] =
        ["kallsyms.c", "tables.s", "lookup"].map(|name| folder.join(name));
    fs::write(&source, text).unwrap();
    fs::write(&assembly, tables).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-O2", "-w", "-o"]).arg(&program);
    compiler.arg("-I").arg(folder).arg("-I").arg(tree.join("kernel"));
    compiler.arg("-include").arg(Path::new(HERE).join("common.h"));
    compiler.arg(format!("-DKALLSYMS=\"{}\"", source.display()));
    compiler.arg(Path::new(HERE).join("kallsyms.c")).arg(&assembly);
    assert!(compiler.status().unwrap().success());
    program
}
