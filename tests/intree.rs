//! Livepatches in a kernel's own tree: `kbuild/linux-*.patch`, and `klp-convert kbuild --tree` without it.
//!
//! `KLP_INTREE` names kernels, a line each: `VERSION MACHINE BUILD`, a build of the tree of
//! `tests/kernel/tree VERSION` by `CONFIG=livepatch tests/kernel/build`. That build is copied.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use klp_convert::elf::Module;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_klp-convert");
const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");
/// The folder of the kernel's samples, which ours join.
const SAMPLES: &str = "samples/livepatch";
/// Ours, by their modules.
const OURS: [(&str, &str); 3] = [
    ("klp_of_vmlinux", OF_VMLINUX),
    ("klp_of_module", OF_MODULE),
    // Listed after the livepatch that patches it.
    ("klp_patched", PATCHED),
];

/// Uses a variable of vmlinux that is not exported.
const OF_VMLINUX: &str = r#"
#include <linux/kernel.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

extern char *saved_command_line;

static int lp_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%s patched\n", saved_command_line);
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
MODULE_DESCRIPTION("a livepatch of vmlinux");
MODULE_INFO(livepatch, "Y");
"#;

/// Patches a function of the module below, and uses its variable.
const OF_MODULE: &str = r#"
#include <linux/livepatch.h>
#include <linux/module.h>

extern int klp_patched_secret;

static int lp_value(void) { return klp_patched_secret + 1; }

static struct klp_func functions[] = {
	{ .old_name = "klp_patched_value", .new_func = lp_value }, { }
};
static struct klp_object objects[] = { { .name = "klp_patched", .funcs = functions }, { } };
static struct klp_patch patch = { .mod = THIS_MODULE, .objs = objects };

