//! A kernel, and the tree that it was built in.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use klp_convert::run_pre::ShippedKernel;
use object::read::elf::{ElfFile64, FileHeader, Sym};
use object::{Endianness, elf};

/// A built kernel.
#[derive(Clone)]
pub(crate) struct Built {
    /// For messages.
    pub(crate) name: String,
    pub(crate) image: PathBuf,
    pub(crate) tree: PathBuf,
    /// What is linked into it: path in the tree, and bytes.
    pub(crate) objects: Vec<(String, Vec<u8>)>,
}

/// The kernels that `KLP_MATCH` names.
pub(crate) fn all_built() -> Vec<Built> {
    let list = std::env::var("KLP_MATCH").expect("KLP_MATCH");
    list.split(':').map(Built::of).collect()
}

impl Built {
    fn of(pair: &str) -> Self {
        let (image, tree) = pair.split_once('=').expect("IMAGE=TREE");
        let tree = PathBuf::from(tree);
        let paths = members(&fs::read(tree.join("vmlinux.a")).unwrap());
        let objects = paths.into_iter().map(|path| {
            let bytes = fs::read(tree.join(&path)).unwrap();
            (path, bytes)
        });
        let objects = objects.collect();
        let name = tree.file_name().unwrap().to_string_lossy().into_owned();
        Self { name, image: image.into(), tree, objects }
    }

    pub(crate) fn kernel(&self) -> ShippedKernel {
        ShippedKernel::read(&fs::read(&self.image).unwrap()).unwrap()
    }

    pub(crate) fn machine(&self) -> [u8; 2] {
        let (_, first) = self.objects.first().unwrap();
        [first[18], first[19]]
    }

    pub(crate) fn symbols(&self) -> Symbols {
        Symbols::of(&fs::read(self.tree.join("vmlinux")).unwrap())
    }
}

/// The members of a thin archive, which are paths.
fn members(archive: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(archive);
    let start = text.find("//  ").expect("a thin archive's names");
    let names = text[start..].split_once("`\n").unwrap().1;
    let names = names.split("/\n").take_while(|name| name.ends_with(".o"));
    let all: BTreeSet<String> = names.map(str::to_owned).collect();
    all.into_iter().filter(|path| Path::new(path).extension().is_some_and(|e| e == "o")).collect()
}

/// The symbol table of a linked kernel.
pub(crate) struct Symbols {
    /// Addresses by name.
    by_name: BTreeMap<String, Vec<u64>>,
    /// Addresses of local symbols, by name and source file.
    by_file: BTreeMap<String, BTreeMap<String, BTreeSet<u64>>>,
}

impl Symbols {
    fn of(vmlinux: &[u8]) -> Self {
        let file: ElfFile64<'_> = ElfFile64::parse(vmlinux).unwrap();
        let endian = file.endian();
        let header: &elf::FileHeader64<Endianness> = file.elf_header();
        let sections = header.sections(endian, vmlinux).unwrap();
        let table = sections.symbols(endian, vmlinux, elf::SHT_SYMTAB).unwrap();
        let mut by_name = BTreeMap::new();
        let mut by_file: BTreeMap<String, BTreeMap<String, BTreeSet<u64>>> = BTreeMap::new();
        let mut source = String::new();
        for symbol in table.iter() {
            let name = symbol.name(endian, table.strings()).unwrap();
            let name = String::from_utf8_lossy(name).into_owned();
            let address = symbol.st_value(endian);
            if symbol.st_type() == elf::STT_FILE {
                source = name;
                continue;
            }
            if symbol.st_bind() == elf::STB_LOCAL {
                let files = by_file.entry(name.clone()).or_default();
                files.entry(source.clone()).or_default().insert(address);
            }
            by_name.entry(name).or_insert_with(Vec::new).push(address);
        }
        Self { by_name, by_file }
    }

    /// Checks an address and a position of a name of an object.
    pub(crate) fn check(
        &self,
        (path, name): (&str, &str),
        address: u64,
        position: Option<u64>,
        of: usize,
    ) {
        let what = format!("{path}: {name} at {address:#x}");
        let all = self.by_name.get(name).unwrap_or_else(|| panic!("{what}: no such name"));
        assert!(all.contains(&address), "{what}, but {all:x?}");
        assert_eq!(all.len(), of, "{what}");
        let before = all.iter().filter(|other| **other < address).count();
        let until = all.iter().filter(|other| **other <= address).count();
        let position = usize::try_from(position.unwrap_or(0)).unwrap();
        assert!((before + 1..=until).contains(&position), "{what}: {position} of {all:x?}");
        let Some(files) = self.by_file.get(name) else { return };
        // A global one is of no file.
        if !files.values().any(|own| own.contains(&address)) {
            return;
        }
        let source = Path::new(path).with_extension("c");
        if let Some(own) = files.get(&*source.file_name().unwrap().to_string_lossy()) {
            assert!(own.contains(&address), "{what}, but that of the file is at {own:x?}");
        }
    }
}
