//! Which functions a change really changed: the cases of `tests/objdiff/cases`, as four machines' compilers make them.
//!
//! `KLP_OBJDIFF=DIR cargo test --release --test objdiff -- --ignored`, with what `tests/objdiff/build DIR` has made. The head of
//! each case says what is to be found; `tests/objdiff/build` says how it is written.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod alike;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "../elf/builder/mod.rs"]
mod builder;
mod concerned;
mod flips;
mod layout;
mod model;
mod order;
mod properties;
mod rebuilt;
mod samples;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use klp_convert::diagnostic::Diagnose;
use klp_convert::objdiff::{ObjectPart, Verdict, diff};

/// Machines and compilers.
const MACHINES: [&str; 4] = ["x86_64", "ppc64le", "s390x", "arm64"];
const COMPILERS: [&str; 2] = ["gcc", "clang"];

/// One pair of objects.
struct Pair {
    name: String,
    old: Vec<u8>,
    new: Vec<u8>,
    /// What is to be found: `changed function f`.
    expected: BTreeSet<String>,
}

/// A name without the numbers of compilers.
fn stem(name: &str) -> String {
    let parts =
        name.split('.').filter(|part| part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()));
    parts.collect::<Vec<_>>().join(".")
}

/// Whether the words in brackets hold for a machine and a compiler.
fn holds(words: &str, machine: &str, compiler: &str) -> bool {
    let words: Vec<_> = words.split_whitespace().collect();
    let one_of = |all: &[&str], this: &str| {
        let named: Vec<_> = words.iter().filter(|word| all.contains(word)).collect();
        named.is_empty() || named.contains(&&this)
    };
    one_of(&MACHINES, machine) && one_of(&COMPILERS, compiler)
}

/// The lines of a case that say what is to be found.
fn expected(source: &str, machine: &str, compiler: &str) -> BTreeSet<String> {
    let mut expected = BTreeSet::new();
    for line in source.lines().map_while(|line| line.strip_prefix("// ")) {
        let Some((key, values)) = line.split_once(": ") else { continue };
        let (key, words) =
            key.strip_suffix(']').and_then(|key| key.split_once('[')).unwrap_or((key, ""));
        if !holds(words, machine, compiler) {
            continue;
        }
        match key {
            "Refused" => {
                let words: Vec<_> = values.split_whitespace().map(stem).collect();
                expected.insert(format!("refused {}", words.join(" ")));
            }
            "Changed" | "New" | "Gone" | "Changed data" | "New data" | "Gone data"
            | "Changed section" => {
                let verdict = key.split(' ').next().unwrap().to_lowercase();
                let part = key.split(' ').nth(1).unwrap_or("function");
                expected.extend(
                    values
                        .split_whitespace()
                        .map(|name| format!("{verdict} {part} {}", stem(name))),
                );
            }
            _ => {}
        }
    }
    expected
}

fn pairs(folder: &Path) -> Vec<Pair> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/objdiff/cases");
    let mut sources: Vec<PathBuf> =
        fs::read_dir(cases).unwrap().map(|entry| entry.unwrap().path()).collect();
    sources.sort();
    let mut pairs = Vec::new();
    for source in sources.iter().filter(|path| path.extension().is_some_and(|end| end == "c")) {
        let text = fs::read_to_string(source).unwrap();
        let name = source.file_stem().unwrap().to_str().unwrap();
        let before = pairs.len();
        for machine in MACHINES {
            for compiler in COMPILERS {
                let object = |which: &str| {
                    folder.join(machine).join(compiler).join(format!("{name}.{which}.o"))
                };
                if let (Ok(old), Ok(new)) = (fs::read(object("old")), fs::read(object("new"))) {
                    let expected = expected(&text, machine, compiler);
                    pairs.push(Pair {
                        name: format!("{machine}/{compiler}/{name}"),
                        old,
                        new,
                        expected,
                    });
                }
            }
        }
        assert!(pairs.len() > before, "{name} was not built");
    }
    pairs
}

/// What something is, in the words of the cases.
fn part_in_words(part: ObjectPart) -> &'static str {
    match part {
        ObjectPart::Function => "function",
        ObjectPart::Variable | ObjectPart::Constant => "data",
        ObjectPart::Section => "section",
    }
}

