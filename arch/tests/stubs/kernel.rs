//! Random modules against the kernel's own functions, compiled natively from a source tree.
//!
//! `arch/powerpc/kernel/module_64.c` and `lib/sort.c` are taken from the tree that
//! `KLP_KERNEL_SOURCE` (7.2) or `KLP_KERNEL_SOURCE_OLD` (6.1) names; what they need from the rest of the kernel is in
//! `kernel/`. The host must be a little-endian one of 64 bits, as the kernel's functions write plain
//! numbers. Compared are sizes, sorted tables, every byte of memory, and the message of a refusal.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use klp_arch::object::{SHF_ALLOC, SHF_WRITE, SHT_RELA, Section, Symbol};
use klp_arch::{
    Conditions, Configuration, Features, Operation, PPC64LE, Rela, RelocationContext,
    RelocationTable,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::module::*;
use super::properties::{symbols, tables, within};

const MODULES: usize = 2000;
/// Empty stand-ins: everything is in `shim.h`.
const HEADERS: [&str; 20] = [
    "linux/module.h",
    "linux/elf.h",
    "linux/moduleloader.h",
    "linux/err.h",
    "linux/vmalloc.h",
    "linux/ftrace.h",
    "linux/bug.h",
    "linux/uaccess.h",
    "linux/kernel.h",
    "linux/sort.h",
    "linux/types.h",
    "linux/export.h",
    "linux/sched.h",
    "linux/list.h",
    "asm/firmware.h",
    "asm/text-patching.h",
    "asm/code-patching.h",
    "asm/setup.h",
    "asm/sections.h",
    "asm/inst.h",
];

fn compile(tree: &Path, options: &[&str], directory: &Path) -> PathBuf {
    for header in HEADERS.iter().chain(&["asm/bug.h", "asm-generic/module.h"]) {
        let path = directory.join(header);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    std::fs::write(directory.join("shim.h"), include_str!("kernel/shim.h")).unwrap();
    std::fs::write(directory.join("main.c"), include_str!("kernel/main.c")).unwrap();
    let program = directory.join("loader");
    let mut compiler = Command::new("cc");
    compiler.args(["-O1", "-w", "-fno-strict-aliasing", "-include"]);
    compiler.arg(directory.join("shim.h")).arg("-I").arg(directory);
    compiler.arg("-idirafter").arg(tree.join("arch/powerpc/include"));
    let addresses = configuration("7.2").symbols;
    for (name, symbol) in [
        ("ftrace_caller", "ftrace_caller"),
        ("ftrace_regs_caller", "ftrace_regs_caller"),
        ("KERNEL_TOC", ".TOC."),
        ("KERNEL_BASE", "_stext"),
    ] {
        compiler.arg(format!("-D{name}={:#x}UL", addresses[symbol]));
    }
    compiler.arg(format!("-DBASE={BASE:#x}UL"));
    compiler.args(options.iter().map(|option| format!("-DCONFIG_{option}=1")));
    compiler.arg(directory.join("main.c")).arg(tree.join("lib/sort.c"));
    compiler.arg(tree.join("arch/powerpc/kernel/module_64.c")).arg("-o").arg(&program);
    assert!(compiler.status().expect("a C compiler").success());
    program
}

/// The module as the program reads it.
fn described(object: &klp_arch::Object<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let number = |out: &mut Vec<u8>, value: u64| out.extend(value.to_le_bytes());
    let bytes = |out: &mut Vec<u8>, bytes: &[u8]| {
        number(out, bytes.len() as u64);
        out.extend_from_slice(bytes);
    };
    number(&mut out, object.sections.len() as u64);
    for s in &object.sections {
        bytes(&mut out, s.name);
        for value in [s.sh_type.into(), s.sh_flags, s.sh_info.into(), s.sh_addralign, s.sh_size] {
            number(&mut out, value);
        }
        bytes(&mut out, &s.body);
    }
    number(&mut out, object.symbols.len() as u64);
    for symbol in &object.symbols {
        bytes(&mut out, symbol.name);
        for value in [symbol.st_value, symbol.st_shndx.into(), symbol.st_other.into()] {
            number(&mut out, value);
        }
    }
    out
}

/// The program's output.
struct Answer<'a>(&'a [u8]);

impl<'a> Answer<'a> {
    fn number(&mut self) -> u64 {
        let (number, rest) = self.0.split_first_chunk().unwrap();
        self.0 = rest;
        u64::from_le_bytes(*number)
    }

    fn bytes(&mut self) -> &'a [u8] {
        let length = self.number() as usize;
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes
    }
}

/// All tables, each as a whole; for a refusal the kernel's message and error number.
fn apply(module: &mut Loading) -> Result<(), (String, u8)> {
    for index in TABLES..module.object.sections.len() {
        let section = &module.object.sections[index];
        if section.sh_type != SHT_RELA {
            continue;
        }
        let table = RelocationTable {
            entries: section.body.as_chunks().0,
            symbols: &module.object.symbols,
            target: module.extent(TEXT),
            init: false,
            conditions: Conditions { features: module.features, ..Conditions::default() },
        };
        let memory = &mut module.memory;
        let done =
            PPC64LE.loader.relocate(&table, Operation::Apply, &mut *module.linkage, memory, None);
        done.map_err(|stopped| {
            let at = RelocationContext {
                module: "patch",
                section: index,
                entry: stopped.entry,
                kind: stopped.rela.kind,
                symbol: module.object.symbols[stopped.rela.symbol as usize].name,
                place: stopped.operands.p,
                next_word: None,
                value: 0,
                operands: stopped.operands,
                features: module.features,
            };
            let error = PPC64LE.loader.kernel_error(&at, &stopped.fault);
            (error.message, error.errno.number())
        })?;
    }
    Ok(())
}

