//! `objdiff`: what counts as a change of a function, and what does not, on modules of four machines.
//!
//! What compilers make of changed source, and what any object has to show, is in `tests/objdiff`.

use klp_convert::objdiff::{ObjectDiff, ObjectPart, Verdict, diff};

use crate::gates::converted;
use crate::image::Image;
use crate::machine::machines;
use crate::patch::Patched;
use crate::tool::{Sandbox, run};

const OBJECTS: [&str; 4] =
    ["klp_target_a.ko", "klp_target_b.ko", "lp_data_pointers.ko", "lp_static_key_module.ko"];

/// The verdict, part and name of each change.
fn found(diff: &ObjectDiff) -> Vec<(Verdict, ObjectPart, &str)> {
    diff.changes.iter().map(|change| (change.verdict, change.part, change.name.as_str())).collect()
}

/// Names and places of functions that are not freed.
fn functions(image: &Image) -> Vec<(String, String, usize)> {
    let functions = image.symbols.iter().filter(|symbol| symbol.info & 0xf == 2 && symbol.size > 0);
    let functions = functions.filter(|symbol| symbol.section != 0).map(|symbol| {
        let section = image.sections[usize::from(symbol.section)].name.clone();
        (symbol.name.clone(), section, usize::try_from(symbol.value + symbol.size).unwrap() - 1)
    });
    // What has another name at the same place goes by the first of them.
    functions.filter(|(name, ..)| name != "init_module" && name != "cleanup_module").collect()
}

#[test]
fn an_object_is_like_itself() {
    for machine in machines() {
        for name in OBJECTS.map(str::to_owned).into_iter().chain(machine.livepatches()) {
            let object = machine.read(&name);
            let diff = diff(&object, &object).unwrap();
            assert_eq!(found(&diff), [], "{} {name}", machine.name);
            assert_eq!(diff.refusals, [], "{} {name}", machine.name);
            assert!(diff.same > 0, "{} {name}", machine.name);
        }
    }
}

#[test]
fn a_changed_byte_changes_its_function_and_no_other() {
    for machine in machines() {
        for name in OBJECTS {
            let old = machine.read(name);
            for (function, section, last) in functions(&Image::read(&old)) {
                let new =
                    Patched::new(old.clone()).contents(&section, |bytes| bytes[last] ^= 1).bytes;
                for (old, new) in [(&old, &new), (&new, &old)] {
                    let diff = diff(old, new).unwrap();
                    let changed: Vec<_> = diff
                        .changes
                        .iter()
                        .map(|c| {
                            std::iter::once(&c.name).chain(&c.aliases).any(|name| *name == function)
                        })
                        .collect();
                    assert_eq!(
                        changed,
                        [true],
                        "{} {name} {function}: {:?}",
                        machine.name,
                        found(&diff)
                    );
                }
            }
        }
    }
}

#[test]
fn another_text_is_a_change_of_what_prints_it() {
    for machine in machines() {
        let old = machine.read("klp_target_b.ko");
        let new = Patched::new(old.clone()).replace(b"not patched, %d", b"not patched, %u").bytes;
        let diff = diff(&old, &new).unwrap();
        assert_eq!(diff.changes.len(), 1, "{}: {:?}", machine.name, found(&diff));
        let why = diff.changes[0].difference.as_ref().unwrap().to_string();
        assert!(why.contains("%d") || why.contains(".toc"), "{}: {why}", machine.name);
    }
}

