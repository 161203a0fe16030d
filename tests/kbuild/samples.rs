//! The samples, and livepatches of modules that are built beside them.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::{Author, MAKEFILE, PROGRAM, Tree, said, trees};

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/kbuild/samples");

/// The folders of the samples, each of which has the name of its livepatch.
fn samples() -> Vec<String> {
    let entries = fs::read_dir(SAMPLES).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert!(names.len() >= 8, "{names:?}");
    names
}

/// Copies a sample's folder below another.
fn copy_sample(name: &str, to: &Path) {
    let to = to.join(name);
    fs::create_dir_all(&to).unwrap();
    for entry in fs::read_dir(Path::new(SAMPLES).join(name)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Fails unless a sample's modules were converted, and all of them load.
fn loads(tree: &Tree, name: &str, said: &str) {
    let begins = format!("klp/{}/{name}.ko: ", tree.release());
    let line = said.lines().find(|line| line.starts_with(&begins));
    let line = line.unwrap_or_else(|| panic!("{} {name}: {said}", tree.machine));
    assert!(line.contains(" klp symbols, ") && line.contains("; loads, tried at "), "{line}");
    for line in said.lines().filter(|line| line.starts_with("klp/")) {
        assert!(line.contains("loads, tried at "), "{}: {line}", tree.machine);
    }
}

#[test]
#[ignore = "needs kernels' build trees; .ci/run makes and names them"]
fn each_sample_converts_and_loads_in_a_folder_of_its_own_and_beside_the_others() {
    let trees = trees();
    let names = samples();
    for tree in &trees {
        let author = Author { folder: TempDir::new().unwrap(), tree };
        author.write("Makefile", MAKEFILE);
        let kbuild: String = names.iter().map(|name| format!("obj-m += {name}/\n")).collect();
        author.write("Kbuild", &kbuild);
        names.iter().for_each(|name| copy_sample(name, author.folder.path()));
        let said = author.make(&[]);
        names.iter().for_each(|name| loads(tree, name, &said));
        let said = author.make(&[]);
        assert!(!said.contains(": loads") && !said.contains("; loads"), "nothing changed: {said}");
    }
    // As they are handed out: the Makefile finds what is two folders above.
    let author = Author { folder: TempDir::new().unwrap(), tree: &trees[0] };
    let out = author.folder.path().display().to_string();
    let handed_out = Command::new(PROGRAM).args(["kbuild", "-o", &out]).output().unwrap();
    assert!(handed_out.status.success(), "{}", said(&handed_out));
    for name in &names {
        copy_sample(name, &author.path("samples"));
        loads(&trees[0], name, &author.make(&["-C", &format!("samples/{name}")]));
    }
}

#[test]
#[ignore = "needs kernels' build trees; .ci/run makes and names them"]
fn a_module_of_the_folder_is_a_source_and_another_build_of_it_converts_anew() {
    let trees = trees();
    let folder = Author { folder: TempDir::new().unwrap(), tree: &trees[0] };
    copy_sample("klp_module", folder.folder.path());
    let inside = |name: &str| folder.path("klp_module").join(name);
    fs::write(inside("Makefile"), MAKEFILE).unwrap();
    let make = ["-C", "klp_module"];
    loads(&trees[0], "klp_module", &folder.make(&make));
    assert!(!folder.make(&make).contains("klp_module.ko: "));
    let target = fs::read_to_string(inside("klp_module_target.c")).unwrap();
    fs::write(inside("klp_module_target.c"), target.replace("= 21;", "= 22;")).unwrap();
    assert!(folder.make(&make).contains("/klp_module.ko: "));
    let gone = target.replace("target_scaled", "target_other");
    fs::write(inside("klp_module_target.c"), gone).unwrap();
    let said = folder.refused(&make);
    assert!(said.contains("error[KLP-E0101]") && said.contains("target_scaled"), "{said}");
    fs::write(inside("klp_module_target.c"), target).unwrap();
    loads(&trees[0], "klp_module", &folder.make(&make));
    // Without it, what it hides is nowhere.
    fs::write(inside("Kbuild"), "obj-m := klp_module.o\n").unwrap();
    let said = folder.refused(&make);
    assert!(said.contains("error[KLP-E0101]") && said.contains("target_limit"), "{said}");
}
