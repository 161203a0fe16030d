//! The files that are damaged: real modules and every source of symbols.

use std::fs;
use std::path::{Path, PathBuf};

use strum::IntoEnumIterator as _;

use crate::call::ORDER;
use crate::home::Home;
use crate::machine::{Machine, machines};
use crate::packing::{Packing, read};
use crate::patch::Random;
use crate::tool::run;

/// Larger files of an installed kernel are left out: a million are to be read.
const LARGEST: usize = 300 << 10;
/// So many modules of each installed kernel.
const MODULES: usize = 150;

/// What a file is to the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::Display)]
pub(crate) enum Kind {
    #[strum(serialize = "module")]
    Module,
    #[strum(serialize = "compressed module")]
    PackedModule,
    #[strum(serialize = "vmlinux")]
    Vmlinux,
    #[strum(serialize = "boot image")]
    Image,
    #[strum(serialize = "Module.symvers")]
    Symvers,
    #[strum(serialize = "System.map")]
    SystemMap,
    #[strum(serialize = "/proc/kallsyms")]
    Kallsyms,
    #[strum(serialize = "text list")]
    List,
    #[strum(serialize = "map")]
    Map,
    #[strum(serialize = "file of a build tree")]
    Tree,
}

/// Of a thousand files, so many are of each kind.
const SHARES: [(Kind, usize); 10] = [
    (Kind::Module, 650),
    (Kind::PackedModule, 60),
    (Kind::Vmlinux, 50),
    (Kind::Image, 40),
    (Kind::Symvers, 35),
    (Kind::SystemMap, 30),
    (Kind::Kallsyms, 30),
    (Kind::List, 35),
    (Kind::Map, 50),
    (Kind::Tree, 20),
];

/// How a file is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Elf,
    Lines,
    Bytes,
}

/// A whole file.
#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) kind: Kind,
    /// What it is called when it is damaged.
    pub(crate) name: String,
    /// Where it is, not packed; in memory it would count as the programs' own, which are started from here.
    path: PathBuf,
    pub(crate) form: Form,
    /// How it is packed before or after it is damaged.
    pub(crate) packing: Option<Packing>,
    /// The number of its kernel in [`Bases::homes`].
    pub(crate) home: usize,
}

impl Base {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        fs::read(&self.path).unwrap()
    }
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Bases {
    pub(crate) homes: Vec<Home>,
    all: Vec<Base>,
    /// What is made for them is here.
    folder: PathBuf,
}

impl Bases {
    /// Those of the repository, and of installed kernels; what is made for them is put into a folder.
    pub(crate) fn new(kernels: &[PathBuf], folder: &Path) -> Self {
        let mut bases = Self { homes: Vec::new(), all: Vec::new(), folder: folder.to_owned() };
        for machine in machines() {
            bases.of_fixtures(&machine);
        }
        bases.of_seeds();
        for kernel in kernels {
            bases.of_kernel(kernel);
        }
        bases
    }

    /// One of them, each kind as often as it should be.
    pub(crate) fn draw(&self, random: &mut Random) -> &Base {
        let mut number = random.below(1000);
        let mut shares = SHARES.iter();
        let kind = loop {
            let (kind, share) = shares.next().unwrap();
            if number < *share {
                break *kind;
            }
            number -= share;
        };
        let of_kind: Vec<_> = self.all.iter().filter(|base| base.kind == kind).collect();
        of_kind[random.below(of_kind.len())]
    }

