//! Objects of kernels that were built here against the kernels themselves.
//!
//! `KLP_MATCH=IMAGE=TREE:... cargo test --release --test run_pre -- --ignored`: boot images, each with the tree that it was
//! built in. What vmlinux's symbol table says of names and files is the oracle.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod built;
mod entries;
mod flips;
mod modules;
mod releases;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use klp_convert::objdiff::{Difference, ObjectPart, Verdict, diff};
use klp_convert::run_pre::{FunctionMatch, MatchVerdict, Mismatch, Unknown, match_object};
use klp_convert::symbols::{BootImage, FileOf, Scope, SymbolSource, Vmlinux};

use built::{Built, all_built};

/// Fewest objects of a kernel.
const OBJECTS: usize = 400;

/// How many functions came out as what.
fn counts<'f>(functions: impl Iterator<Item = &'f FunctionMatch>) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for function in functions {
        *counts.entry((&function.verdict).into()).or_default() += 1;
    }
    counts
}

/// Whether something is unknown because the kernel's own table of symbols lacks a name: those of linker scripts that are
/// absolute, those of the table itself in older kernels, and what another object hides is local in it.
fn is_unlisted(path: &str, why: &Unknown) -> bool {
    let Unknown::Address { of, .. } = why else { return false };
    let is_early = ["head.o", "head_64.o"].iter().any(|name| path.ends_with(name));
    is_early || path.contains("/pi/") || of.starts_with("kallsyms_")
}

#[test]
#[ignore = "needs KLP_MATCH, kernels and the trees that they were built in; .ci/run makes them"]
fn a_kernel_has_every_function_of_its_objects() {
    for built in all_built() {
        let kernel = built.kernel();
        let symbols = built.symbols();
        let mut all = Vec::new();
        assert!(built.objects.len() > OBJECTS, "{}", built.objects.len());
        for (path, bytes) in &built.objects {
            let found = match_object(&kernel, bytes).unwrap();
            assert_eq!(found.other_compiler, None, "{path}");
            for data in &found.data {
                // The kernel's own table has no absolute symbols of linker scripts.
                let is_absolute =
                    matches!(&data.mismatch, Mismatch::Unknown(why) if is_unlisted(path, why));
                assert!(is_absolute, "{path}: {data:?}");
            }
            for function in &found.functions {
                let FunctionMatch { name, address, position, of, verdict, .. } = function;
                match verdict {
                    MatchVerdict::Equal | MatchVerdict::Overridden | MatchVerdict::Absent => {}
                    MatchVerdict::Unknown(why) if is_unlisted(path, why) => {}
                    other => panic!("{path}: {name}: {other:?}"),
                }
                if let (MatchVerdict::Equal, Some(address)) = (verdict, address) {
                    symbols.check((path, name), *address, *position, *of);
                }
            }
            for variable in &found.variables {
                let position = Some(variable.position);
                symbols.check((path, &variable.name), variable.address, position, variable.of);
            }
            all.extend(found.functions);
        }
        println!("{}: {:?}", built.name, counts(all.iter()));
        let equal = counts(all.iter())["equal"];
        assert!(equal > 10_000, "{equal}");
    }
}

/// With its objects, a boot image tells the files of as many local symbols as vmlinux does, and the same ones.
#[test]
#[ignore = "needs KLP_MATCH, kernels and the trees that they were built in; .ci/run makes them"]
fn source_files_of_local_symbols_are_those_of_vmlinux() {
    for built in all_built() {
        let kernel = built.kernel();
        let mut files = Vec::new();
        for (path, bytes) in &built.objects {
            let found = match_object(&kernel, bytes).unwrap();
            let Some(source) = found.source.as_ref().filter(|_| found.refusal().is_none()) else {
                continue;
            };
            let file = Path::new(path).with_file_name(source).to_string_lossy().into_owned();
            let functions = found.functions.into_iter();
            let functions = functions.filter(|function| function.position.is_some());
            let functions = functions.map(|f| (f.name, f.address.unwrap()));
            let variables = found.variables.into_iter().map(|v| (v.name, v.address));
            files.extend(functions.chain(variables).map(|(name, address)| FileOf {
                name,
                address,
                file: file.clone(),
            }));
        }
        let image = BootImage::new(&built.image).with_files(files).read(Scope::All).unwrap();
        let image = &image.objects[0];
        let vmlinux = Vmlinux::new(built.tree.join("vmlinux")).read(Scope::All).unwrap();
        let vmlinux = &vmlinux.objects[0];
        let mut theirs: BTreeMap<(&[u8], u64), BTreeSet<&[u8]>> = BTreeMap::new();
        for symbol in &vmlinux.symbols {
            if let (Some(file), Some(address)) = (vmlinux.file(symbol), symbol.address) {
                theirs.entry((vmlinux.text(symbol.name), address)).or_default().insert(file);
            }
        }
        let (mut told, mut functions) = (0, 0);
        for symbol in &image.symbols {
            let name = image.text(symbol.name);
            let is_function = symbol.letter == Some(b't');
            let is_known = theirs.contains_key(&(name, symbol.address.unwrap()));
            functions += usize::from(is_function && is_known);
            let Some(file) = image.file(symbol) else { continue };
            let base = file.rsplit(|byte| *byte == b'/').next().unwrap();
            let shown = String::from_utf8_lossy(name);
            // vmlinux has no file for what another object hides.
            let Some(theirs) = theirs.get(&(name, symbol.address.unwrap())) else { continue };
            assert!(
                theirs.contains(base),
                "{}: {shown}: {}",
                built.name,
                String::from_utf8_lossy(file)
            );
            told += usize::from(is_function);
        }
        println!("{}: {told} of {functions} local functions have a file", built.name);
        assert!(told * 10 > functions * 9, "{told} of {functions}");
    }
}

/// Objects of one kernel against another of the same source and machine: what `objdiff` finds changed is not equal, and
/// what it finds the same is.
#[test]
#[ignore = "needs KLP_MATCH, kernels and the trees that they were built in; .ci/run makes them"]
fn another_configuration_is_seen_where_it_makes_a_difference() {
    let all = all_built();
    let mut compared = 0;
    for (one, other) in all.iter().flat_map(|one| all.iter().map(move |other| (one, other))) {
        if one.tree == other.tree || one.machine() != other.machine() {
            continue;
        }
        let kernel = other.kernel();
        let (mut changed, mut same) = (0, 0);
        for (path, bytes) in &one.objects {
            let Some((_, theirs)) = other.objects.iter().find(|(known, _)| known == path) else {
                continue;
            };
            let difference = diff(bytes, theirs).unwrap();
            let is_changed = |name: &str| {
                difference.changes.iter().any(|change| {
                    let near = matches!(change.difference, Some(Difference::Near { .. }));
                    !near
                        && change.part == ObjectPart::Function
                        && change.verdict == Verdict::Changed
                        && (change.name == name || change.aliases.iter().any(|a| a == name))
                })
            };
            for function in match_object(&kernel, bytes).unwrap().functions {
                if is_changed(&function.name) {
                    let equal = function.verdict == MatchVerdict::Equal;
                    assert!(!equal, "{path}: {} has changed, and is equal", function.name);
                    changed += 1;
                } else if function.verdict == MatchVerdict::Equal {
                    same += 1;
                }
            }
        }
        println!("{} in {}: {changed} changed, {same} the same", one.name, other.name);
        compared += changed;
    }
    assert!(compared > 100, "{compared}");
}

/// The kernels that the tests are given.
fn each_built(check: impl Fn(&Built)) {
    let all = all_built();
    all.iter().for_each(check);
}
