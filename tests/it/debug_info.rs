//! Miniature kernels compiled by the machines' compilers during the test, with debug information:
//! the source file of each function.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use klp_convert::symbols::{Answer, Sources, Vmlinux, Wanted};

use crate::compiled::compiler;
use crate::machine::{Machine, machines};
use crate::tool::Sandbox;

/// The source tree: two files of one name with a homonym, and assembly with a local function.
const TREE: [(&str, &str); 4] = [
    ("init/main.c", "int start_kernel(void) { return 1; }\n"),
    (
        "fs/stat.c",
        "static int table = 1;\n\
         static int __attribute__((noinline)) show(int n) { return n + table++; }\n\
         int vfs_stat(int n) { return show(n) + 1; }\n",
    ),
    (
        "fs/proc/stat.c",
        "static int __attribute__((noinline, section(\".init.text\"))) show(int n) { return n * 2; }\n\
         int proc_stat(int n) { return show(n) + 1; }\n",
    ),
    (
        "lib/entry.S",
        "#ifdef __s390__\n#define nop nopr %r7\n#endif\n\
         .text\n.balign 16\n.type hidden_entry, %function\nhidden_entry:\nnop\n\
         .size hidden_entry, . - hidden_entry\n\
         .globl entry\n.type entry, %function\nentry:\nnop\n.size entry, . - entry\n",
    ),
];

const NAMES: [&str; 7] =
    ["start_kernel", "show", "table", "vfs_stat", "proc_stat", "hidden_entry", "entry"];

/// Links the tree in a folder of its own; `None` without a compiler.
fn kernel(bench: &Sandbox, machine: &Machine, flags: &[&str]) -> Option<PathBuf> {
    let (gcc, package, own) = compiler(machine);
    if Command::new(gcc).arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "{gcc} is missing: apt install {package}");
        eprintln!("{}: skipped, {gcc} is missing: apt install {package}", machine.name);
        return None;
    }
    let (sources, out) = (bench.path("sources"), bench.path("out"));
    fs::create_dir_all(&out).unwrap();
    let run = |arguments: &[String]| {
        let mut command = Command::new(gcc);
        command.current_dir(&out).args(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let mut link: Vec<String> =
        ["-nostdlib", "-static", "-no-pie", "-Wl,-e,start_kernel", "-o", "vmlinux"]
            .map(str::to_owned)
            .to_vec();
    for (n, (name, text)) in TREE.iter().enumerate() {
        fs::create_dir_all(sources.join(name).parent().unwrap()).unwrap();
        fs::write(sources.join(name), text).unwrap();
        let object = format!("{n}.o");
        let source = format!("../sources/{name}");
        let own = own.iter().filter(|_| name.ends_with(".c"));
        let arguments = ["-c", "-O2", "-ffreestanding", "-fno-pic", "-o", &object, &source];
        let arguments = arguments.iter().chain(flags).chain(own);
        run(&arguments.map(|a| (*a).to_owned()).collect::<Vec<_>>());
        link.push(object);
    }
    link.extend(flags.iter().map(|flag| (*flag).to_owned()));
    run(&link);
    Some(out.join("vmlinux"))
}

fn ask(vmlinux: &PathBuf) -> Answer {
    let mut sources = Sources::new();
    sources.push(Vmlinux::new(vmlinux));
    sources.answer(&Wanted::new(NAMES)).unwrap()
}

fn files(answer: &Answer) -> Vec<(&'static str, &str)> {
    let of =
        |name| answer.candidates(name).iter().map(move |c| (name, c.file.as_deref().unwrap_or("")));
    let mut files: Vec<_> = NAMES.into_iter().flat_map(of).collect();
    files.sort_unstable();
    files
}

#[test]
fn functions_have_the_paths_of_their_files_with_every_compiler_option() {
    let expected = [
        ("entry", "lib/entry.S"),
        ("hidden_entry", "lib/entry.S"),
        ("proc_stat", "fs/proc/stat.c"),
        ("show", "fs/proc/stat.c"),
        ("show", "fs/stat.c"),
        ("start_kernel", "init/main.c"),
        ("table", "fs/stat.c"),
        ("vfs_stat", "fs/stat.c"),
    ];
    for machine in machines() {
        for flags in [
            ["-gdwarf-4", "-gz=none"],
            ["-gdwarf-5", "-gz=none"],
            ["-gdwarf-5", "-gz=zlib"],
            ["-gdwarf-5", "-ffunction-sections"],
        ] {
            let bench = Sandbox::new();
            let Some(vmlinux) = kernel(&bench, &machine, &flags) else { continue };
            assert_eq!(files(&ask(&vmlinux)), expected, "{}: {flags:?}", machine.name);
        }
    }
}

#[test]
fn positions_are_the_same_with_and_without_debug_information() {
    for machine in machines() {
        let bench = Sandbox::new();
        let Some(vmlinux) = kernel(&bench, &machine, &["-g"]) else { continue };
        let with = ask(&vmlinux);
        let bench = Sandbox::new();
        let Some(vmlinux) = kernel(&bench, &machine, &["-g0"]) else { continue };
        let without = ask(&vmlinux);
        for name in NAMES {
            let places = |answer: &Answer| -> Vec<_> {
                answer.candidates(name).iter().map(|c| (c.address, c.position)).collect()
            };
            assert_eq!(places(&with), places(&without), "{}: {name}", machine.name);
        }
        let plain = files(&without);
        assert!(
            plain.contains(&("show", "stat.c")) && plain.contains(&("vfs_stat", "")),
            "{plain:?}"
        );
    }
}