static int __init lp_init(void) { return klp_enable_patch(&patch); }
static void __exit lp_exit(void) { }
module_init(lp_init);
module_exit(lp_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("a livepatch of a module");
MODULE_INFO(livepatch, "Y");
"#;

const PATCHED: &str = r#"
#include <linux/module.h>
#include <linux/moduleparam.h>

static int klp_patched_secret = 41;
static noinline int klp_patched_value(void) { return READ_ONCE(klp_patched_secret); }

static int get(char *buffer, const struct kernel_param *kp)
{
	return scnprintf(buffer, PAGE_SIZE, "%d\n", klp_patched_value());
}
static const struct kernel_param_ops ops = { .get = get };
module_param_cb(value, &ops, NULL, 0444);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("patched by a livepatch");
"#;

/// Not a livepatch, with a symbol that nobody has.
const PLAIN: &str = r#"
#include <linux/module.h>
extern void no_such_function(void);
static int __init plain_init(void) { no_such_function(); return 0; }
module_init(plain_init);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("not a livepatch");
"#;

/// A kernel with a build of its unchanged tree.
struct Kernel {
    version: String,
    machine: String,
    build: PathBuf,
}

fn kernels() -> Vec<Kernel> {
    let Ok(kernels) = std::env::var("KLP_INTREE") else {
        panic!("KLP_INTREE is not set; see the top of this file");
    };
    let kernel = |line: &str| {
        let [version, machine, build] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        Kernel { version: version.into(), machine: machine.into(), build: build.into() }
    };
    kernels.lines().map(kernel).collect()
}

/// A kernel's tree with our modules in it, and a copy of its build. There is one tree for each version.
struct Tree<'k> {
    kernel: &'k Kernel,
    source: PathBuf,
    build: TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl<'k> Tree<'k> {
    fn new(kernel: &'k Kernel) -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let reset = Command::new(Path::new(REPOSITORY).join("tests/kernel/tree"))
            .arg(&kernel.version)
            .output()
            .unwrap();
        assert!(reset.status.success(), "{}", said(&reset));
        let source = PathBuf::from(String::from_utf8(reset.stdout).unwrap().trim());
        let build = TempDir::new().unwrap();
        let from = kernel.build.join(".");
        let copied = Command::new("cp").arg("-a").args([&from, build.path()]).status().unwrap();
        assert!(copied.success());
        let tree = Self { kernel, source, build, _alone: alone };
        let makefile = format!("{SAMPLES}/Makefile");
        let mut lines = fs::read_to_string(tree.source.join(&makefile)).unwrap();
        for (name, text) in OURS {
            tree.write(&format!("{SAMPLES}/{name}.c"), text);
            lines.push_str(&format!("obj-m += {name}.o\n"));
        }
        tree.write(&makefile, &lines);
        tree
    }

    /// The tree with the patch.
    fn patched(kernel: &'k Kernel) -> Self {
        let tree = Self::new(kernel);
        let patch = Path::new(REPOSITORY).join(format!("kbuild/linux-{}.patch", kernel.version));
        let patched = Command::new("patch")
            .args(["-s", "-p1", "--fuzz=0", "-i"])
            .arg(patch)
            .current_dir(&tree.source)
            .output()
            .unwrap();
        assert!(patched.status.success(), "{}", said(&patched));
        tree
    }

    /// Writes a file of the source.
    fn write(&self, name: &str, text: &str) {
        fs::write(self.source.join(name), text).unwrap();
    }

    fn module(&self, name: &str) -> PathBuf {
        self.build.path().join(format!("{SAMPLES}/{name}.ko"))
    }

    fn try_make(&self, words: &[&str]) -> Output {
        let variables = match &*self.kernel.machine {
            "x86_64" => ["ARCH=x86_64", "CROSS_COMPILE="],
            "ppc64le" => ["ARCH=powerpc", "CROSS_COMPILE=powerpc64le-linux-gnu-"],
            "s390x" => ["ARCH=s390", "CROSS_COMPILE=s390x-linux-gnu-"],
            "arm64" => ["ARCH=arm64", "CROSS_COMPILE=aarch64-linux-gnu-"],
            other => panic!("{other}"),
        };
        let mut make = Command::new("make");
        make.current_dir(&self.source).arg("-j4").args(variables);
        make.arg(format!("O={}", self.build.path().display())).args(words);
        make.env("KBUILD_BUILD_TIMESTAMP", "1970-01-01").env("KBUILD_BUILD_USER", "klp");
        make.env("KBUILD_BUILD_HOST", "klp").env_remove("MAKEFLAGS");
        make.env("KLP_CONVERT", PROGRAM).output().unwrap()
    }

    /// What make has to say, which succeeds.
    fn make(&self, words: &[&str]) -> String {
        let output = self.try_make(words);
        let said = said(&output);
        assert!(output.status.success(), "{}: {said}", self.name());
        said
    }

    /// What make has to say, which fails.
    fn refused(&self, words: &[&str]) -> String {
        let output = self.try_make(words);
        let said = said(&output);
        assert!(!output.status.success(), "{}: {said}", self.name());
        said
    }

    /// What `kbuild --tree` has to say, and its exit code.
    fn convert(&self) -> (String, Option<i32>) {
        let cache = self.build.path().join("cache");
        let mut program = Command::new(PROGRAM);
        program.args(["kbuild", "--tree"]).arg(self.build.path()).env("XDG_CACHE_HOME", cache);
        let output = program.output().unwrap();
        (said(&output), output.status.code())
    }

    fn name(&self) -> String {
        format!("{} {}", self.kernel.version, self.kernel.machine)
    }

    /// When the modules were changed last.
    fn changed(&self) -> BTreeMap<PathBuf, SystemTime> {
        let entries = fs::read_dir(self.build.path().join(SAMPLES)).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let modules = paths.filter(|path| path.extension().is_some_and(|end| end == "ko"));
        modules.map(|path| (path.clone(), path.metadata().unwrap().modified().unwrap())).collect()
    }

    /// That our livepatches are converted, and nothing else is.
    fn assert_converted(&self) {
        let klp = |name| klp_symbols(&self.module(name));
        assert_eq!(klp("klp_of_vmlinux"), [".klp.sym.vmlinux.saved_command_line,0"]);
        assert_eq!(klp("klp_of_module"), [".klp.sym.klp_patched.klp_patched_secret,0"]);
        for name in ["klp_patched", "livepatch-sample", "livepatch-shadow-mod"] {
            assert!(klp(name).is_empty(), "{}: {name}", self.name());
        }
    }
}

fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// The names of a module's klp symbols.
fn klp_symbols(path: &Path) -> Vec<String> {
    let bytes = fs::read(path).unwrap();
    let module = Module::parse(&bytes).unwrap();
    let names = module.symbols().map(|symbol| String::from_utf8_lossy(symbol.name).into_owned());
    names.filter(|name| name.starts_with(".klp.sym.")).collect()
}

fn touch(path: &Path) {
    fs::File::options().append(true).open(path).unwrap().set_modified(SystemTime::now()).unwrap();
}

#[test]
#[ignore = "needs kernels' build trees; .ci/run makes and names them"]
fn a_patched_tree_converts_its_livepatches_and_what_they_depend_on_converts_them_anew() {
    for kernel in &kernels() {
        let tree = Tree::patched(kernel);
        let said = tree.make(&["modules"]);
        assert!(said.contains("klp_of_vmlinux.ko: 1 klp symbols, "), "{said}");
        assert!(!said.contains("undefined"), "{said}");
        tree.assert_converted();
        let before = tree.changed();
        let said = tree.make(&["modules"]);
        assert_eq!(tree.changed(), before, "{said}");
        // Livepatches, and only they, depend on the kernel.
        touch(&tree.build.path().join("vmlinux"));
        tree.make(&["modules"]);
        let after = tree.changed();
        for (path, time) in &after {
            let bytes = fs::read(path).unwrap();
            let livepatch = Module::parse(&bytes).unwrap().is_livepatch();
            assert_eq!(*time != before[path], livepatch, "{}: {path:?}", tree.name());
        }
        tree.assert_converted();
        // They depend on the modules they may patch.
        tree.write(&format!("{SAMPLES}/klp_patched.c"), &PATCHED.replace("41", "17"));
        tree.make(&["modules"]);
        assert!(
            tree.changed()[&tree.module("klp_of_module")] > after[&tree.module("klp_of_module")]
        );
        tree.assert_converted();
        // What is installed is converted, and signed after that.
        let root = tree.build.path().join("root");
        let install = format!("INSTALL_MOD_PATH={}", root.display());
        tree.make(&["modules_install", &install]);
        let release = fs::read_to_string(tree.build.path().join("include/config/kernel.release"));
        let modules = root.join("lib/modules").join(release.unwrap().trim()).join("kernel");
        let installed = modules.join(format!("{SAMPLES}/klp_of_vmlinux.ko"));
        assert_eq!(klp_symbols(&installed), [".klp.sym.vmlinux.saved_command_line,0"]);
        assert!(fs::read(installed).unwrap().ends_with(b"~Module signature appended~\n"));
    }
}

#[test]
#[ignore = "needs kernels' build trees; .ci/run makes and names them"]
fn a_patched_tree_refuses_what_nobody_has_and_leaves_nothing_unconverted() {
    for kernel in &kernels() {
        let tree = Tree::patched(kernel);
        let wrong = OF_VMLINUX.replace("saved_command_line", "no_such_command_line");
        tree.write(&format!("{SAMPLES}/klp_of_vmlinux.c"), &wrong);
        let said = tree.refused(&["modules"]);
        assert!(said.contains("error[KLP-E") && said.contains("no_such_command_line"), "{said}");
        assert!(!tree.module("klp_of_vmlinux").exists());
        tree.write(&format!("{SAMPLES}/klp_of_vmlinux.c"), OF_VMLINUX);
        let said = tree.refused(&["modules", "KLP_CONVERT=/no/such/program"]);
        assert!(said.contains("/no/such/program"), "{said}");
        assert!(!tree.module("klp_of_vmlinux").exists());
        tree.make(&["modules"]);
        tree.assert_converted();
        // modpost still reports what other modules lack.
        tree.write(&format!("{SAMPLES}/klp_patched.c"), PLAIN);
        let said = tree.refused(&["modules"]);
        assert!(said.contains("ERROR: modpost: ") && said.contains("no_such_function"), "{said}");
        assert!(said.contains("undefined!") && !said.contains("saved_command_line"), "{said}");
    }
}

#[test]
#[ignore = "needs kernels' build trees; .ci/run makes and names them"]
fn livepatches_of_an_untouched_tree_are_converted_after_the_build() {
    for kernel in &kernels() {
        let tree = Tree::new(kernel);
        tree.make(&["modules", "KBUILD_MODPOST_WARN=1"]);
        assert_eq!(klp_symbols(&tree.module("klp_of_vmlinux")), [""; 0]);
        let (said, code) = tree.convert();
        assert_eq!(code, Some(0), "{}: {said}", tree.name());
        assert!(said.contains("klp_of_module.ko: 1 klp symbols, "), "{said}");
        tree.assert_converted();
        let before = tree.changed();
        assert_eq!(tree.convert(), (String::new(), Some(0)));
        // kbuild has nothing to do either.
        tree.make(&["modules", "KBUILD_MODPOST_WARN=1"]);
        assert_eq!(tree.changed(), before);
        touch(&tree.build.path().join("vmlinux"));
        let (said, code) = tree.convert();
        assert!(code == Some(0) && said.contains("klp_of_module.ko: 1 klp symbols, "), "{said}");
        tree.assert_converted();
        // What kbuild links anew is converted anew; what is refused is not left to be installed.
        let source = format!("{SAMPLES}/klp_of_vmlinux.c");
        tree.write(&source, &OF_VMLINUX.replace("saved_command_line", "no_such_command_line"));
        tree.make(&["modules", "KBUILD_MODPOST_WARN=1"]);
        let (said, code) = tree.convert();
        assert!(code == Some(1) && said.contains("no_such_command_line"), "{said}");
        assert!(!tree.module("klp_of_vmlinux").exists());
        let (said, code) = tree.convert();
        assert!(code == Some(1) && !said.contains("klp symbols"), "it stays refused: {said}");
        tree.write(&source, OF_VMLINUX);
        tree.make(&["modules", "KBUILD_MODPOST_WARN=1"]);
        assert_eq!(tree.convert().1, Some(0));
        tree.assert_converted();
    }
}
