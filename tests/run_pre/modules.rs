//! Objects against a module that they were linked into: what a kernel's build does for its own modules, with its objects.

use std::collections::BTreeMap;
use std::process::Command;

use klp_convert::elf::{Module, SymbolSection};
use klp_convert::run_pre::{MatchVerdict, ShippedKernel, match_object};
use object::elf::{STB_LOCAL, STT_FILE};

use crate::built::Built;
use crate::each_built;
use crate::flips::{bytes_are_seen, references_are_seen};

/// Folders of a kernel's source whose objects are linked.
const FOLDERS: [&str; 4] = ["fs/", "kernel/", "mm/", "lib/"];
/// Changes of each kind for each module.
const CHANGES: usize = 400;

/// Links objects of a kernel as if they were a module's, and leaves only those in `built`.
fn linked(built: &mut Built) -> Vec<u8> {
    built.objects.retain(|(path, _)| FOLDERS.iter().any(|folder| path.starts_with(folder)));
    let prefix = match u16::from_le_bytes(built.machine()) {
        62 => "x86_64-linux-gnu-",
        21 => "powerpc64le-linux-gnu-",
        183 => "aarch64-linux-gnu-",
        _ => "s390x-linux-gnu-",
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("module.ko");
    let mut ld = Command::new(format!("{prefix}ld"));
    ld.current_dir(&built.tree).arg("-r").arg("-T").arg("scripts/module.lds").arg("-o").arg(&path);
    let status = ld.args(built.objects.iter().map(|(path, _)| path)).status();
    assert!(status.unwrap().success(), "{}", built.name);
    std::fs::read(path).unwrap()
}

/// Local names of a module, each with the source files that its symbols are of, in the kernel's order.
fn files(module: &[u8]) -> BTreeMap<Vec<u8>, Vec<String>> {
    let module = Module::parse(module).unwrap();
    let mut files: BTreeMap<Vec<u8>, Vec<String>> = BTreeMap::new();
    let mut file = String::new();
    for symbol in module.symbols() {
        if symbol.kind == STT_FILE {
            file = String::from_utf8_lossy(symbol.name).into_owned();
        }
        let SymbolSection::Defined(section) = symbol.section else { continue };
        // The kernel forgets what is in these once the module is loaded.
        if module.section(section).unwrap().name.starts_with(b".init") {
            continue;
        }
        let file = if symbol.bind == STB_LOCAL { file.clone() } else { String::new() };
        files.entry(symbol.name.to_vec()).or_default().push(file);
    }
    files
}

#[test]
#[ignore = "needs KLP_MATCH, kernels and the trees that they were built in; .ci/run makes them"]
fn a_module_has_every_function_of_its_objects_in_its_place() {
    each_built(|built| {
        let mut built = built.clone();
        let module = linked(&mut built);
        let kernel = ShippedKernel::module(&module).unwrap();
        let files = files(&module);
        let (mut equal, mut homonyms) = (0, 0);
        for (path, bytes) in &built.objects {
            let found = match_object(&kernel, bytes).unwrap();
            assert_eq!(found.data, [], "{path}");
            assert_eq!(found.other_compiler, None, "{path}");
            for function in &found.functions {
                match function.verdict {
                    MatchVerdict::Overridden => continue,
                    MatchVerdict::Equal => equal += 1,
                    ref other => panic!("{path}: {}: {other:?}", function.name),
                }
                let (Some(position), false) = (function.position, function.init) else { continue };
                let named = &files[function.name.as_bytes()];
                assert_eq!(named.len(), function.of, "{path}: {}", function.name);
                let file = &named[usize::try_from(position).unwrap() - 1];
                let is_own = file.is_empty() || Some(file) == found.source.as_ref();
                assert!(is_own, "{path}: {}: {position} is of {file}", function.name);
                homonyms += usize::from(named.len() > 1);
            }
        }
        println!("{}: {equal} functions equal, {homonyms} of them homonyms", built.name);
        assert!(equal > 5000 && homonyms > 10, "{equal}, {homonyms}");
    });
}

#[test]
#[ignore = "needs KLP_MATCH, kernels and the trees that they were built in; .ci/run makes them"]
fn what_is_changed_is_not_what_a_module_has() {
    each_built(|built| {
        let mut built = built.clone();
        let kernel = ShippedKernel::module(&linked(&mut built)).unwrap();
        bytes_are_seen(&built, &kernel, CHANGES);
        references_are_seen(&built, &kernel, CHANGES);
    });
}
