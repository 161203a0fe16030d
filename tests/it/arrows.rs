//! The folders of `src/` use each other as DESIGN.md draws it: no cycles between folders, and none
//! of more than two files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A module by its names from the root of the crate.
type Module = Vec<String>;

/// The modules of a crate, and what each of them uses.
#[derive(Default)]
struct Uses {
    code: BTreeMap<Module, String>,
    /// What a module re-exports.
    given_out: BTreeMap<(Module, String), Module>,
}

impl Uses {
    /// Reads files, given by their paths below `src/`.
    fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut uses = Self::default();
        for (path, text) in files {
            let mut module: Module =
                path.trim_end_matches(".rs").split('/').map(Into::into).collect();
            if module.last().is_some_and(|last| matches!(&**last, "mod" | "lib" | "main")) {
                module.pop();
            }
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let lines = text.lines().map(|line| line.split("//").next().unwrap());
            uses.code.insert(module, lines.collect::<Vec<_>>().join("\n"));
        }
        for (module, code) in &uses.code {
            for statement in code.split("use ").skip(1).zip(code.split("use ")) {
                let (path, before) = statement;
                let public = before.trim_end().ends_with("pub") || before.trim_end().ends_with(')');
                for path in trees(path).into_iter().filter(|_| public) {
                    let (Some(name), Some(path)) =
                        (path.last().cloned(), uses.absolute(module, &path))
                    else {
                        continue;
                    };
                    uses.given_out.insert((module.clone(), name), path);
                }
            }
        }
        uses
    }

    /// A path from the root of the crate; `None` for another crate's.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Module> {
        let mut base = match path.first().map(String::as_str)? {
            "crate" => Vec::new(),
            "super" | "self" => module.clone(),
            child => {
                let child: Module = module.iter().cloned().chain([child.to_owned()]).collect();
                return self.code.contains_key(&child).then(|| [module.as_slice(), path].concat());
            }
        };
        for name in path {
            match name.as_str() {
                "crate" | "self" => {}
                "super" => drop(base.pop()),
                name => base.push(name.to_owned()),
            }
        }
        Some(base)
    }

    /// The module whose file defines what a path means.
    fn definer(&self, mut path: Module) -> Module {
        for _ in 0..8 {
            let longest = (0..=path.len()).rev().find(|&n| self.code.contains_key(&path[..n]));
            let module = path[..longest.unwrap_or(0)].to_vec();
            let Some(name) = path.get(module.len()) else { return module };
            let Some(given_out) = self.given_out.get(&(module.clone(), name.clone())) else {
                return module;
            };
            path = [given_out.as_slice(), &path[module.len() + 1..]].concat();
        }
        path
    }

    /// What each file uses of others.
    fn files(&self) -> BTreeMap<Module, BTreeSet<Module>> {
        let used = |(module, code): (&Module, &String)| {
            // A re-export is not a use.
            let given_out = |at: usize| {
                let before = code[..at].trim_end();
                before.ends_with("pub") || before.ends_with(')')
            };
            let starts = code.match_indices("use ").filter(|(at, _)| !given_out(*at));
            let starts = starts.map(|(at, word)| at + word.len());
            let inline = ["crate::", "super::"].into_iter();
            let inline = inline.flat_map(|start| code.match_indices(start).map(|(at, _)| at));
            let paths = starts.chain(inline).flat_map(|at| trees(&code[at..]));
            let paths = paths.filter_map(|path| self.absolute(module, &path));
            let used = paths.map(|path| self.definer(path)).filter(|used| used != module);
            (module.clone(), used.collect())
        };
        let tests =
            |module: &Module| module.iter().any(|name| name.contains("test") || name == "fixture");
        self.code.iter().filter(|(module, _)| !tests(module)).map(used).collect()
    }

    /// What each folder, or top-level file, uses of others.
    fn folders(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut folders: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (module, used) in self.files() {
            let Some(folder) = module.first() else { continue };
            let used = used.iter().filter_map(|used| used.first()).filter(|used| *used != folder);
            folders.entry(folder.clone()).or_default().extend(used.cloned());
        }
        folders
    }
}

/// The paths that start here: `a::{b, c::d}` is two of them.
fn trees(text: &str) -> Vec<Vec<String>> {
    fn tree(text: &mut &str, before: &[String], all: &mut Vec<Vec<String>>) {
        let mut path = before.to_vec();
        loop {
            *text = text.trim_start();
            if let Some(list) = text.strip_prefix('{') {
                *text = list;
                while !text.trim_start().starts_with('}') && !text.is_empty() {
                    tree(text, &path, all);
                    *text = text.trim_start().trim_start_matches(',');
                    *text = text.trim_start();
                }
                *text = text.strip_prefix('}').unwrap_or(text);
                return;
            }
            let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
            let (name, rest) = text.split_at(end.max(usize::from(text.starts_with('*'))));
            if name.is_empty() {
                // Not a path: skipped.
                *text = text.get(1..).unwrap_or_default();
                return;
            }
            *text = rest;
            path.push(name.to_owned());
            match text.strip_prefix("::") {
                Some(rest) => *text = rest,
                None => break,
            }
        }
        if let Some(alias) = text.trim_start().strip_prefix("as ") {
            let end = alias.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(alias.len());
            *text = &alias[end..];
        }
        all.push(path);
    }
    let (mut text, mut all) = (text, Vec::new());
    tree(&mut text, &[], &mut all);
    all
}

