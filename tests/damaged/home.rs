//! A kernel with what goes with its modules: a good map, a good livepatch, names to ask for.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use klp_arch::for_machine;

use crate::machine::{Machine, Map};
use crate::packing::read;
use crate::tool::{run, undeclared};

/// Livepatches that are converted, too, so that what has been converted is damaged.
const CONVERTED: [&str; 3] = ["lp_data_pointers.ko", "lp_module_symbols.ko", "lp_two_owners.ko"];

/// One kernel.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) name: String,
    /// The good map.
    pub(crate) map: PathBuf,
    /// A livepatch for it, not converted.
    pub(crate) livepatch: PathBuf,
    /// Relocation types of its machine.
    pub(crate) types: Vec<u32>,
    /// Converted livepatches.
    pub(crate) converted: Vec<PathBuf>,
}

impl Home {
    /// That of the fixtures of a machine; what is made is put into a folder.
    pub(crate) fn of_fixtures(machine: &Machine, folder: &Path) -> Self {
        let name = machine.name.to_owned();
        let map = folder.join(format!("{name}.map"));
        build(machine.map(Map::Elf), &map);
        let livepatch = machine.path("lp_vmlinux_inferred.ko");
        let converted = CONVERTED.map(|file| {
            let output = folder.join(format!("{name}-{file}"));
            let input = machine.path(file);
            let mut words = vec!["convert".into(), input.clone().into(), "-s".into()];
            words.extend([map.clone().into(), "-o".into(), output.clone().into()]);
            words.extend(undeclared(&input));
            run(words).done();
            output
        });
        let types = types(&fs::read(&livepatch).unwrap());
        Self { name, map, livepatch, types, converted: converted.into() }
    }

    /// That of an installed kernel; `module` is one of its modules.
    pub(crate) fn of_kernel(kernel: &Path, module: &Path, folder: &Path) -> Self {
        let name = kernel.file_name().unwrap().to_str().unwrap().to_owned();
        let map = folder.join(format!("{name}.map"));
        let modules = ["lib/modules", "usr/lib/modules"].map(|below| kernel.join(below));
        let modules = modules.into_iter().find(|path| path.is_dir()).expect("lib/modules");
        let release = fs::read_dir(modules).unwrap().next().expect("a release").unwrap();
        build(vec!["--kernel".into(), release.path().into()], &map);
        let types = types(&read(module));
        Self { name, map, livepatch: module.to_owned(), types, converted: Vec::new() }
    }
}

fn build(sources: Vec<OsString>, map: &Path) {
    let words: Vec<OsString> = vec!["symbols".into(), "build".into(), "-o".into(), map.into()];
    run(words.into_iter().chain(sources)).done();
}

fn types(module: &[u8]) -> Vec<u32> {
    let two = [module[18], module[19]];
    let e_machine = if module[5] == 2 { u16::from_be_bytes(two) } else { u16::from_le_bytes(two) };
    for_machine(e_machine).unwrap().rows.iter().map(|row| row.number).collect()
}
