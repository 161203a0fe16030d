//! Folders in which kbuild has built modules: what is converted, what stays, and what is taken away.
//!
//! The builds of real kernels are in `tests/kbuild`; here a list of modules stands for kbuild.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use crate::machine::{Machine, Map, machines};
use crate::tool::{Run, Sandbox, run};

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