/// What is found, in the words of the cases.
fn found(pair: &Pair) -> BTreeSet<String> {
    let diff = diff(&pair.old, &pair.new).unwrap_or_else(|error| panic!("{}: {error}", pair.name));
    let mut found = BTreeSet::new();
    for change in &diff.changes {
        let verdict = change.verdict;
        let part = part_in_words(change.part);
        let names = std::iter::once(&change.name).chain(&change.aliases);
        found.extend(names.map(|name| format!("{verdict} {part} {}", stem(name))));
        assert_eq!(
            change.difference.is_some(),
            verdict == Verdict::Changed && part != "section",
            "{}",
            pair.name
        );
    }
    for refusal in &diff.refusals {
        let message = refusal.to_string();
        let about =
            message.split('\'').nth(1).map(|name| format!(" {}", stem(name))).unwrap_or_default();
        found.insert(format!("refused {}{about}", refusal.code()));
    }
    found
}

/// What is written down of kpatch's objects: a pair, and what is to be found.
fn written_down() -> Vec<(String, BTreeSet<String>)> {
    let text = include_str!("kpatch-objects");
    let mut pairs: Vec<(String, BTreeSet<String>)> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some(fact) = line.strip_prefix("    ") else {
            pairs.push((line.to_owned(), BTreeSet::new()));
            continue;
        };
        let (key, values) = fact.split_once(": ").unwrap();
        let (_, expected) = pairs.last_mut().unwrap();
        match key.split_once(' ') {
            None if key == "refused" => _ = expected.insert(format!("refused {values}")),
            Some((verdict, "data")) => {
                expected.extend(values.split(' ').map(|name| format!("{verdict} data {name}")));
            }
            _ => expected.extend(values.split(' ').map(|name| format!("{key} function {name}"))),
        }
    }
    pairs
}

#[test]
#[ignore = "needs KLP_OBJECTS, a folder of kpatch's objects, by machine"]
fn objects_of_kpatch_have_changed_as_is_written_down() {
    let folder = PathBuf::from(std::env::var_os("KLP_OBJECTS").expect("KLP_OBJECTS"));
    let mut wrong = Vec::new();
    let all = written_down();
    for (name, expected) in &all {
        let file =
            |end: &str| folder.join(format!("{}.{end}.o", name.replace("arm64/", "aarch64/")));
        let new = fs::read(file("PATCHED")).or_else(|_| fs::read(file("PATCHED.FAIL")));
        let (old, new) = (fs::read(file("ORIG")).unwrap(), new.unwrap());
        let pair = Pair { name: name.clone(), old, new, expected: expected.clone() };
        let found = found(&pair);
        if found != pair.expected {
            wrong.push(format!("{name}: {found:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} pairs:\n{}", wrong.len(), all.len(), wrong.join("\n"));
}

#[test]
#[ignore = "needs KLP_OBJDIFF, a folder that tests/objdiff/build has made; .ci/run makes it"]
fn each_change_is_found_and_nothing_else() {
    let folder = PathBuf::from(std::env::var_os("KLP_OBJDIFF").expect("KLP_OBJDIFF"));
    let pairs = pairs(&folder);
    let mut wrong = Vec::new();
    for pair in &pairs {
        let found = found(pair);
        if found != pair.expected {
            let missing: Vec<_> = pair.expected.difference(&found).collect();
            let more: Vec<_> = found.difference(&pair.expected).collect();
            wrong.push(format!("{}: not found: {missing:?}; not expected: {more:?}", pair.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {} pairs:\n{}", wrong.len(), pairs.len(), wrong.join("\n"));
}

/// A change: what became of what, and its name. Data is data: it may be writable in one of both objects only.
type Seen = (Verdict, &'static str, String);

/// The same changes, from the new object to the old one.
fn turned(found: &BTreeSet<Seen>) -> BTreeSet<Seen> {
    let turn = |(verdict, part, name): &Seen| {
        let verdict = match verdict {
            Verdict::Changed => Verdict::Changed,
            Verdict::New => Verdict::Gone,
            Verdict::Gone => Verdict::New,
        };
        (verdict, *part, name.clone())
    };
    found.iter().map(turn).collect()
}

/// What changed, with names without the numbers of compilers.
fn seen(old: &[u8], new: &[u8]) -> BTreeSet<Seen> {
    let changes = diff(old, new).unwrap().changes.into_iter();
    changes.map(|change| (change.verdict, part_in_words(change.part), stem(&change.name))).collect()
}

#[test]
#[ignore = "needs KLP_OBJDIFF, a folder that tests/objdiff/build has made; .ci/run makes it"]
fn each_change_shows_the_same_from_both_sides() {
    let folder = PathBuf::from(std::env::var_os("KLP_OBJDIFF").expect("KLP_OBJDIFF"));
    let mut wrong = Vec::new();
    for Pair { name, old, new, .. } in pairs(&folder) {
        let (there, back) = (seen(&old, &new), seen(&new, &old));
        if there != turned(&back) {
            wrong.push(format!("{name}: {there:?} and {back:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}