/// The cycles: everything that uses itself through others, in groups.
fn cycles<T: Ord + Clone>(uses: &BTreeMap<T, BTreeSet<T>>) -> BTreeSet<BTreeSet<T>> {
    let reached = |from: &T| {
        let (mut seen, mut left) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(next) = left.pop() {
            for used in uses.get(&next).into_iter().flatten() {
                if seen.insert(used.clone()) {
                    left.push(used.clone());
                }
            }
        }
        seen
    };
    let all: BTreeMap<_, _> = uses.keys().map(|from| (from, reached(from))).collect();
    let group = |(from, to): (&&T, &BTreeSet<T>)| -> BTreeSet<T> {
        to.iter()
            .filter(|to| all.get(to).is_some_and(|back| back.contains(*from)))
            .cloned()
            .collect()
    };
    all.iter().map(group).filter(|group| !group.is_empty()).collect()
}

fn ours() -> Uses {
    fn read(folder: &Path, below: &str, files: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{below}{}", path.file_name().unwrap().to_str().unwrap());
            if path.is_dir() {
                read(&path, &format!("{name}/"), files);
            } else if name.ends_with(".rs") {
                files.push((name, fs::read_to_string(path).unwrap()));
            }
        }
    }
    let mut files = Vec::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut files);
    assert!(files.len() > 150);
    Uses::of(files.iter().map(|(path, text)| (&**path, &**text)))
}

/// The picture in DESIGN.md: each folder, and after `uses` those that it uses.
fn drawn() -> Vec<(String, BTreeSet<String>)> {
    let design = Path::new(env!("CARGO_MANIFEST_DIR")).join("DESIGN.md");
    let design = fs::read_to_string(design).unwrap();
    let picture = design.split("## What uses what\n").nth(1).unwrap().split("```").nth(1).unwrap();
    let folder = |line: &str| {
        let (folder, used) = line.split_once(" uses ").unwrap_or((line, ""));
        let used = used.split_whitespace().map(str::to_owned).collect();
        (folder.trim().to_owned(), used)
    };
    picture.lines().filter(|line| !line.trim().is_empty()).map(folder).collect()
}

#[test]
fn folders_use_what_the_picture_shows_and_only_what_is_above_them() {
    let drawn = drawn();
    let folders = ours().folders();
    let used: BTreeMap<_, _> = drawn.iter().cloned().collect();
    assert_eq!(folders, used, "src/ against the picture in DESIGN.md");
    for (at, (folder, used)) in drawn.iter().enumerate() {
        let above: BTreeSet<_> = drawn[..at].iter().map(|(folder, _)| folder.clone()).collect();
        assert!(used.is_subset(&above), "{folder} uses what is not above it");
    }
}

#[test]
fn no_more_than_two_files_use_each_other() {
    let cycles = cycles(&ours().files());
    let long: Vec<_> = cycles.iter().filter(|cycle| cycle.len() > 2).collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn a_planted_cycle_is_found() {
    let mut files = vec![
        ("lib.rs", "pub mod a;\npub mod b;\npub mod c;\n"),
        ("a/mod.rs", "mod inner;\npub use inner::{Thing, other::{Second as Renamed}};\n"),
        ("a/inner.rs", "pub struct Thing;\n"),
        ("b.rs", "use crate::a::Thing;\nfn f(_: super::c::Name) {}\n"),
        (
            "c.rs",
            "// use crate::b;\npub struct Name;\n#[cfg(test)]\nmod tests {\nuse crate::b; }\n",
        ),
    ];
    let uses = Uses::of(files.clone());
    let names =
        |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(uses.folders()["b"], names(&["a", "c"]));
    assert_eq!(uses.definer(vec!["a".into(), "Thing".into()]), ["a", "inner"]);
    assert_eq!(cycles(&uses.folders()), BTreeSet::new());
    assert_eq!(cycles(&uses.files()), BTreeSet::new());
    files
        .push(("a/other.rs", "use std::{\n    fmt,\n};\nuse crate::{\n    b,\n    c::Name,\n};\n"));
    let uses = Uses::of(files);
    assert_eq!(cycles(&uses.folders()), [names(&["a", "b"])].into());
    // `a` and `b` use each other, and no file of theirs does.
    assert_eq!(cycles(&uses.files()), BTreeSet::new());
}