/// Compares a state; returns whether the module is still being loaded.
fn agrees(module: &Loading, done: &Result<(), (String, u8)>, answer: &mut Answer<'_>) -> bool {
    let (errno, said, memory) = (answer.number(), answer.bytes(), answer.bytes());
    let said = String::from_utf8_lossy(said);
    // User space prints `%pS` as `%p`, and then the letter.
    let said = said.trim_end_matches('\n').trim_end_matches('S').to_owned();
    match done {
        Ok(()) => {
            assert_eq!((errno, said.as_str()), (0, ""));
            assert!(memory == &module.memory.regions[0].bytes[..memory.len()], "{module:?}");
        }
        Err((message, number)) => assert_eq!((message, u64::from(*number)), (&said, errno)),
    }
    done.is_ok()
}

/// How many of the modules were loaded, and how many refused.
fn compare(program: &Path, configuration: &Configuration) -> (usize, usize) {
    let mut runner = TestRunner::deterministic();
    let modules = (symbols(), tables(), 0..9_usize, any::<bool>());
    let (mut loaded, mut refused) = (0, 0);
    for _ in 0..MODULES {
        let random = modules.new_tree(&mut runner).unwrap().current();
        let (mut symbols, tables, traced, shared): (Vec<Symbol<'_>>, Vec<Vec<Rela>>, _, bool) =
            random;
        if shared {
            symbols.push(undefined(b".TOC.", 0));
        }
        let tables = within(&symbols, &tables);
        let calls = tables.iter().map(Vec::len).sum();
        let mut object = object(calls, &symbols, &tables);
        // Functions that do not exist: their stubs stay empty.
        object.sections.push(Section {
            name: b"__patchable_function_entries",
            sh_type: 1,
            sh_flags: SHF_ALLOC | SHF_WRITE,
            sh_size: traced as u64 * 8,
            sh_addralign: 8,
            body: vec![0; traced * 8].into(),
            ..Section::default()
        });
        let mut child =
            Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&described(&object)).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{object:?}");
        let mut answer = Answer(&output.stdout);
        let mut module = Loading::new(object, configuration).unwrap();
        for section in &module.object.sections {
            assert_eq!(answer.number(), section.sh_size);
            assert_eq!(answer.number(), section.sh_addralign);
            if section.sh_type == SHT_RELA {
                assert_eq!(answer.bytes(), &section.body[..]);
            }
        }
        let mut done = apply(&mut module);
        if done.is_ok() {
            module.finish().unwrap();
        }
        if !agrees(&module, &done, &mut answer) {
            refused += 1;
            continue;
        }
        loaded += 1;
        done = apply(&mut module);
        agrees(&module, &done, &mut answer);
    }
    (loaded, refused)
}

fn check(variable: &str, options: &[&str], configuration: &Configuration) {
    let tree = std::env::var_os(variable).unwrap_or_else(|| panic!("{variable} is not set"));
    let name = format!("klp-loader-{}-{}", std::process::id(), options.join("-"));
    let directory = std::env::temp_dir().join(name);
    let program = compile(Path::new(&tree), options, &directory);
    let (loaded, refused) = compare(&program, configuration);
    assert!(loaded > MODULES / 10 && refused > MODULES / 10, "{loaded} and {refused}");
    std::fs::remove_dir_all(directory).unwrap();
}

const FTRACE: [&str; 2] = ["DYNAMIC_FTRACE", "DYNAMIC_FTRACE_WITH_REGS"];
const OUT_OF_LINE: [&str; 3] = [
    "ARCH_USING_PATCHABLE_FUNCTION_ENTRY",
    "PPC_FTRACE_OUT_OF_LINE",
    "DYNAMIC_FTRACE_WITH_CALL_OPS",
];

#[test]
#[ignore = "needs the source tree of Linux 7.2 in KLP_KERNEL_SOURCE"]
fn modules_become_what_the_kernels_functions_make_of_them() {
    let options = [&FTRACE[..], &OUT_OF_LINE].concat();
    check("KLP_KERNEL_SOURCE", &options, &configuration("7.2"));
}

#[test]
#[ignore = "needs the source tree of Linux 7.2 in KLP_KERNEL_SOURCE"]
fn modules_without_a_toc_become_what_the_kernels_functions_make_of_them() {
    let options = [&FTRACE[..], &OUT_OF_LINE, &["PPC_KERNEL_PCREL"]].concat();
    let mut configuration = configuration("7.2");
    configuration.features |= Features::PCREL;
    check("KLP_KERNEL_SOURCE", &options, &configuration);
}

#[test]
#[ignore = "needs the source tree of Linux 7.2 in KLP_KERNEL_SOURCE"]
fn modules_without_ftrace_become_what_the_kernels_functions_make_of_them() {
    check("KLP_KERNEL_SOURCE", &["NOTHING"], &bare(Features::PLAIN_FTRACE_CALLS));
}

#[test]
#[ignore = "needs the source tree of Linux 6.1 in KLP_KERNEL_SOURCE_OLD"]
fn modules_become_what_the_older_kernels_functions_make_of_them() {
    let options = [&FTRACE[..], &["MPROFILE_KERNEL"]].concat();
    check("KLP_KERNEL_SOURCE_OLD", &options, &configuration("6.1"));
}
