//! `kbuild/klp.mk` in the builds of real kernels: what it builds, what it builds anew, and what it refuses.
//!
//! `KLP_KBUILD` names the build trees, a line each: `MACHINE DIRECTORY`, as `tests/kernel/build` prints them; two
//! of them of the first machine. Those that Clang has built are used with `LLVM=`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod installed;
mod samples;
mod started;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

use klp_convert::elf::Module;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_klp-convert");
const MAKEFILE: &str = "include $(KLP_MK)\n";
const KBUILD: &str = "obj-m := lp.o\n";
const HEADER: &str = "#define SAID \"patched\"\n";
const LIVEPATCH: &str = r#"
#include <linux/kernel.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <klp-convert.h>
#include "lp.h"

extern char *saved_command_line;

static int lp_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%s %s\n", saved_command_line, SAID);
	return 0;
}

static struct klp_func functions[] = {
	{ .old_name = "cmdline_proc_show", .new_func = lp_show }, { }
};
static struct klp_object objects[] = { { .name = NULL, .funcs = functions }, { } };
static struct klp_patch patch = { .mod = THIS_MODULE, .objs = objects };

static int __init lp_init(void) { return klp_enable_patch(&patch); }
static void __exit lp_exit(void) { }
module_init(lp_init);
module_exit(lp_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("a livepatch");
MODULE_INFO(livepatch, "Y");
"#;
const PLAIN: &str = r#"
#include <linux/module.h>
extern void USED(void);
static int __init plain_init(void) { USED(); return 0; }
module_init(plain_init);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("not a livepatch");
"#;

/// A kernel's build tree.
struct Tree {
    machine: String,
    path: PathBuf,
}

impl Tree {
    fn release(&self) -> String {
        let file = self.path.join("include/config/kernel.release");
        fs::read_to_string(file).unwrap().trim().to_owned()
    }

    /// What make is told to compile for it, with the compiler that the kernel was built with.
    fn variables(&self) -> Vec<String> {
        let variables = match &*self.machine {
            "x86_64" => ["ARCH=x86_64", "CROSS_COMPILE="],
            "ppc64le" => ["ARCH=powerpc", "CROSS_COMPILE=powerpc64le-linux-gnu-"],
            "s390x" => ["ARCH=s390", "CROSS_COMPILE=s390x-linux-gnu-"],
            "arm64" => ["ARCH=arm64", "CROSS_COMPILE=aarch64-linux-gnu-"],
            other => panic!("{other}"),
        };
        let mut variables = variables.map(str::to_owned).to_vec();
        let configuration = fs::read_to_string(self.path.join("include/config/auto.conf")).unwrap();
        let clang =
            configuration.lines().find_map(|line| line.strip_prefix("CONFIG_CLANG_VERSION="));
        // 190107 is Clang 19.1.7.
        if let Some(version) =
            clang.map(|version| version.parse::<u32>().unwrap()).filter(|v| *v > 0)
        {
            variables.push(format!("LLVM=-{}", version / 10_000));
        }
        variables
    }
}

fn trees() -> Vec<Tree> {
    let Ok(trees) = std::env::var("KLP_KBUILD") else {
        panic!("KLP_KBUILD is not set; see the top of this file");
    };
    let tree = |line: &str| {
        let (machine, path) = line.split_once(' ').unwrap();
        Tree { machine: machine.into(), path: path.into() }
    };
    trees.lines().map(tree).collect()
}

/// A folder of an author.
struct Author<'t> {
    folder: TempDir,
    tree: &'t Tree,
}

impl<'t> Author<'t> {
    fn new(tree: &'t Tree) -> Self {
        let author = Self { folder: TempDir::new().unwrap(), tree };
        author.write("Makefile", MAKEFILE).write("Kbuild", KBUILD);
        author.write("lp.c", LIVEPATCH).write("lp.h", HEADER);
        author
    }

    fn write(&self, name: &str, text: &str) -> &Self {
        fs::write(self.path(name), text).unwrap();
        self
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The converted module of this name.
    fn converted(&self, name: &str) -> PathBuf {
        self.path(format!("klp/{}/{name}.ko", self.tree.release()))
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut make = Command::new("make");
        make.current_dir(self.folder.path()).arg("-s").arg("-j8").args(self.tree.variables());
        make.arg(format!("KDIR={}", self.tree.path.display()));
        make.env("KLP_MK", concat!(env!("CARGO_MANIFEST_DIR"), "/kbuild/klp.mk"));
        make.env("KLP_CONVERT", PROGRAM).args(words).env_remove("MAKEFLAGS");
        make
    }

    fn try_make(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// What make has to say, which succeeds.
    fn make(&self, words: &[&str]) -> String {
        let output = self.try_make(words);
        let said = said(&output);
        assert!(output.status.success(), "{}: {said}", self.tree.machine);
        said
    }

    /// What make has to say, which fails.
    fn refused(&self, words: &[&str]) -> String {
        let output = self.try_make(words);
        let said = said(&output);
        assert!(!output.status.success(), "{}: {said}", self.tree.machine);
        said
    }

    /// Whether make converts anew.
    fn converts(&self, words: &[&str]) -> bool {
        let before = changed(&self.converted("lp"));
        let said = self.make(words);
        let anew = changed(&self.converted("lp")) != before;
        assert_eq!(anew, said.contains("klp relocations"), "{said}");
        anew
    }
}

fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&text).into_owned()
}

