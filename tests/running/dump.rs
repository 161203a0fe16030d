//! The directory that `tests/kernel/kallsyms` writes for one kernel.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::list::{self, Entry};

pub(crate) struct Dump {
    pub(crate) directory: PathBuf,
    /// Lines `KEY=VALUE`.
    facts: HashMap<String, PathBuf>,
    /// One list for each boot, with modules: without KASLR and, if the machine supports it, with it.
    pub(crate) boots: Vec<Boot>,
}

pub(crate) struct Boot {
    /// `nokaslr` or `kaslr`.
    pub(crate) name: &'static str,
    /// Before modules were loaded.
    pub(crate) before: Vec<Entry>,
    /// After.
    pub(crate) after: Vec<Entry>,
    /// The names of the functions that ftrace can hook after that, each with its module.
    pub(crate) functions: Vec<(String, Option<String>)>,
    /// Address of each section of each module.
    pub(crate) sections: HashMap<(String, String), u64>,
}

/// A source for `symbols build`.
pub(crate) struct Source<'a> {
    pub(crate) option: &'static str,
    pub(crate) path: &'a Path,
}

impl std::fmt::Display for Source<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.option)
    }
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

impl Dump {
    pub(crate) fn read(directory: &Path) -> Self {
        let fact = |line: &str| line.split_once('=').map(|(key, value)| (key.into(), value.into()));
        let facts = text(&directory.join("kernel")).lines().filter_map(fact).collect();
        let boots = ["nokaslr", "kaslr"]
            .into_iter()
            .filter(|name| directory.join(name).is_dir())
            .map(|name| Boot::read(name, &directory.join(name)))
            .collect();
        Self { directory: directory.into(), facts, boots }
    }

    pub(crate) fn name(&self) -> std::borrow::Cow<'_, str> {
        self.directory.file_name().map(|name| name.to_string_lossy()).unwrap_or_default()
    }

    /// The sources for maps of vmlinux.
    pub(crate) fn sources(&self) -> Vec<Source<'_>> {
        let image = Source { option: "--image", path: self.image() };
        let linked = self.vmlinux().map(|path| Source { option: "--vmlinux", path });
        [image].into_iter().chain(linked).collect()
    }

    pub(crate) fn image(&self) -> &Path {
        self.facts.get("image").expect("each kernel has one")
    }

    /// The linked kernel, if it was built here.
    pub(crate) fn vmlinux(&self) -> Option<&Path> {
        self.facts.get("vmlinux").map(PathBuf::as_path)
    }

    pub(crate) fn modules(&self) -> Vec<PathBuf> {
        let directory = self.directory.join("modules");
        let entries = std::fs::read_dir(&directory).expect("modules");
        let mut found: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        found.sort();
        found
    }
}

impl Boot {
    fn read(name: &'static str, directory: &Path) -> Self {
        let section = |line: &str| {
            let mut words = line.split_whitespace();
            let key = (words.next()?.to_owned(), words.next()?.to_owned());
            let address = words.next()?.trim_start_matches("0x");
            Some((key, u64::from_str_radix(address, 16).ok()?))
        };
        // A name and, of a module's function, ` [MODULE]`.
        let function = |line: &str| match line.split_once(" [") {
            Some((name, module)) => {
                (name.to_owned(), Some(module.trim_end_matches(']').to_owned()))
            }
            None => (line.to_owned(), None),
        };
        Self {
            name,
            before: list::parse(&text(&directory.join("before"))),
            after: list::parse(&text(&directory.join("after"))),
            functions: text(&directory.join("functions")).lines().map(function).collect(),
            sections: text(&directory.join("sections")).lines().filter_map(section).collect(),
        }
    }
}
