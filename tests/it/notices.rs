//! `THIRD-PARTY-NOTICES` names each crate that is in the program, with its version, licence and texts.
//!
//! `BLESS=1 cargo test --test it notices` writes it, after a change of `Cargo.lock`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::tool::Run;

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

/// Where the program is released; crates differ by target.
const TARGETS: [&str; 4] = [
    "x86_64-unknown-linux-gnu",
    "powerpc64le-unknown-linux-gnu",
    "s390x-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
];

/// Sources in C that a crate brings with it, under licences of their own.
const BROUGHT: [(&str, &str); 2] =
    [("liblzma-sys", "xz/COPYING.0BSD"), ("zstd-sys", "zstd/LICENSE")];

const HEAD: &str = "\
Third-party notices

The program klp-convert contains the crates below, each under the licence beside it; where there is a
choice, all of it is yours. The numbers are those of the texts that follow. liblzma-sys contains
liblzma (0BSD), zstd-sys contains libzstd (BSD-3-Clause); a program that was built with the feature
system-libraries uses the system's instead.

It contains the Rust standard library, too (MIT OR Apache-2.0, as this program; its notices are
share/doc/rust/COPYRIGHT-library.html of the toolchain), and a program that needs no library contains
parts of the GNU C library (LGPL-2.1-or-later; packaging/deb builds such a program, from Debian's).

Made by `BLESS=1 cargo test --test it notices`.

";

/// Name, version and licence of a crate.
type Crate = (String, String, String);

fn cargo(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO"));
    // Flags of this build may be none of the other targets.
    command.env_remove("RUSTFLAGS");
    command.current_dir(FOLDER).arg(arguments[0]).arg("--locked").args(&arguments[1..]);
    Run::of(command.output().expect("cargo starts")).done().stdout.clone()
}

/// What is linked: neither what only builds or tests it, nor proc macros.
fn linked() -> BTreeSet<Crate> {
    let mut arguments = vec!["tree", "-p", "klp-convert", "--edges", "normal,no-proc-macro"];
    arguments.extend(["--prefix", "none", "--format", "{p}|{l}"]);
    arguments.extend(TARGETS.iter().flat_map(|target| ["--target", *target]));
    let tree = cargo(&arguments);
    let lines =
        tree.lines().map(|line| line.trim_end_matches(" (*)")).filter(|line| !line.is_empty());
    let crates = lines.map(|line| {
        let (package, licence) = line.split_once('|').unwrap();
        let mut words = package.split(' ');
        let (name, version) = (words.next().unwrap(), words.next().unwrap());
        (name.to_owned(), version.trim_start_matches('v').to_owned(), licence.to_owned())
    });
    crates.filter(|(name, ..)| !name.starts_with("klp-")).collect()
}

/// Where cargo keeps the sources of each name and version.
fn sources() -> BTreeMap<(String, String), PathBuf> {
    let mut arguments = vec!["metadata", "--format-version", "1"];
    arguments.extend(TARGETS.iter().flat_map(|target| ["--filter-platform", *target]));
    let metadata: Value = serde_json::from_str(&cargo(&arguments)).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    packages
        .map(|package| {
            let manifest = PathBuf::from(text(&package["manifest_path"]));
            let folder = manifest.parent().unwrap().to_owned();
            ((text(&package["name"]), text(&package["version"])), folder)
        })
        .collect()
}

/// The texts of a crate: of a choice that has MIT the text with the copyright, otherwise all.
fn texts((name, _, licence): &Crate, folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy().to_uppercase();
            let words = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];
            path.is_file() && words.iter().any(|word| name.starts_with(word))
        })
        .collect();
    files.sort();
    let is_mit = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().contains("MIT");
    if licence.contains("MIT") && !licence.contains("AND") && files.iter().any(is_mit) {
        files.retain(is_mit);
    }
    let brought = BROUGHT.iter().filter(|(of, _)| of == name).map(|(_, file)| folder.join(file));
    files.extend(brought);
    let read = |path: &PathBuf| {
        let text =
            std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let lines: Vec<_> = text.lines().map(str::trim_end).collect();
        lines.join("\n").trim_matches('\n').to_owned()
    };
    files.iter().map(read).collect()
}

fn notices(crates: &BTreeSet<Crate>) -> String {
    let sources = sources();
    let (mut list, mut all) = (String::new(), Vec::<String>::new());
    for each @ (name, version, licence) in crates {
        let folder = &sources[&(name.clone(), version.clone())];
        let numbers: Vec<_> = texts(each, folder)
            .into_iter()
            .map(|text| match all.iter().position(|known| *known == text) {
                Some(position) => (position + 1).to_string(),
                None => {
                    all.push(text);
                    all.len().to_string()
                }
            })
            .collect();
        let numbers = match numbers.as_slice() {
            [] => {
                assert!(licence.contains("Apache-2.0"), "{name}: no text, and what text to take?");
                "comes without a text; here under Apache-2.0, LICENSE-APACHE of klp-convert"
                    .to_owned()
            }
            numbers => numbers.join(", "),
        };
        writeln!(list, "{name} {version} | {licence} | {numbers}").unwrap();
    }
    let mut file = format!("{HEAD}{list}");
    for (number, text) in (1..).zip(all) {
        write!(file, "\n{}\n{number}\n\n{text}\n", "=".repeat(80)).unwrap();
    }
    file
}

#[test]
fn the_notices_are_of_the_crates_that_are_linked() {
    let path = Path::new(FOLDER).join("THIRD-PARTY-NOTICES");
    let made = notices(&linked());
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = made.lines().zip(kept.lines()).find(|(made, kept)| made != kept);
    assert!(
        made == kept,
        "THIRD-PARTY-NOTICES is not what Cargo.lock asks for: BLESS=1 cargo test --test it notices\n{differs:?}"
    );
}
