//! Checks of the repository's own rules.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::machine::machines;
use crate::tool::run;

/// Files of `src/` that name machines, each with its reason.
const NAME_MACHINES: &[(&str, &str)] =
    &[("src/cli/demo.rs", "bundles one fixture for each machine, by the name of its directory")];

/// Folders and files that hold the repository's own text.
const OURS: &[&str] = &[
    "src",
    "arch",
    "tests",
    "fuzz",
    "benches",
    "docs",
    "kbuild",
    "packaging",
    ".cargo",
    ".ci",
    ".editorconfig",
    "Cargo.toml",
    "README.md",
    "DESIGN.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "clippy.toml",
    "rust-toolchain.toml",
    "rustfmt.toml",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below a path, by its path in the repository, sorted.
fn files(below: &str) -> Vec<(String, Vec<u8>)> {
    let mut paths = vec![root().join(below)];
    let mut found = Vec::new();
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            let ignored = ["target", "seeds", "corpus", "artifacts"];
            if !ignored.iter().any(|name| path.ends_with(name)) {
                paths.extend(std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
            }
        } else if let Ok(bytes) = std::fs::read(&path) {
            let path: PathBuf = path.strip_prefix(root()).unwrap().into();
            found.push((path.into_os_string().into_string().unwrap(), bytes));
        }
    }
    found.sort();
    found
}

fn ours() -> impl Iterator<Item = (String, Vec<u8>)> {
    OURS.iter().flat_map(|below| files(below))
}

/// Text files: those without a NUL.
fn texts() -> impl Iterator<Item = (String, String)> {
    ours().filter(|(_, bytes)| !bytes.contains(&0)).map(|(path, bytes)| {
        let text = String::from_utf8(bytes).unwrap_or_else(|_| panic!("{path} is not UTF-8"));
        (path, text)
    })
}

/// The code of a Rust file without comments and without the unit tests at its end.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

#[test]
fn no_machine_is_named_in_the_core() {
    let names = ["x86", "ppc", "powerpc", "s390", "arm64", "aarch64"];
    let mut naming = BTreeSet::new();
    let mut seen = 0;
    for (path, bytes) in files("src") {
        seen += 1;
        let code = code(&String::from_utf8(bytes).unwrap()).to_lowercase();
        if !path.ends_with("tests.rs") && names.iter().any(|name| code.contains(name)) {
            naming.insert(path);
        }
    }
    assert!(seen > 50);
    for (path, reason) in NAME_MACHINES {
        assert!(naming.remove(*path), "{path} is listed ({reason}), but names no machine");
    }
    assert_eq!(naming, BTreeSet::new(), "what a machine does differently belongs to its `Machine`");
}

#[test]
fn nothing_below_the_command_line_knows_json() {
    let knows = |(path, bytes): (String, Vec<u8>)| {
        let known = !path.starts_with("src/cli/")
            && code(&String::from_utf8(bytes).unwrap()).contains("serde");
        known.then_some(path)
    };
    assert_eq!(files("src").into_iter().filter_map(knows).collect::<Vec<_>>(), [""; 0]);
}

/// The fixed words of the kernel message in a table cell: the longest piece without a format
/// specifier.
fn fixed_words(cell: &str) -> Vec<String> {
    let quoted = cell.split('`').skip(1).step_by(2);
    let pieces = quoted.map(|text| {
        let text = text.replace("\\|", "|");
        let pieces = text.split('%').enumerate().map(|(index, piece)| {
            let placed = |c: char| c.is_ascii_alphanumeric();
            if index == 0 { piece } else { piece.trim_start_matches(placed) }
        });
        let pieces = pieces.map(|piece| piece.trim_matches(|c: char| !c.is_alphanumeric()));
        pieces.max_by_key(|piece| piece.len()).unwrap_or_default().to_owned()
    });
    pieces.collect()
}

