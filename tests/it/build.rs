//! `klp-convert build`: which cells are built, what becomes of the others, and what is reported.
//!
//! A script stands for make: it "compiles" a fixture. Real kernels are in `tests/build.rs`.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::machine::machines;
use crate::project::{MAKE, Project};
use crate::tool::{Sandbox, interruptible, run};

const ALL_OK: [&str; 4] = ["one@first ok", "two@first ok", "one@second ok", "two@second ok"];
const ALL: [&str; 4] = ["one@first", "two@first", "one@second", "two@second"];

#[test]
fn each_cell_is_built_once_and_a_fresh_checkout_is_as_warm_as_the_cache() {
    let project = Project::new();
    let said = project.build(&[]);
    assert!(said.done().stdout.contains("4 cells: 4 ok"), "{}", said.stdout);
    let mut made = project.made("first");
    made.sort();
    assert_eq!(made, ["one", "two"]);
    let modules = project.modules("klp");
    for (machine, modules) in machines().iter().zip(modules.chunks(2)) {
        assert_eq!(modules[0], modules[1]);
        assert_ne!(modules[0].as_ref().unwrap(), &machine.read("lp_vmlinux_inferred.ko"));
    }
    assert_eq!(project.ends(&[]), (ALL_OK.map(Into::into).into(), vec![]));
    fs::remove_dir_all(project.path("klp")).unwrap();
    fs::remove_file(project.path("cache/klp-convert/build/digests")).unwrap();
    assert_eq!(project.ends(&[]), (ALL_OK.map(Into::into).into(), vec![]));
    assert_eq!(project.modules("klp"), modules);
    // A module that is gone or another comes again.
    fs::remove_file(project.path("klp/first/one/lp.ko")).unwrap();
    fs::write(project.path("klp/second/two/lp.ko"), "damaged").unwrap();
    assert_eq!(project.ends(&[]).1, Vec::<String>::new());
    assert_eq!(project.modules("klp"), modules);
}

#[test]
fn what_a_cell_is_made_from_decides_what_is_built_anew() {
    let project = Project::new();
    project.build(&[]).done();
    let after = |name: &str, text: &str| project.write(name, text).ends(&[]).1;
    assert_eq!(after("patches/one/lp.c", "other"), ["one@first", "one@second"]);
    assert_eq!(after("patches/two/new.h", ""), ["two@first", "two@second"]);
    assert_eq!(after("common/said.h", "other"), ALL);
    assert_eq!(after("first/include/linux/module.h", "other"), ["one@first", "two@first"]);
    assert_eq!(
        after("second/include/config/auto.conf", "# Linux/x 7.2.0\n"),
        ["one@second", "two@second"]
    );
    assert_eq!(after("notes.txt", "nobody reads it"), Vec::<String>::new());
    assert_eq!(after("common.mk", "ccflags-y := -DX\n"), ALL);
    let other = fs::read(project.path("first.map")).unwrap();
    fs::write(project.path("third.map"), other).unwrap();
    let toml = project.toml();
    assert_eq!(after("klp.toml", &toml.replace("first.map", "third.map")), Vec::<String>::new());
    let machine = machines().remove(0);
    let map = project.path("third.map").into_os_string();
    let words = ["symbols", "build", "-q", "--vmlinux"].map(OsString::from);
    let words = words.into_iter().chain([machine.path("vmlinux.cut").into(), "-o".into(), map]);
    run(words).done();
    assert_eq!(project.ends(&[]).1, ["one@first", "two@first"], "other symbols");
    let flags = format!("{toml}make = [\"W=1\"]\n");
    assert_eq!(after("klp.toml", &flags), ["one@second", "two@second"], "first.map was built for");
    // What was is known.
    assert_eq!(after("klp.toml", &toml), Vec::<String>::new());
    assert_eq!(
        after("patches/one/lp.c", "one"),
        ["one@first", "one@second"],
        "for other files around it"
    );
    // Another compiler of the same name, first in PATH: the script says that it calls `sh`.
    project.write("bin/sh", "#!/bin/sh\nexec /bin/sh \"$@\"\n");
    let script = project.path("bin/sh");
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    assert_eq!(project.ends(&[]).1, ALL);
    fs::remove_file(script).unwrap();
    assert_eq!(project.ends(&[]).1, Vec::<String>::new(), "the first one is known");
}

