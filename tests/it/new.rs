//! `klp-convert new`: what it writes for functions of small files, and what it refuses.
//!
//! The builds of what it writes, with real kernels, are in `tests/kbuild.rs`.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::tool::{Run, Sandbox, run};

const SEEN: &str = r#"// SPDX-License-Identifier: GPL-2.0-only
#include <linux/kernel.h>
#include "own.h"

static DEFINE_SPINLOCK(lock);
static int twice;

static int inlined(int a)
{
	return a + OWN;
}

static int helper(int a)
{
	return inlined(a);
}

int seen(int a)
{
	static int calls;

	spin_lock(&lock);
	return helper(a) + inlined(calls++) + twice;
}
"#;

/// A kernel: its source, and its symbols as `nm` and `/proc/kallsyms` would list them.
struct Kernel {
    bench: Sandbox,
}

impl Kernel {
    fn new() -> Self {
        let kernel = Self { bench: Sandbox::new() };
        kernel.source("kernel/seen.c", SEEN);
        kernel.source(
            "kernel/own.h",
            "#ifndef OWN_H\n#define OWN_H\n#define OWN 1\n#define NO 2\n#endif\n",
        );
        kernel.source("kernel/other.c", "static int seen(void)\n{\n\treturn 1;\n}\n");
        kernel.source("drivers/mod.c", "static void in_module(void)\n{\n}\n");
        kernel.source("Makefile", "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 2\nEXTRAVERSION =\n");
        kernel
    }

    fn source(&self, file: &str, text: &str) {
        let path = self.bench.path("tree").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A list of symbols with source files.
    fn list(&self, text: &str) -> [OsString; 2] {
        let text = format!("klp-convert-symbol-data.0.2\n{text}");
        let path = self.bench.file("symbols.klp", text.as_bytes());
        ["-s".into(), path.into()]
    }

    fn start(&self, targets: &[&str], further: impl IntoIterator<Item = OsString>) -> Run {
        let tree = self.bench.path("tree");
        let mut words: Vec<OsString> = vec!["new".into(), "lp".into(), "--kernel-source".into()];
        words.extend([tree.into(), "-o".into(), self.folder().into()]);
        words.extend(targets.iter().flat_map(|target| ["--function".into(), target.into()]));
        run(words.into_iter().chain(further))
    }

    fn folder(&self) -> PathBuf {
        self.bench.path("lp")
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder().join(name)).unwrap()
    }
}

fn words<const N: usize>(words: [&str; N]) -> [OsString; N] {
    words.map(OsString::from)
}

#[test]
fn a_folder_has_what_make_needs_and_the_copy_says_where_it_is_from() {
    let kernel = Kernel::new();
    let symbols = "*vmlinux\n-kernel/seen.c\nhelper\nlock\nseen\ntwice\n-kernel/x.c\ntwice\n";
    let said = kernel.start(&["kernel/seen.c:seen"], kernel.list(symbols)).done().stderr.clone();
    let mut files: Vec<_> =
        fs::read_dir(kernel.folder()).unwrap().map(|f| f.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["Kbuild", "Makefile", "include", "kernel_seen.c", "lp_tables.c"]);
    for name in ["klp.mk", "klp-convert.h"] {
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("kbuild").join(name);
        assert_eq!(kernel.read(&format!("include/{name}")), fs::read_to_string(ours).unwrap());
    }
    let makefile = kernel.read("Makefile");
    assert!(
        makefile
            .ends_with("KDIR ?= /lib/modules/$(shell uname -r)/build\ninclude include/klp.mk\n")
    );
    assert!(kernel.read("Kbuild").ends_with("obj-m := lp.o\nlp-y := kernel_seen.o lp_tables.o\n"));
    let copy = kernel.read("kernel_seen.c");
    assert!(copy.starts_with("// SPDX-License-Identifier: GPL-2.0-only\n"), "{copy}");
    for line in [
        " * Copied from kernel/seen.c of Linux 6.1.2 by klp-convert new, with what it needs of that file.",
        "#undef MODULE /* compiled as in the kernel itself */",
        "#define OWN 1",
        "extern spinlock_t lock;",
        "extern int twice;",
        "KLP_SYMBOL_IN(vmlinux, twice, \"kernel/seen.c\");",
        "extern int helper(int a);",
        "static int inlined(int a)",
        "int livepatch_seen(int a)",
    ] {
        assert!(copy.lines().any(|written| written == line), "no {line} in {copy}");
    }
    for absent in ["own.h", "OWN_H", "NO 2", "int seen("] {
        assert!(!copy.contains(absent), "{absent} in {copy}");
    }
    let tables = kernel.read("lp_tables.c");
    assert!(tables.contains("{ .old_name = \"seen\", .new_func = livepatch_seen },"), "{tables}");
    assert!(tables.contains(".name = NULL,") && !tables.contains("KLP_FUNC_IN"), "{tables}");
    assert!(said.contains("declared: helper, lock, twice\n"), "{said}");
    assert!(said.contains("copied, no symbol of the kernel: inlined\n"), "{said}");
    assert!(
        said.contains("kernel/seen.c:20: 'calls' keeps its value between calls of seen()"),
        "{said}"
    );
}