fn changed(path: &Path) -> SystemTime {
    path.metadata().unwrap().modified().unwrap()
}

/// Whether a module is converted: it has a klp symbol.
fn is_converted(path: &Path) -> bool {
    let bytes = fs::read(path).unwrap();
    let module = Module::parse(&bytes).unwrap();
    module.symbols().any(|symbol| symbol.name.starts_with(b".klp.sym.vmlinux.saved_command_line,"))
}

#[test]
#[ignore = "needs kernels' build trees; .ci/run makes and names them"]
fn make_builds_converts_and_checks_and_modules_install_installs_that() {
    for tree in trees() {
        let author = Author::new(&tree);
        let said = author.make(&["W=1"]);
        let converted = said.contains("lp.ko: 1 klp symbols, ");
        assert!(converted && said.contains("; loads, tried at "), "{said}");
        assert!(!said.contains("undefined") && !said.contains("jobserver"), "{said}");
        assert!(is_converted(&author.converted("lp")), "{}", tree.machine);
        for target in ["install", "modules_install"] {
            let root = author.path(target);
            author.make(&[target, &format!("INSTALL_MOD_PATH={}", root.display())]);
            let modules = root.join("lib/modules").join(tree.release());
            assert!(is_converted(&modules.join("updates/lp.ko")), "{}", tree.machine);
        }
        // Whoever goes past the Makefile gets the converted one, too.
        let root = author.path("direct");
        let kbuild = Command::new("make")
            .args(["-s", "-C"])
            .arg(&tree.path)
            .args(tree.variables())
            .arg(format!("M={}", author.folder.path().display()))
            .arg(format!("INSTALL_MOD_PATH={}", root.display()))
            .arg("modules_install")
            .output()
            .unwrap();
        assert!(kbuild.status.success(), "{}", self::said(&kbuild));
        let updates = ["updates", "extra"]
            .map(|name| root.join("lib/modules").join(tree.release()).join(name).join("lp.ko"));
        assert!(updates.iter().filter(|path| path.exists()).all(|path| is_converted(path)));
        assert_eq!(updates.iter().filter(|path| path.exists()).count(), 1);
        author.make(&["clean"]);
        assert!(!author.path("klp").exists() && !author.path("lp.ko").exists());
    }
}

#[test]
#[ignore = "needs kernels' build trees; .ci/run makes and names them"]
fn what_a_conversion_depends_on_converts_anew_and_nothing_else_does() {
    let trees = trees();
    let author = Author::new(&trees[0]);
    author.make(&[]);
    assert!(!author.converts(&[]));
    author.write("lp.h", "#define SAID \"patched again\"\n");
    assert!(author.converts(&[]) && !author.converts(&[]));
    let source = fs::read_to_string(author.path("lp.c")).unwrap();
    author.write("lp.c", &source.replace("%s %s", "%s (%s)"));
    assert!(author.converts(&[]) && !author.converts(&[]));
    // A map: another option, another map under its name.
    let tree = author.tree.path.display();
    let map = author.path("my kernel.map");
    let build = |more: &[&str]| {
        let mut program = Command::new(PROGRAM);
        program.args(["symbols", "build", "--vmlinux"]).arg(author.tree.path.join("vmlinux"));
        let built = program.args(more).arg("-o").arg(&map).output().unwrap();
        assert!(built.status.success(), "{}", said(&built));
    };
    let symvers = format!("{tree}/Module.symvers");
    build(&["--symvers", &symvers]);
    let by_map = format!("KLP_MAP=-s '{}'", map.display());
    assert!(author.converts(&[&by_map]) && !author.converts(&[&by_map]));
    build(&["--symvers", &symvers, "--system-map", &format!("{tree}/System.map")]);
    assert!(author.converts(&[&by_map]) && !author.converts(&[&by_map]));
    // The program.
    let program = author.path("klp convert");
    fs::copy(PROGRAM, &program).unwrap();
    let by_program = format!("KLP_CONVERT='{}'", program.display());
    assert!(author.converts(&[&by_map, &by_program]));
    // What is gone comes again.
    fs::remove_file(author.converted("lp")).unwrap();
    author.make(&[]);
    assert!(is_converted(&author.converted("lp")));
    fs::remove_file(author.path("lp.ko")).unwrap();
    author.make(&[]);
    assert!(is_converted(&author.path("lp.ko")));
}