#[test]
fn the_exit_code_says_whether_anything_changed_and_whether_it_can_be_livepatched() {
    let machine = machines().remove(0);
    let bench = Sandbox::new();
    let old = machine.read("klp_target_b.ko");
    let image = Image::read(&old);
    let change = |wanted: &str| {
        let functions = functions(&image);
        let (_, section, last) = functions.iter().find(|(name, ..)| name == wanted).unwrap();
        Patched::new(old.clone()).contents(section, |bytes| bytes[*last] ^= 1).bytes
    };
    let show = "klp_target_b_show";
    let [a, b, bad] =
        [("a.o", &old), ("b.o", &change(show)), ("bad.o", &b"not an object".to_vec())]
            .map(|(name, bytes)| bench.file(name, bytes));
    let compare = |old: &std::path::Path, new: &std::path::Path, more: &[&str]| {
        let mut words =
            vec!["objdiff".into(), old.as_os_str().to_owned(), new.as_os_str().to_owned()];
        words.extend(more.iter().map(Into::into));
        run(words)
    };
    let same = compare(&a, &a, &[]);
    assert_eq!(same.code, 0, "{}", same.stderr);
    assert!(same.stdout.starts_with("0 changed, 0 new, 0 gone; "), "{}", same.stdout);
    let changed = compare(&a, &b, &[]);
    assert_eq!(changed.code, 1, "{}", changed.stderr);
    assert!(
        changed.stdout.starts_with(&format!("changed  function  {show}")),
        "{}",
        changed.stdout
    );
    let explained = compare(&a, &b, &["--explain", show]);
    assert!(explained.stdout.contains("refers to it"), "{}", explained.stdout);
    let json = compare(&a, &b, &["--format", "json"]).json();
    let line = &json["pairs"][0]["changes"][0];
    assert_eq!((&line["verdict"], &line["name"]), (&"changed".into(), &show.into()));
    for (old, new) in [(&a, &bad), (&bad, &b), (&a, &bench.path("missing.o"))] {
        let failed = compare(old, new, &[]);
        assert_eq!(failed.code, 2, "{}", failed.stderr);
        assert!(failed.stderr.starts_with("error["), "{}", failed.stderr);
    }
    let other = bench.file("other.o", &machines().remove(1).read("klp_target_b.ko"));
    compare(&a, &other, &[]).usage_or_io(&["KLP-E0004"]);
}

#[test]
fn folders_are_compared_by_the_paths_in_them() {
    let machine = machines().remove(0);
    let bench = Sandbox::new();
    let object = machine.read("klp_target_b.ko");
    for path in ["old/fs/a.o", "new/fs/a.o", "old/gone.o", "new/new.o"] {
        std::fs::create_dir_all(bench.path(path).parent().unwrap()).unwrap();
        std::fs::write(bench.path(path), &object).unwrap();
    }
    let (old, new) = (bench.path("old"), bench.path("new"));
    let compared = run(["objdiff".as_ref(), old.as_os_str(), new.as_os_str()]);
    assert_eq!(compared.code, 1, "{}", compared.stderr);
    for line in ["only in the old folder: gone.o\n", "only in the new folder: new.o\n"] {
        assert!(compared.stdout.contains(line), "{}", compared.stdout);
    }
    let file = bench.path("old/gone.o");
    let mixed = run(["objdiff".as_ref(), old.as_os_str(), file.as_os_str()]);
    assert_eq!(mixed.code, 2);
    assert!(mixed.stderr.contains("compare two objects, or two folders"), "{}", mixed.stderr);
}

#[test]
fn a_livepatch_is_held_against_the_change_that_it_is_for() {
    for machine in machines() {
        let bench = Sandbox::new();
        let old = machine.read("klp_target_a.ko");
        let functions = functions(&Image::read(&old));
        let change = |wanted: &str| {
            let found = functions.iter().find(|(name, ..)| name == wanted);
            let (_, section, last) = found.unwrap_or_else(|| panic!("{functions:?}"));
            Patched::new(old.clone()).contents(section, |bytes| bytes[*last] ^= 1).bytes
        };
        let livepatch = bench.file("lp.ko", &converted(&machine, "lp_module_symbols.ko"));
        let a = bench.file("a.o", &old);
        let audit = |new: &[u8]| {
            let b = bench.file("b.o", new);
            let words = ["objdiff".as_ref(), a.as_os_str(), b.as_os_str(), "--livepatch".as_ref()];
            run(words.into_iter().chain([livepatch.as_os_str()]))
        };
        let replaced = audit(&change("klp_target_a_show"));
        assert_eq!(replaced.code, 1, "{}: {}", machine.name, replaced.stderr);
        assert_eq!(replaced.stderr, "");
        let missed = audit(&change("klp_target_a_exported"));
        assert_eq!(missed.code, 2, "{}: {}", machine.name, missed.stderr);
        for words in
            ["KLP-E0148", "'klp_target_a_exported' has changed", "KLP-W0826", "'klp_target_a_show'"]
        {
            assert!(missed.stderr.contains(words), "{}: {}", machine.name, missed.stderr);
        }
    }
}
