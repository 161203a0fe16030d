//! Properties of the comparison, over real objects: the fixtures, and with `KLP_OBJDIFF` whatever compilers have made.

use klp_convert::elf::Module;
use klp_convert::objdiff::diff;
use object::elf::STB_LOCAL;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::samples::{Sample, fixtures, of_folders};
use crate::{flips, layout};

/// Cases for each object of many.
const EACH: u32 = 8;

/// Objects of the repository, one of them.
fn sample() -> impl Strategy<Value = Index> {
    any::<Index>()
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Checks a property over one of a few objects.
fn of_fixtures<S: Strategy>(
    cases: u32,
    choices: S,
    holds: impl Fn(&Sample, &S::Value) -> Result<(), TestCaseError>,
) {
    let all = fixtures();
    let mut runner = TestRunner::new(config(cases));
    let found = runner.run(&(sample(), choices), |(index, choice)| holds(index.get(&all), &choice));
    if let Err(error) = found {
        panic!("{error}");
    }
}

/// Checks a property over each of many objects, the same way each time.
fn of_many<S: Strategy>(
    choices: &S,
    holds: impl Fn(&Sample, &S::Value) -> Result<(), TestCaseError>,
) {
    let each = std::env::var("KLP_OBJDIFF_CASES").map_or(EACH, |cases| cases.parse().unwrap());
    let all = of_folders();
    let mut wrong = Vec::new();
    for (number, sample) in all.iter().enumerate() {
        let seed = u64::try_from(number).unwrap().to_le_bytes();
        let seed: Vec<u8> = seed.into_iter().cycle().take(32).collect();
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let mut runner = TestRunner::new_with_rng(config(each), random);
        match runner.run(choices, |choice| holds(sample, &choice)) {
            Ok(()) => {}
            Err(TestError::Fail(reason, choice)) => {
                wrong.push(format!("{}: {reason}\n  {choice:?}", sample.name));
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(wrong.is_empty(), "{} of {} objects:\n{}", wrong.len(), all.len(), wrong.join("\n"));
}

#[test]
fn numbers_and_order_mean_nothing() {
    of_fixtures(64, layout::any(), layout::means_nothing);
}

#[test]
#[ignore = "needs KLP_OBJDIFF, folders of objects; .ci/run makes one"]
fn numbers_and_order_mean_nothing_in_any_object() {
    of_many(&layout::any(), layout::means_nothing);
}

#[test]
fn a_byte_of_a_function_changes_it_and_no_other() {
    of_fixtures(256, flips::bytes(), flips::a_byte_changes_its_function);
}

#[test]
#[ignore = "needs KLP_OBJDIFF, folders of objects; .ci/run makes one"]
fn a_byte_of_a_function_changes_it_and_no_other_in_any_object() {
    of_many(&flips::bytes(), flips::a_byte_changes_its_function);
}

#[test]
fn a_relocation_of_a_function_changes_it_and_no_other() {
    of_fixtures(256, flips::relocations(), flips::a_relocation_changes_its_function);
}

#[test]
#[ignore = "needs KLP_OBJDIFF, folders of objects; .ci/run makes one"]
fn a_relocation_of_a_function_changes_it_and_no_other_in_any_object() {
    of_many(&flips::relocations(), flips::a_relocation_changes_its_function);
}

#[test]
fn a_relocation_of_data_is_a_change() {
    of_fixtures(128, flips::relocations(), flips::a_relocation_of_data_is_a_change);
}

#[test]
#[ignore = "needs KLP_OBJDIFF, folders of objects; .ci/run makes one"]
fn a_relocation_of_data_is_a_change_in_any_object() {
    of_many(&flips::relocations(), flips::a_relocation_of_data_is_a_change);
}

/// Two objects of one machine show the same changes from both sides, whatever they have to do with each other.
fn from_both_sides(all: &[Sample], one: &Sample, other: &Index) -> Result<(), TestCaseError> {
    let other = other.get(all);
    // Data and machine.
    if [5, 18, 19].iter().any(|at| one.bytes[*at] != other.bytes[*at]) {
        return Ok(());
    }
    let what = format!("{} and {}", one.name, other.name);
    flips::shows_the_same(&what, (&one.bytes, &other.bytes))
}

#[test]
fn two_objects_show_the_same_from_both_sides() {
    let all = fixtures();
    of_fixtures(128, any::<Index>(), |one, other| from_both_sides(&all, one, other));
}

#[test]
#[ignore = "needs KLP_OBJDIFF, folders of objects; .ci/run makes one"]
fn two_objects_of_many_show_the_same_from_both_sides() {
    let all = of_folders();
    of_many(&any::<Index>(), |one, other| from_both_sides(&all, one, other));
}

#[test]
fn an_object_in_which_a_name_means_several_things_is_like_itself() {
    for Sample { name, mut bytes } in fixtures() {
        let module = Module::parse(&bytes).unwrap();
        let table = module.section(module.symtab()).unwrap().sh_offset;
        let globals = module.symbols().filter(|symbol| symbol.bind != STB_LOCAL);
        let places: Vec<_> = globals
            .map(|symbol| usize::try_from(table + 24 * u64::from(symbol.index.get())).unwrap())
            .collect();
        for place in places {
            bytes[place..place + 4].fill(0);
        }
        assert_eq!(diff(&bytes, &bytes).unwrap().changes, [], "{name}");
    }
}