#[test]
fn messages_listed_as_predicted_are_in_the_source() {
    let text = std::fs::read_to_string(root().join("docs/verdict.md")).unwrap();
    let source: String = ["src", "arch/src"]
        .iter()
        .flat_map(|below| files(below))
        .map(|(_, bytes)| String::from_utf8(bytes).unwrap())
        .collect();
    // Long texts are broken over lines.
    let source = source.replace("\\\n", "").split_whitespace().collect::<Vec<_>>().join(" ");
    let (mut seen, mut missing) = (0, Vec::new());
    for row in text.lines().filter(|line| line.starts_with("| `") && line.contains("| predicted |"))
    {
        let cells: Vec<_> = row.replace("\\|", "\u{1}").split(" | ").map(str::to_owned).collect();
        let elsewhere = row.contains("<!--") || row.contains("in our words");
        if elsewhere || cells[1].starts_with("of each machine") {
            continue;
        }
        for words in fixed_words(&cells[1].replace('\u{1}', "\\|")) {
            seen += 1;
            missing.extend((!source.contains(&words)).then_some(words));
        }
    }
    assert!(seen > 30, "{seen}");
    assert!(missing.is_empty(), "nothing says {missing:#?}");
    let codes = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    for code in codes.filter(|word| word.starts_with("KLP-")) {
        assert!(code.parse::<klp_convert::diagnostic::Code>().is_ok(), "{code}");
    }
    for row in text.lines().filter(|line| line.starts_with("| ") && line.contains("| not yet |")) {
        let reason = row.trim_end_matches(['|', ' ']).rsplit(" | ").next().unwrap();
        assert!(reason.len() > 20, "not yet, and no reason: {row}");
    }
}

#[test]
fn no_source_file_is_longer_than_400_lines() {
    for (path, text) in texts().filter(|(path, _)| path.ends_with(".rs")) {
        let lines = text.lines().count();
        assert!(lines <= 400, "{path} has {lines} lines: it is more than one concept");
    }
}

#[test]
fn text_files_end_their_lines_with_a_newline_each() {
    let mut seen = 0;
    for (path, text) in texts() {
        seen += 1;
        assert!(!text.contains('\r'), "{path} has a carriage return");
        assert!(text.is_empty() || text.ends_with('\n'), "{path} does not end with a newline");
    }
    assert!(seen > 100);
}

#[test]
fn every_machine_is_registered_and_has_fixtures() {
    let registered: BTreeSet<_> = klp_arch::machines().iter().map(|b| b.name.to_owned()).collect();
    let mut written = BTreeSet::new();
    for (path, bytes) in files("arch/src") {
        if String::from_utf8(bytes).unwrap().contains("\nimpl ModuleLoader for ") {
            let file = path.strip_prefix("arch/src/").unwrap();
            written.insert(file.split(['/', '.']).next().unwrap().to_owned());
        }
    }
    assert_eq!(written, registered);
    let with_fixtures: BTreeSet<_> = machines().iter().map(|m| m.name.to_owned()).collect();
    assert_eq!(with_fixtures, registered);
}

#[test]
fn every_code_in_the_repository_has_a_page() {
    let mut codes = BTreeSet::new();
    for (_, text) in texts() {
        for kind in ["KLP-E", "KLP-W"] {
            for (at, _) in text.match_indices(kind) {
                let code: String = text[at..].chars().take(9).collect();
                if code.len() == 9 && code[5..].bytes().all(|b| b.is_ascii_digit()) {
                    codes.insert(code);
                }
            }
        }
    }
    // The unknown code in tests.
    assert!(codes.remove(&["KLP-E", "9999"].concat()));
    assert!(codes.len() > 20);
    for code in codes {
        let page = run(["explain", &code]);
        assert!(page.done().stdout.starts_with(&format!("{code} ")), "{}", page.stdout);
        assert!(page.stdout.lines().count() > 2, "{}", page.stdout);
    }
}

/// The documentation of klp-convert minimal v3 showed a macro that its header did not have.
#[test]
fn the_macros_are_shown_as_the_header_defines_them() {
    let mut seen = 0;
    for (path, text) in texts() {
        for (name, arguments) in [("KLP_RELOC_SYMBOL(", 3), ("KLP_RELOC_SYMBOL_POS(", 4)] {
            for (at, _) in text.match_indices(name) {
                let call = &text[at + name.len()..];
                let Some(end) = call.find(')') else { panic!("{path}: {name} has no end") };
                // Only a complete call counts, not its name in code that searches for it.
                if call[..end].contains('"') {
                    continue;
                }
                seen += 1;
                assert_eq!(
                    call[..end].split(',').count(),
                    arguments,
                    "{path}: {name}{}",
                    &call[..end]
                );
            }
        }
    }
    assert!(seen > 20);
}

#[test]
fn nothing_names_a_path_on_a_developers_machine() {
    let places = [["/wo", "rk/"].concat(), ["/ro", "ot/"].concat(), ["/ho", "me/"].concat()];
    for (path, bytes) in ours() {
        for place in &places {
            let found = bytes.windows(place.len()).any(|window| window == place.as_bytes());
            assert!(!found, "{path} names {place}");
        }
    }
}