#[test]
fn a_function_whose_name_is_not_unique_is_selected_by_its_file() {
    let kernel = Kernel::new();
    let symbols = "*vmlinux\n-kernel/other.c\nseen\n-kernel/seen.c\nhelper\nlock\nseen\ntwice\n*mod\n-mod.c\nin_module\n";
    let targets = ["kernel/seen.c:seen", "kernel/other.c:seen", "drivers/mod.c:in_module"];
    kernel.start(&targets, kernel.list(symbols)).done();
    let tables = kernel.read("lp_tables.c");
    for line in [
        "\t{ .old_name = \"seen\", .new_func = livepatch_seen_seen },",
        "\t{ .old_name = \"seen\", .new_func = livepatch_other_seen },",
        "KLP_FUNC_IN(vmlinux, seen, livepatch_seen_seen, \"kernel/seen.c\");",
        "KLP_FUNC_IN(vmlinux, seen, livepatch_other_seen, \"kernel/other.c\");",
        "static struct klp_func lp_mod_functions[] = {",
        "\t\t.name = \"mod\",",
    ] {
        assert!(tables.lines().any(|written| written == line), "no {line} in {tables}");
    }
    assert!(!kernel.read("drivers_mod.c").contains("#undef MODULE"), "a module's own function");
    assert!(kernel.read("kernel_other.c").contains("\nint livepatch_other_seen(void)\n{"));
}

#[test]
fn where_source_files_are_not_known_the_candidates_are_a_comment() {
    let kernel = Kernel::new();
    let map = "0000000000001000 t seen\n0000000000002000 t helper\n0000000000003000 t seen\n\
               0000000000004000 d lock\n0000000000005000 d twice\n0000000000006000 d twice\n";
    let path = kernel.bench.file("System.map", map.as_bytes());
    let further = ["--system-map".into(), path.into_os_string()];
    let said = kernel.start(&["kernel/seen.c:seen"], further).done().stderr.clone();
    let tables = kernel.read("lp_tables.c");
    assert!(
        tables.contains(" * klp-convert: 'seen' is to be replaced, but 'vmlinux' has 2 of them")
    );
    assert!(tables.contains(" *   .old_sympos = 2\n */\n"), "{tables}");
    let copy = kernel.read("kernel_seen.c");
    assert!(copy.contains(" * klp-convert: 'twice' has 2 candidates in 'vmlinux'\n"), "{copy}");
    assert!(copy.contains("static int helper(int a)\n"), "never wrong, whosever the symbol is");
    assert!(said.contains("no source of symbols says from which file 'lock'"), "{said}");
}

#[test]
fn without_symbols_static_functions_are_copied_and_that_is_said() {
    let kernel = Kernel::new();
    let said = kernel.start(&["kernel/seen.c:seen"], []).done().stderr.clone();
    assert!(said.contains("no symbols of the kernel were given"), "{said}");
    let copy = kernel.read("kernel_seen.c");
    assert!(
        copy.contains("static int helper(int a)\n") && copy.contains("extern int twice;\n"),
        "{copy}"
    );
    assert!(!copy.contains("KLP_SYMBOL_IN"), "{copy}");
}

#[test]
fn stubs_are_written_on_request() {
    let kernel = Kernel::new();
    kernel.start(&["kernel/seen.c:seen"], words(["--shadow", "--callbacks"])).done();
    let tables = kernel.read("lp_tables.c");
    for name in ["pre_patch", "post_patch", "pre_unpatch", "post_unpatch"] {
        assert!(tables.contains(&format!("\t\t\t.{name} = lp_{name},\n")), "{tables}");
        assert!(tables.contains(&format!(" lp_{name}(struct klp_object *object)\n")), "{tables}");
    }
    assert!(tables.contains("klp_shadow_free_all(LP_SHADOW_ID, lp_shadow_dtor);"), "{tables}");
    assert!(kernel.read("lp.h").contains("klp_shadow_get_or_alloc("));
    assert!(kernel.read("kernel_seen.c").contains("#include \"lp.h\"\n"));
}

