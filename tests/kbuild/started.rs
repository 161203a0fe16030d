//! What `klp-convert new` writes, built for real kernels without an edit; and what `annotate` says of the rest.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use klp_convert::elf::Module;
use tempfile::TempDir;

use crate::{Author, LIVEPATCH, PROGRAM, Tree, said, trees};

/// Functions with: nothing; a name that is not unique; per-CPU variables and functions of other files; static
/// functions and locks.
const FUNCTIONS: [&str; 4] = [
    "fs/proc/cmdline.c:cmdline_proc_show",
    "kernel/ucount.c:set_is_seen",
    "fs/proc/stat.c:show_stat",
    "kernel/signal.c:do_send_sig_info",
];

fn program(words: &[&str], tree: &Tree) -> Output {
    Command::new(PROGRAM).args(words).arg("--kernel").arg(&tree.path).output().unwrap()
}

fn make(folder: &Path, tree: &Tree) -> Output {
    let mut make = Command::new("make");
    make.arg("-s").arg("-C").arg(folder).args(tree.variables()).env_remove("MAKEFLAGS");
    make.arg(format!("KLP_CONVERT={PROGRAM}")).output().unwrap()
}

#[test]
#[ignore = "needs kernels' build trees; .ci/run makes and names them"]
fn a_livepatch_that_is_started_builds_converts_and_loads_as_it_is() {
    for tree in trees() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("started");
        let mut words = vec!["new", "started", "--shadow", "--callbacks", "-o"];
        words.push(path.to_str().unwrap());
        words.extend(FUNCTIONS.iter().flat_map(|function| ["--function", function]));
        let started = program(&words, &tree);
        assert!(started.status.success(), "{}: {}", tree.machine, said(&started));
        let made = make(&path, &tree);
        let text = said(&made);
        assert!(made.status.success(), "{} {}: {text}", tree.machine, tree.release());
        assert!(text.contains("; loads, tried at "), "{text}");
        assert!(!text.contains("warning: ‘") && !text.contains("[-W"), "{text}");
        let file = path.join(format!("klp/{}/started.ko", tree.release()));
        let bytes = fs::read(file).unwrap();
        let module = Module::parse(&bytes).unwrap();
        let names = module.symbols().filter(|symbol| symbol.name.starts_with(b".klp.sym.vmlinux."));
        assert!(names.count() > 2, "{}", tree.machine);
    }
}

#[test]
#[ignore = "needs kernels' build trees; .ci/run makes and names them"]
fn what_the_compiler_misses_is_pasted_from_what_annotate_prints() {
    let tree = &trees()[0];
    let author = Author::new(tree);
    let source = LIVEPATCH.replace(
        "return 0;\n}\n\nstatic struct klp_func",
        "return set_is_seen(NULL);\n}\n\nstatic struct klp_func",
    );
    let log = author.write("lp.c", &source).refused(&[]);
    author.write("log", &log);
    let log = author.path("log").display().to_string();
    let printed = program(&["annotate", "--errors", &log], tree);
    let printed = said(&printed);
    let line = |start: &str, has: &str| {
        let mut lines = printed.lines().map(|line| line.trim_start_matches(" * ").trim());
        let line = lines.find(|line| line.contains(start) && line.contains(has));
        line.unwrap_or_else(|| panic!("{printed}")).to_owned()
    };
    let selector = line("KLP_SYMBOL_IN(", "ucount.c");
    let declaration = line("extern int set_is_seen(", "kernel/ucount.c");
    let declaration = declaration.split_once(": ").unwrap().1;
    let pasted = format!("extern char *saved_command_line;\n{declaration}\n{selector}\n");
    let source = source.replace("extern char *saved_command_line;\n", &pasted);
    let made = author.write("lp.c", &source).make(&[]);
    assert!(made.contains("lp.ko: 2 klp symbols, "), "{made}");
}