    fn of_fixtures(&mut self, machine: &Machine) {
        let home = Home::of_fixtures(machine, &self.folder);
        let mut modules: Vec<_> = machine.livepatches().iter().map(|f| machine.path(f)).collect();
        modules.extend(["klp_target_a.ko", "klp_target_b.ko"].map(|file| machine.path(file)));
        modules.extend(home.converted.iter().cloned());
        let map = fs::read(&home.map).unwrap();
        let listed = |source: &[&str], form: &str| {
            let mut words = vec!["symbols", "export", "--as", form];
            words.extend(source);
            run(words).done().stdout.clone().into_bytes()
        };
        let vmlinux = machine.path("vmlinux.cut");
        let system_map = listed(&["--vmlinux", vmlinux.to_str().unwrap()], "kallsyms");
        let kallsyms = listed(&["-s", home.map.to_str().unwrap()], "kallsyms");
        let list = listed(&["-s", home.map.to_str().unwrap()], "klp");
        self.homes.push(home);
        for path in modules {
            let bytes = fs::read(&path).unwrap();
            for packing in Packing::iter() {
                let name = format!("damaged.ko.{packing}");
                self.add(Kind::PackedModule, &name, &bytes, Form::Elf, Some(packing));
            }
            self.plain(Kind::Module, "damaged.ko", &bytes, Form::Elf);
        }
        let vmlinux = fs::read(vmlinux).unwrap();
        let symvers = machine.read("Module.symvers");
        self.plain(Kind::Tree, "vmlinux", &vmlinux, Form::Elf);
        self.plain(Kind::Tree, "klp_target_a.ko", &machine.read("klp_target_a.ko"), Form::Elf);
        self.plain(Kind::Tree, "Module.symvers", &symvers, Form::Lines);
        self.plain(Kind::Tree, "modules.order", ORDER.as_bytes(), Form::Lines);
        self.plain(Kind::Map, "damaged.map", &map, Form::Bytes);
        self.plain(Kind::Vmlinux, "damaged-vmlinux", &vmlinux, Form::Elf);
        for (kind, text) in [
            (Kind::Symvers, symvers),
            (Kind::SystemMap, system_map),
            (Kind::Kallsyms, kallsyms),
            (Kind::List, machine.read("symbols.klp")),
            (Kind::List, list),
        ] {
            for packing in Packing::iter() {
                let name = format!("damaged-list.{packing}");
                self.add(kind, &name, &text, Form::Lines, Some(packing));
            }
            // More often than each of the compressed ones.
            for _ in 0..8 {
                self.plain(kind, "damaged-list", &text, Form::Lines);
            }
        }
    }

    /// Kernels with debug information, and boot images in each compression and wrapper.
    fn of_seeds(&mut self) {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
        for path in files(&seeds.join("objects")) {
            if path.file_name().unwrap().to_str().unwrap().starts_with("vmlinux") {
                let bytes = fs::read(path).unwrap();
                self.plain(Kind::Vmlinux, "damaged-vmlinux", &bytes, Form::Elf);
            }
        }
        for path in files(&seeds.join("image")) {
            let bytes = fs::read(path).unwrap();
            self.plain(Kind::Image, "damaged-image", &bytes, Form::Bytes);
        }
    }

    /// Some modules of an installed kernel, of all its folders.
    fn of_kernel(&mut self, kernel: &Path) {
        let mut paths = Vec::new();
        below(kernel, &mut paths);
        let step = (paths.len() / MODULES).max(1);
        let before = self.all.len();
        self.homes.push(Home::of_kernel(kernel, &paths[0], &self.folder));
        for path in paths.iter().step_by(step) {
            let bytes = read(path);
            if bytes.len() <= LARGEST {
                self.plain(Kind::Module, "damaged.ko", &bytes, Form::Elf);
                let xz = Some(Packing::Xz);
                self.add(Kind::PackedModule, "damaged.ko.xz", &bytes, Form::Elf, xz);
            }
        }
        assert!(self.all.len() > before, "{}: no modules", kernel.display());
    }

    fn plain(&mut self, kind: Kind, name: &str, bytes: &[u8], form: Form) {
        self.add(kind, name, bytes, form, None);
    }

    fn add(&mut self, kind: Kind, name: &str, bytes: &[u8], form: Form, packing: Option<Packing>) {
        let path = self.folder.join(format!("whole-{}", self.all.len()));
        fs::write(&path, bytes).unwrap();
        let (name, home) = (name.to_owned(), self.homes.len() - 1);
        self.all.push(Base { kind, name, path, form, packing, home });
    }
}

/// Modules below a folder, in the order of their paths.
fn below(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in files(folder) {
        if path.is_dir() && !path.is_symlink() {
            below(&path, found);
        } else if path.to_str().is_some_and(|p| p.ends_with(".ko") || p.ends_with(".ko.xz")) {
            found.push(path);
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}