#[test]
fn what_cannot_be_copied_is_refused_and_nothing_is_written() {
    let kernel = Kernel::new();
    kernel.source("kernel/call.c", "SYSCALL_DEFINE0(gettid)\n{\n}\nint only(void);\n");
    kernel.source("kernel/broken.c", "int f(void)\n{\n");
    let symbols = "*vmlinux\n-kernel/seen.c\nseen\ngettid\nf\nonly\n*a\nin_two\n*b\nin_two\n";
    let refused = |target: &str, expected: &[&str]| {
        kernel.start(&[target], kernel.list(symbols)).refused(expected);
        assert!(!kernel.folder().exists(), "{target}");
    };
    refused(
        "kernel/seen.c:absent",
        &["error[KLP-E0130]: kernel/seen.c: 'absent' is not defined here"],
    );
    refused(
        "kernel/call.c:gettid",
        &["KLP-E0130", "made by the macro SYSCALL_DEFINE0 (line 1)", "make FILE.i"],
    );
    refused("kernel/call.c:only", &["KLP-E0130", "only declared here (line 4)"]);
    refused(
        "kernel/broken.c:f",
        &["KLP-E0130", "kernel/broken.c: line 1: the item that starts here has no end"],
    );
    refused("kernel/seen.c:helper", &["error[KLP-E0112]", "'vmlinux' has no symbol of this name"]);
    refused("kernel/other.c:seen", &["KLP-E0130", "not from this file, but from kernel/seen.c"]);
    kernel.source("drivers/two.c", "void in_two(void)\n{\n}\n");
    refused(
        "drivers/two.c:in_two",
        &["KLP-E0130", "in several objects: 'a', 'b'", "OBJECT:FILE:FUNCTION"],
    );
    let temporary: Vec<_> =
        kernel.bench.files().into_iter().filter(|name| name.starts_with('.')).collect();
    assert_eq!(temporary, [""; 0]);
}

#[test]
fn a_folder_that_exists_is_never_touched() {
    let kernel = Kernel::new();
    fs::create_dir(kernel.folder()).unwrap();
    kernel.start(&["kernel/seen.c:seen"], []).usage_or_io(&["error[KLP-E0602]", "exists"]);
    assert_eq!(fs::read_dir(kernel.folder()).unwrap().count(), 0);
}

#[test]
fn wrong_arguments_are_usage_errors() {
    let kernel = Kernel::new();
    for (target, expected) in [
        ("seen", "not FILE:FUNCTION"),
        ("a:b:c:d", "not FILE:FUNCTION"),
        ("a.b:kernel/seen.c:seen", "object name"),
        ("../seen.c:seen", "invalid component"),
        ("/seen.c:seen", "not FILE:FUNCTION"),
        ("seen.S:seen", "not a C file"),
        ("kernel/seen.c:se-en", "not the name of a function"),
        ("kernel/seen.c:", "not the name of a function"),
    ] {
        kernel.start(&[target], []).usage_or_io(&[expected]);
    }
    kernel.start(&["kernel/no.c:seen"], []).usage_or_io(&["error[KLP-E0601]", "kernel/no.c"]);
    let twice = ["kernel/seen.c:seen", "kernel/seen.c:seen"];
    kernel.start(&twice, []).usage_or_io(&["is given twice"]);
    for name in ["", "a.b", "a b", "vmlinux", "-a", &"a".repeat(60)] {
        let words = ["new", "--function", "kernel/seen.c:seen", "--kernel-source", ".", "--", name];
        run(words).usage_or_io(&["error"]);
    }
    run(["new", "lp", "--function", "a.c:f"]).usage_or_io(&["no source tree", "--kernel-source"]);
    assert!(!kernel.folder().exists());
}

#[test]
fn programs_read_what_was_written() {
    let kernel = Kernel::new();
    let symbols = "*vmlinux\n-kernel/seen.c\nlock\nseen\ntwice\n";
    let further = kernel.list(symbols).into_iter().chain(words(["--format", "json"]));
    let document = kernel.start(&["kernel/seen.c:seen"], further).done().json();
    assert_eq!(document["functions"][0]["object"], "vmlinux");
    assert_eq!(document["functions"][0]["replacement"], "livepatch_seen");
    assert_eq!(document["declared"], serde_json::json!(["lock", "twice"]));
    assert_eq!(document["copied"], serde_json::json!(["helper", "inlined"]));
    assert_eq!(document["files"].as_array().unwrap().len(), 6);
}