#[test]
fn a_cell_that_fails_says_why_and_stops_no_other() {
    let project = Project::new();
    project.build(&[]).done();
    project.write("patches/two/fixture", "lp_homonym_unannotated.ko");
    let said = project.build(&[]);
    assert_eq!(said.code, 1);
    for word in ["error[KLP-E0102]: lp.ko", "help: ", "4 cells: 2 ok, 2 refused", "two for first"] {
        assert!(said.stdout.contains(word), "{word}: {}", said.stdout);
    }
    assert!(!project.path("klp/first/two/lp.ko").exists(), "of an earlier run");
    assert!(project.path("klp/first/one/lp.ko").exists());
    assert_eq!(project.ends(&[]).1, Vec::<String>::new(), "refused again by the same words");

    project.write("patches/two/lp.c", "ERROR");
    let said = project.build(&[]);
    let reason =
        "two for first, second: failed: patches/two/lp.c:7:2: error: unknown type name 'ERROR'";
    assert!(said.stdout.contains(reason), "{}", said.stdout);
    let log = fs::read_to_string(project.path("klp/first/two/log")).unwrap();
    assert!(log.contains("patches/two/lp.c:7:2") && !log.contains("klp-convert-"), "{log}");
    assert_eq!(project.ends(&[]).1, Vec::<String>::new(), "the compiler would refuse it again");
    project.write("common/said.h", "may mend it");
    assert_eq!(project.ends(&[]).1, ALL);

    // What may be mended elsewhere is tried again.
    project.write("patches/two/lp.c", "two").write("patches/two/break", "");
    let again = ["two@first", "two@second"];
    assert_eq!(project.ends(&[]).1, again);
    let (ends, made) = project.ends(&[]);
    assert_eq!(made, again);
    assert_eq!(ends, ["one@first ok", "two@first failed", "one@second ok", "two@second failed"]);
}

#[test]
fn a_kernel_whose_symbols_cannot_be_read_fails_alone() {
    let project = Project::new();
    fs::remove_file(project.path("first.map")).unwrap();
    let said = project.build(&[]);
    assert!(said.stderr.contains("first.map"), "{}", said.stderr);
    assert!(said.stdout.contains("4 cells: 2 ok, 2 failed"), "{}", said.stdout);
}

#[test]
fn names_and_patterns_select_cells() {
    let project = Project::new();
    let (ends, made) = project.ends(&["--patch", "t*", "--target", "second"]);
    assert_eq!((ends, made), (vec!["two@second ok".into()], vec!["two@second".into()]));
    project.build(&["--patch", "three"]).usage_or_io(&["KLP-E0603", "\"three\"", "one, two"]);
    project.build(&["--cell", "one@third"]).usage_or_io(&["KLP-E0603", "one@third"]);
    let only = format!("{}patches = [\"patches/one\"]\n", project.toml());
    project.write("klp.toml", &only);
    let (ends, _) = project.ends(&[]);
    assert_eq!(ends, ["one@first ok", "two@first ok", "one@second ok"]);
    project.write("klp.toml", &format!("{}machine = \"other\"\n", project.toml()));
    let said = project.build(&["--target", "second"]);
    assert!(said.stdout.contains("klp.toml says machine = \"other\""), "{}", said.stdout);
}

#[test]
fn a_project_that_is_wrong_is_refused_by_its_line_or_name() {
    let project = Project::new();
    let toml = project.toml();
    for (from, to, words) in [
        ("patches/*", "nothing/*", "\"nothing/*\": no folder with a Kbuild file"),
        ("name = \"first\"", "nam = \"first\"", "line 3: unknown field `nam`"),
        ("kernel = \"first\"", "kernel = \"absent\"", "\"absent\": no such folder"),
        ("kernel = \"first\"", "kernel = \"patches\"", "include/config/kernel.release"),
        ("name = \"first\"", "name = \"second\"", "2 targets are called \"second\""),
        ("name = \"first\"", "name = \"a/b\"", "\"a/b\" cannot be a target's name"),
        ("kernel = \"first\"", "kernel = \"[a-\"", "pattern \"[a-\""),
        ("patches = ", "patches ", "line 1"),
    ] {
        assert!(toml.contains(from), "{from}");
        project.write("klp.toml", &toml.replacen(from, to, 1));
        project.build(&[]).usage_or_io(&["KLP-E0603", words]);
    }
    // What is outside has a Kbuild file, too.
    let outside = Sandbox::new();
    outside.file("Kbuild", b"");
    let outside = outside.path(".").canonicalize().unwrap();
    let pattern = format!("../{}", outside.file_name().unwrap().to_str().unwrap());
    project.write("klp.toml", &toml.replacen("patches/*", &pattern, 1));
    project.build(&[]).usage_or_io(&["KLP-E0603", "outside of the project"]);
    project.write("klp.toml", "patches = []\n");
    project.build(&[]).usage_or_io(&["KLP-E0603", "no target"]);
    fs::remove_file(project.path("klp.toml")).unwrap();
    project.build(&[]).usage_or_io(&["KLP-E0601", "klp.toml", "help:   [[target]]"]);
    assert!(!project.path("klp").exists());
}