#[test]
#[ignore = "needs kernels' build trees; .ci/run makes and names them"]
fn another_kernel_converts_anew_and_so_does_going_back() {
    let trees = trees();
    let two: Vec<_> =
        trees.iter().filter(|tree| tree.machine == trees[0].machine).take(2).collect();
    let [first, second] = two[..] else { panic!("two kernels of one machine are needed") };
    let mut author = Author::new(first);
    for tree in [first, second, first] {
        author.tree = tree;
        let said = author.make(&[]);
        assert!(said.contains("klp relocations"), "{said}");
        assert!(is_converted(&author.converted("lp")));
        let bytes = fs::read(author.converted("lp")).unwrap();
        let module = Module::parse(&bytes).unwrap();
        let magic = String::from_utf8_lossy(module.vermagic().unwrap()).into_owned();
        assert!(magic.starts_with(&format!("{} ", tree.release())), "{magic}");
    }
}

#[test]
#[ignore = "needs kernels' build trees; .ci/run makes and names them"]
fn symbols_that_nobody_has_are_errors_and_nothing_unconverted_is_left() {
    for tree in trees() {
        let author = Author::new(&tree);
        author.make(&[]);
        let source = LIVEPATCH.replace("saved_command_line", "no_such_command_line");
        let said = author.write("lp.c", &source).refused(&[]);
        assert!(said.contains("error[KLP-E") && said.contains("no_such_command_line"), "{said}");
        for gone in [author.converted("lp"), author.path("lp.ko")] {
            assert!(!gone.exists(), "{gone:?}");
        }
        author.refused(&["modules_install", "INSTALL_MOD_PATH=/nonexistent"]);
        author.write("lp.c", LIVEPATCH).make(&[]);
        // A module that is not a livepatch.
        let plain = |used: &str| {
            author.write("Kbuild", "obj-m := lp.o plain.o\n");
            author.write("plain.c", &PLAIN.replace("USED", used));
        };
        plain("no_such_function");
        let said = author.refused(&[]);
        assert!(said.contains("plain.ko") && said.contains("no_such_function"), "{said}");
        assert!(!author.converted("plain").exists() && !author.path("plain.ko").exists());
        assert!(is_converted(&author.converted("lp")), "others are finished");
        plain("dump_stack");
        author.make(&[]);
        assert!(author.converted("plain").exists());
        // Without the converter nothing is built that it would have to convert.
        author.make(&["clean"]);
        let said = author.refused(&["KLP_CONVERT=/no/such/program"]);
        assert!(said.contains("not found") && said.contains("make KLP_CONVERT=PATH"), "{said}");
        assert!(!author.path("lp.ko").exists());
        // What does not compile is kbuild's to say.
        let said = author.write("lp.c", "#error no\n").refused(&[]);
        assert!(said.contains("#error no"), "{said}");
    }
}

#[test]
#[ignore = "needs kernels' build trees; .ci/run makes and names them"]
fn a_folder_may_be_named_and_objects_may_go_elsewhere() {
    for tree in trees() {
        let author = Author::new(&tree);
        let elsewhere = TempDir::new().unwrap();
        author.make(&[
            "-C",
            "/",
            "-f",
            &author.path("Makefile").display().to_string(),
            &format!("M={}", author.folder.path().display()),
        ]);
        assert!(is_converted(&author.converted("lp")));
        author.make(&["clean"]);
        // The build tree apart from its source.
        let (source, build) = (tree.path.join("source"), tree.path.display());
        author.make(&[&format!("KDIR={}", source.display()), &format!("O={build}")]);
        assert!(is_converted(&author.converted("lp")));
        // Linux 6.13 came with MO=.
        let release = tree.release();
        let version: klp_arch::KernelVersion = release.parse().unwrap();
        if version < klp_arch::KernelVersion::new(6, 13) {
            continue;
        }
        author.make(&["clean"]);
        let output = elsewhere.path().display().to_string();
        author.make(&[&format!("MO={output}")]);
        assert!(is_converted(&elsewhere.path().join(format!("klp/{release}/lp.ko"))));
        assert!(!author.path("lp.o").exists());
    }
}

#[test]
fn the_program_hands_out_what_belongs_to_it() {
    let folder = TempDir::new().unwrap();
    let output = folder.path().join("new/include");
    let run =
        |output: &Path| Command::new(PROGRAM).args(["kbuild", "-o"]).arg(output).output().unwrap();
    assert!(run(&output).status.success());
    for name in ["klp-convert.h", "klp.mk"] {
        let ours =
            fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("kbuild").join(name)).unwrap();
        assert!(fs::read(output.join(name)).unwrap() == ours, "{name}");
    }
    fs::write(folder.path().join("file"), "").unwrap();
    let failed = run(&folder.path().join("file"));
    assert_eq!(failed.status.code(), Some(2));
    assert!(said(&failed).contains("error[KLP-E0602]"), "{}", said(&failed));
}
