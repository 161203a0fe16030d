//! The fixtures: one directory for each machine, with real livepatches and the maps of their kernel.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::image::Image;

const NAMES: [&str; 4] = ["x86_64", "ppc64le", "s390x", "arm64"];

/// One machine's fixtures.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) name: &'static str,
    directory: PathBuf,
}

/// The symbol sources for a conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Map {
    /// The linked kernel, the two modules, their exports.
    Elf,
    /// A historical list, and the exports.
    List,
    /// A historical list, as klp-convert v7 got it.
    ListAlone,
}

/// What `expect.txt` has about one livepatch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Number of relocations by klp section and klp symbol.
    Klp(BTreeMap<(String, String), usize>),
    /// Code of the refusal, and its symbol.
    Refused(&'static str, String),
}

/// All machines, from the committed fixtures or from the tree that `KLP_FIXTURES` names.
pub(crate) fn machines() -> Vec<Machine> {
    let root = std::env::var_os("KLP_FIXTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures"),
        PathBuf::from,
    );
    let machines = NAMES.map(|name| Machine { name, directory: root.join(name) });
    machines.into()
}

impl Machine {
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.directory.join(file)
    }

    pub(crate) fn read(&self, file: &str) -> Vec<u8> {
        let path = self.path(file);
        std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// File names of the livepatches, sorted.
    pub(crate) fn livepatches(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.directory).expect("a directory of fixtures");
        let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> =
            names.filter(|n| n.starts_with("lp_") && n.ends_with(".ko")).collect();
        names.sort();
        names
    }

    /// The livepatches that convert, sorted.
    pub(crate) fn convertible(&self) -> Vec<String> {
        let expected = self.expected();
        let klp = |name: &String| matches!(expected.get(name), Some(Expected::Klp(_)));
        self.livepatches().into_iter().filter(klp).collect()
    }

    /// Whether a livepatch has selectors, which a map without source files cannot resolve.
    pub(crate) fn needs_files(&self, file: &str) -> bool {
        Image::read(&self.read(file)).find(".klp.selectors").is_some()
    }

    pub(crate) fn expected(&self) -> BTreeMap<String, Expected> {
        let mut all = BTreeMap::new();
        let text = String::from_utf8(self.read("expect.txt")).unwrap();
        for line in text.lines() {
            match *line.split('\t').collect::<Vec<_>>() {
                [module, "klp", section, symbol, count] => {
                    let entry =
                        all.entry(module.into()).or_insert_with(|| Expected::Klp(BTreeMap::new()));
                    let Expected::Klp(klp) = entry else { panic!("{module} is both") };
                    klp.insert((section.into(), symbol.into()), count.parse().unwrap());
                }
                [module, "refused", reason, symbol] => {
                    let code = match reason {
                        "ambiguous" => "KLP-E0102",
                        "module_key" => "KLP-E0303",
                        "no_nop" => "KLP-E0306",
                        _ => panic!("{reason}: no such reason"),
                    };
                    all.insert(module.into(), Expected::Refused(code, symbol.into()));
                }
                _ => panic!("{line}: no such line"),
            }
        }
        all
    }

    /// The arguments that give these sources.
    pub(crate) fn map(&self, map: Map) -> Vec<OsString> {
        let sources: &[(&str, &str)] = match map {
            Map::Elf => &[
                ("--vmlinux", "vmlinux.cut"),
                ("--module", "klp_target_a.ko"),
                ("--module", "klp_target_b.ko"),
                ("--symvers", "Module.symvers"),
            ],
            Map::List => &[("--symbols", "symbols.klp"), ("--symvers", "Module.symvers")],
            Map::ListAlone => &[("--symbols", "symbols.klp")],
        };
        let words =
            sources.iter().flat_map(|(o, file)| [OsString::from(o), self.path(file).into()]);
        words.collect()
    }
}
