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
mod flips;

use std::collections::BTreeMap;

use klp_convert::objdiff::{Difference, ObjectPart, Verdict, diff};
use klp_convert::run_pre::{FunctionMatch, MatchVerdict, match_object};

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
            for function in &found.functions {
                let FunctionMatch { name, address, position, of, verdict, .. } = function;
                match verdict {
                    MatchVerdict::Equal | MatchVerdict::Overridden | MatchVerdict::Absent => {}
                    // What linker scripts define is not in the kernel's own table of symbols, and what another object hides
                    // is local in it.
                    MatchVerdict::Unknown(_)
                        if path.ends_with("head.o") || path.contains("/pi/") => {}
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
