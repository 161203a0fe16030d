//! Folders in which kbuild has built modules: what is converted, what stays, and what is taken away.
//!
//! The builds of real kernels are in `tests/kbuild`; here a list of modules stands for kbuild.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use crate::machine::{Machine, Map, machines};
use crate::tool::{Run, Sandbox, program, run};

/// A folder with a livepatch, a module that is not one, and a list of both.
struct Built {
    bench: Sandbox,
    machine: Machine,
}

impl Built {
    fn new(livepatch: &str) -> Self {
        let built = Self { bench: Sandbox::new(), machine: machines().remove(0) };
        built.link("lp.ko", livepatch);
        built.link("target.ko", "klp_target_a.ko");
        built.bench.file("modules.order", b"lp.o\ntarget.o\n");
        built
    }

    /// Puts a fixture where kbuild links a module.
    fn link(&self, name: &str, fixture: &str) {
        self.bench.file(name, &self.machine.read(fixture));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.bench.path(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn finish(&self, further: &[&str]) -> Run {
        let folder = self.bench.path(".");
        let words = ["kbuild", "--convert", folder.to_str().unwrap(), "-o"].map(OsString::from);
        let words = words.into_iter().chain([self.path("klp").into()]);
        run(words.chain(self.machine.map(Map::Elf)).chain(further.iter().map(OsString::from)))
    }
}

#[test]
fn a_livepatch_is_converted_in_both_folders_and_nothing_is_done_twice() {
    let built = Built::new("lp_vmlinux_inferred.ko");
    let said = built.finish(&[]).done().stderr.clone();
    assert!(said.contains("lp.ko: ") && said.contains(" klp relocations; loads, tried"), "{said}");
    let converted = built.read("klp/lp.ko");
    assert_ne!(converted, built.machine.read("lp_vmlinux_inferred.ko"));
    assert_eq!(converted, built.read("lp.ko"), "modules_install finds the converted one");
    assert_eq!(built.read("klp/target.ko"), built.machine.read("klp_target_a.ko"));
    assert_eq!(built.finish(&[]).done().stderr, "");
    // kbuild links anew, and what is gone comes again.
    built.link("lp.ko", "lp_vmlinux_inferred.ko");
    assert!(built.finish(&[]).done().stderr.contains("klp relocations"));
    fs::remove_file(built.path("klp/lp.ko")).unwrap();
    built.finish(&[]).done();
    assert_eq!(built.read("klp/lp.ko"), converted);
}

#[test]
fn of_a_refused_livepatch_nothing_is_left_to_install_and_others_are_finished() {
    let built = Built::new("lp_vmlinux_inferred.ko");
    built.finish(&[]).done();
    built.link("lp.ko", "lp_homonym_unannotated.ko");
    built.finish(&[]).refused(&["lp.ko", "error[KLP-E0102]"]);
    for gone in ["lp.ko", "klp/lp.ko"] {
        assert!(!built.path(gone).exists(), "{gone}");
    }
    assert!(built.path("klp/target.ko").exists());
    // It is refused again until kbuild links another one.
    built.finish(&[]).refused(&["error[KLP-E0102]"]);
    built.link("lp.ko", "lp_vmlinux_inferred.ko");
    built.finish(&[]).done();
    assert!(built.path("klp/lp.ko").exists());
}

#[test]
fn programs_read_what_was_made() {
    let built = Built::new("lp_vmlinux_inferred.ko");
    let made = |further: &[&str]| {
        let lines = built.finish(&[further, &["--format", "json"]].concat()).json();
        lines.as_array().unwrap().iter().map(|line| line["made"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(made(&[]), [true, true]);
    assert_eq!(made(&[]), [false, false]);
    assert_eq!(made(&["--allow-stale-map"]), [true, true], "other options");
    built.link("lp.ko", "lp_homonym_unannotated.ko");
    let lines = built.finish(&["--format", "json"]).json();
    assert!(lines[0]["output"].is_null() && lines[1]["output"].is_string(), "{lines}");
    assert_eq!(lines[0]["diagnostics"][0]["code"], "KLP-E0102");
    let folder = built.path("include");
    let words = ["kbuild", "--format", "json", "-o"].map(OsString::from);
    let written = run(words.into_iter().chain([folder.into()])).json();
    assert_eq!(written["written"].as_array().unwrap().len(), 2);
}

#[test]
fn a_folder_in_which_nothing_was_built_is_an_error() {
    let built = Built::new("lp_vmlinux_inferred.ko");
    fs::remove_file(built.path("modules.order")).unwrap();
    built.finish(&[]).usage_or_io(&["error[KLP-E0601]", "modules.order"]);
    built.bench.file("modules.order", b"missing.o\n");
    built.finish(&[]).usage_or_io(&["error[KLP-E0601]", "missing.ko"]);
}

/// The build tree of a kernel with two livepatches, one of them of a module that is listed after it.
struct KernelTree {
    bench: Sandbox,
    machine: Machine,
}

impl KernelTree {
    fn new(livepatches: [&str; 2]) -> Self {
        let tree = Self { bench: Sandbox::new(), machine: machines().remove(0) };
        for (name, fixture) in [
            ("vmlinux", "vmlinux.cut"),
            ("Module.symvers", "Module.symvers"),
            ("first.ko", livepatches[0]),
            ("second.ko", livepatches[1]),
            ("klp_target_a.ko", "klp_target_a.ko"),
            ("klp_target_b.ko", "klp_target_b.ko"),
        ] {
            tree.bench.file(name, &tree.machine.read(fixture));
        }
        let order = b"first.o\nsecond.o\nklp_target_a.o\nklp_target_b.o\n";
        tree.bench.file("modules.order", order);
        tree
    }

    fn path(&self, name: &str) -> PathBuf {
        self.bench.path(name)
    }

    fn finish(&self) -> Run {
        let cache = self.path("cache");
        let mut program = program();
        program.args(["kbuild", "--tree"]).arg(self.path(".")).env("XDG_CACHE_HOME", cache);
        Run::of(program.output().unwrap())
    }

    /// Whether kbuild's module is in its place.
    fn is_as_linked(&self, name: &str, fixture: &str) -> bool {
        fs::read(self.path(name)).unwrap() == self.machine.read(fixture)
    }
}

#[test]
fn livepatches_of_a_kernels_tree_are_converted_in_place_once_and_others_stay() {
    let tree = KernelTree::new(["lp_vmlinux_inferred.ko", "lp_module_symbols.ko"]);
    let said = tree.finish().done().stderr.clone();
    for name in ["first.ko: ", "second.ko: "] {
        assert!(said.contains(name) && said.contains(" klp relocations; loads, tried"), "{said}");
    }
    assert!(!tree.is_as_linked("first.ko", "lp_vmlinux_inferred.ko"));
    assert!(tree.is_as_linked("klp_target_a.ko", "klp_target_a.ko"));
    let converted = fs::read(tree.path("first.ko")).unwrap();
    assert_eq!(tree.finish().done().stderr, "");
    // kbuild links one anew.
    tree.bench.file("first.ko", &tree.machine.read("lp_vmlinux_inferred.ko"));
    let said = tree.finish().done().stderr.clone();
    assert!(said.contains("first.ko: ") && !said.contains("second.ko: "), "{said}");
    assert_eq!(fs::read(tree.path("first.ko")).unwrap(), converted);
    // Another kernel: all are converted anew, from what kbuild has linked.
    tree.bench.file("vmlinux", &[tree.machine.read("vmlinux.cut"), vec![0]].concat());
    let said = tree.finish().done().stderr.clone();
    assert!(said.contains("first.ko: ") && said.contains("second.ko: "), "{said}");
    assert_eq!(fs::read(tree.path("first.ko")).unwrap(), converted);
}

#[test]
fn a_refused_livepatch_of_a_kernels_tree_is_gone_and_stays_refused() {
    let tree = KernelTree::new(["lp_homonym_unannotated.ko", "lp_module_symbols.ko"]);
    for _ in 0..2 {
        tree.finish().refused(&["first.ko", "error[KLP-E0102]"]);
        assert!(!tree.path("first.ko").exists());
        assert!(!tree.is_as_linked("second.ko", "lp_module_symbols.ko"), "others are finished");
    }
    tree.bench.file("first.ko", &tree.machine.read("lp_vmlinux_inferred.ko"));
    tree.finish().done();
}

#[test]
fn a_tree_without_livepatches_is_done_and_one_that_is_not_built_is_an_error() {
    let tree = KernelTree::new(["klp_target_a.ko", "klp_target_b.ko"]);
    let said = tree.finish().done().stderr.clone();
    assert!(said.contains("no livepatch among its 4 modules"), "{said}");
    tree.bench.file("first.ko", &tree.machine.read("lp_vmlinux_inferred.ko"));
    fs::remove_file(tree.path("vmlinux")).unwrap();
    tree.finish().usage_or_io(&["error[KLP-E0601]", "vmlinux"]);
    assert!(tree.is_as_linked("first.ko", "lp_vmlinux_inferred.ko"));
    fs::remove_file(tree.path("second.ko")).unwrap();
    tree.finish().usage_or_io(&["error[KLP-E0601]", "second.ko"]);
    fs::remove_file(tree.path("modules.order")).unwrap();
    tree.finish().usage_or_io(&["error[KLP-E0601]", "modules.order"]);
    let words = ["kbuild", "--tree", ".", "--kernel", "."].map(OsString::from);
    run(words).usage_or_io(&["cannot be used with"]);
}