#[test]
fn a_plans_commands_make_the_same_modules_and_take_nothing_else() {
    let project = Project::new();
    project.build(&[]).done();
    let script = project.build_in("elsewhere", &["--plan", "slurm", "-o", "parts"]);
    project.write("array.sh", &script.done().stdout);
    let bin = format!("{}:{}", project.path("bin").display(), std::env::var("PATH").unwrap());
    let converter =
        Path::new(env!("CARGO_BIN_EXE_klp-convert")).parent().unwrap().display().to_string();
    let task = |index: usize| {
        let mut sh = std::process::Command::new("sh");
        sh.arg(project.path("array.sh")).current_dir(project.path("."));
        sh.env("SLURM_ARRAY_TASK_ID", index.to_string()).env("PATH", format!("{converter}:{bin}"));
        sh.env("XDG_CACHE_HOME", project.path("elsewhere")).output().unwrap()
    };
    assert!(task(0).status.success() && task(2).status.success() && task(3).status.success());
    assert_eq!(task(4).status.code(), Some(2), "there is no such cell");
    // One is missing, and said to be.
    let merged = project.build_in("elsewhere", &["--merge", "parts", "-o", "merged"]);
    assert_eq!(merged.code, 1);
    assert!(merged.stdout.contains("4 cells: 3 ok, 1 not-built"), "{}", merged.stdout);
    assert!(task(1).status.success());
    project.build_in("elsewhere", &["--merge", "parts", "-o", "merged"]).done();
    assert_eq!(project.modules("merged"), project.modules("klp"));
    let report = |folder: &str| {
        let text = fs::read_to_string(project.path(folder).join("report.json")).unwrap();
        let mut report: Value = serde_json::from_str(&text).unwrap();
        for cell in report["cells"].as_array_mut().unwrap() {
            cell["seconds"] = 0.into();
        }
        report
    };
    assert_eq!(report("merged"), report("klp"));
    project.write("patches/one/lp.c", "other");
    let refused = task(0);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(said.contains("the livepatch's files differ") && !said.contains("symbols"), "{said}");
    // A module that is not what its cell says is not taken.
    fs::write(project.path("parts/first/one/lp.ko"), "other").unwrap();
    let merged = project.build_in("elsewhere", &["--merge", "parts", "-o", "again"]);
    merged.usage_or_io(&["KLP-E0601", "parts/first/one/lp.ko"]);
}

#[test]
fn every_form_of_a_plan_has_every_cell() {
    let project = Project::new();
    let elsewhere = "[plan]\nimage = \"klp:1\"\nclaim = \"work\"\n";
    project.write("klp.toml", &format!("{}{elsewhere}", project.toml()));
    for form in ["json", "ninja", "slurm", "kubernetes", "github", "gitlab"] {
        let plan = project.build(&["--plan", form]);
        for cell in ALL {
            assert!(plan.done().stdout.contains(&format!("{cell}=")), "{form}: {}", plan.stdout);
        }
    }
    assert_eq!(project.made("first"), Vec::<String>::new());
    project.write("klp.toml", &project.toml());
    project.build(&["--plan", "kubernetes"]).usage_or_io(&["KLP-E0603", "claim = "]);
    project.build(&["--plan", "gitlab"]).usage_or_io(&["KLP-E0603", "image = "]);
}

#[test]
fn an_interrupted_build_goes_on_where_it_was() {
    let project = Project::new();
    // The second livepatch interrupts its build, as a user does.
    let make = MAKE.replace(
        "set -eu\n",
        "set -eu\ncase \"$*\" in */two*) test -e \"$PWD/on\" || kill -INT $PPID ;; esac\n",
    );
    project.write("bin/make", &make);
    let said = project.build_by(interruptible(), "cache", &["-j", "1"]);
    assert_eq!(said.code, 2, "{}", said.stderr);
    assert!(said.stderr.contains("interrupted: the same command goes on"), "{}", said.stderr);
    assert!(said.stdout.contains("2 not-built"), "{}", said.stdout);
    project.write("on", "");
    assert_eq!(project.ends(&[]).1, ["one@second", "two@second"]);
}

#[test]
fn programs_and_people_find_a_report() {
    let project = Project::new();
    project.write("patches/two/fixture", "lp_homonym_unannotated.ko");
    project.write("patches/two/lp.c", "<script>");
    project.build(&["-q"]);
    let page = fs::read_to_string(project.path("klp/report.html")).unwrap();
    for word in ["<!DOCTYPE html>", "error[KLP-E0102]", "R_X86_64_", ".klp.sym.", "2 refused"] {
        assert!(page.contains(word), "{word}");
    }
    for word in ["<script", "http://", "https://", "src="] {
        assert!(!page.contains(word), "{word}");
    }
    let report: Value =
        serde_json::from_slice(&fs::read(project.path("klp/report.json")).unwrap()).unwrap();
    let keys =
        |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(keys(&report), "cells drifts patches targets");
    let cell = &report["cells"][0];
    assert_eq!(
        keys(cell),
        "arch diagnostics end inputs missing modules patch reason release seconds target"
    );
    let module = &cell["modules"][0];
    assert_eq!(keys(module), "bytes file functions imports relocations remark sha256 symbols");
    assert_eq!(keys(&module["symbols"][0]), "name object position");
    assert_eq!(keys(&module["relocations"][0]["entries"][0]), "offset relocation symbol");
    assert_eq!(report["cells"][1]["diagnostics"][0]["code"], "KLP-E0102");
}
