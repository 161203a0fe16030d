//! Maps of distribution kernels against `nm`: every symbol of a module, and its offset.
//!
//! `KLP_KERNELS=DIR[:DIR…] cargo test --release --test maps -- --ignored --nocapture`, with
//! directories made by `.ci/distribution-kernels`. `KLP_EVERY=1` asks `nm` about every module, which
//! takes minutes; without it about each sixteenth. What the map says of vmlinux is compared with
//! others' readings in `tests/images.rs` and with running kernels in `tests/running`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may stop at the first surprise"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rayon::prelude::*;

/// Name and offset of each symbol, sorted.
type Symbols = Vec<(String, u64)>;

fn run(command: &mut Command) -> Vec<u8> {
    let output = command.stderr(Stdio::inherit()).output().expect("the program starts");
    assert!(output.status.success(), "{command:?}: {}", output.status);
    output.stdout
}

/// The name of a module in the kernel's spelling.
fn module_name(path: &Path) -> String {
    let name = path.file_name().unwrap().to_str().unwrap();
    name.split(".ko").next().unwrap().replace('-', "_")
}

/// What the map of an installed tree has of each module.
fn mapped(tree: &Path, scratch: &Path) -> BTreeMap<String, Symbols> {
    let (map, list) = (scratch.join("map"), scratch.join("list"));
    let tool = || Command::new(env!("CARGO_BIN_EXE_klp-convert"));
    run(tool().args(["symbols", "build", "-q", "--kernel"]).arg(tree).arg("-o").arg(&map));
    run(tool()
        .args(["symbols", "export", "--as", "kallsyms", "-s"])
        .arg(&map)
        .arg("-o")
        .arg(&list));
    let mut modules: BTreeMap<String, Symbols> = BTreeMap::new();
    for line in fs::read_to_string(list).unwrap().lines() {
        let Some((row, module)) = line.split_once('\t') else { continue };
        let [offset, _, name] = row.splitn(3, ' ').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let module = module.trim_matches(['[', ']']);
        let offset = u64::from_str_radix(offset, 16).unwrap();
        modules.entry(module.into()).or_default().push((name.into(), offset));
    }
    modules
}

/// What `nm` says of some modules, by module.
fn listed(nm: &str, files: &[PathBuf]) -> BTreeMap<String, Symbols> {
    let mut command = Command::new(nm);
    command.args(["-f", "posix", "-A", "--defined-only"]).args(files).stderr(Stdio::null());
    let mut modules: BTreeMap<String, Symbols> =
        files.iter().map(|file| (module_name(file), Symbols::new())).collect();
    for line in String::from_utf8(run_quiet(&mut command)).unwrap().lines() {
        let (file, row) = line.split_once(": ").unwrap();
        let columns: Vec<&str> = row.split(' ').collect();
        let offset = u64::from_str_radix(columns[2], 16).unwrap();
        modules.get_mut(&module_name(Path::new(file))).unwrap().push((columns[0].into(), offset));
    }
    modules
}

/// `nm` complains of modules without symbols, of which it still lists the others.
fn run_quiet(command: &mut Command) -> Vec<u8> {
    command.output().expect("nm is installed: .ci/packages").stdout
}

/// Every module below a folder, in the order of their paths.
fn modules(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            modules(&path, found);
        } else if path.to_str().is_some_and(|p| p.ends_with(".ko") || p.ends_with(".ko.xz")) {
            found.push(path);
        }
    }
}

fn cross(kernel: &Path) -> &'static str {
    let name = kernel.file_name().unwrap().to_str().unwrap();
    match name.split('-').next().unwrap() {
        "x86_64" => "nm",
        "ppc64le" => "powerpc64le-linux-gnu-nm",
        "s390x" => "s390x-linux-gnu-nm",
        "arm64" => "aarch64-linux-gnu-nm",
        other => panic!("{other}: not a directory of .ci/distribution-kernels"),
    }
}

#[test]
#[ignore = "needs distribution kernels; .ci/run fetches and names them"]
fn every_symbol_of_a_module_is_what_nm_lists() {
    let kernels = std::env::var_os("KLP_KERNELS").expect("KLP_KERNELS is not set");
    let every = std::env::var("KLP_EVERY").map_or(16, |every| every.parse().unwrap());
    let kernels: Vec<_> = std::env::split_paths(&kernels).collect();
    kernels.into_par_iter().for_each(|kernel| {
        let scratch = tempfile::tempdir().unwrap();
        let trees = ["lib/modules", "usr/lib/modules"].map(|below| kernel.join(below));
        let tree = trees.iter().find(|tree| tree.is_dir()).unwrap();
        let tree = fs::read_dir(tree).unwrap().next().unwrap().unwrap().path();
        let mapped = mapped(&tree, scratch.path());
        let mut all = Vec::new();
        modules(&tree, &mut all);
        let names: Vec<_> = all.iter().map(|path| module_name(path)).collect();
        assert!(
            names.iter().all(|name| mapped.contains_key(name)),
            "{tree:?}: a module is missing"
        );
        let (mut checked, mut symbols) = (0, 0);
        let chosen: Vec<_> = all.iter().step_by(every).collect();
        for some in chosen.chunks(64) {
            let files: Vec<PathBuf> = some
                .iter()
                .map(|path| {
                    if path.extension().is_none_or(|end| end != "xz") {
                        return path.to_path_buf();
                    }
                    let plain = scratch.path().join(path.file_stem().unwrap());
                    fs::write(&plain, run(Command::new("xz").arg("-dc").arg(path))).unwrap();
                    plain
                })
                .collect();
            for (module, mut expected) in listed(cross(&kernel), &files) {
                // nm lists neither mapping symbols nor files and sections, which the kernel counts.
                let mut ours = mapped[&module].clone();

                let file = |name: &str| [".c", ".o", ".S"].iter().any(|end| name.ends_with(end));
                ours.retain(|(name, _)| !name.starts_with('$') && !file(name));
                expected.retain(|(name, _)| !name.starts_with('$'));
                ours.sort();
                expected.sort();
                assert_eq!(ours, expected, "{}: {module}", kernel.display());
                checked += 1;
                symbols += expected.len();
            }
        }
        println!("{}: {checked} of {} modules, {symbols} symbols", kernel.display(), all.len());
        assert!(checked * every >= all.len() - every && symbols > 10_000);
    });
}
