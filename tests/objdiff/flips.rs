//! A byte or a relocation of a function is another one: the function has changed, and no other.

use std::collections::BTreeSet;

use klp_convert::elf::SymbolIndex;
use klp_convert::objdiff::{self, ChangeRefusal, ObjectDiff, ObjectPart, Verdict, diff};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestCaseError;

use crate::model::{Kind, Meaning, Model, Relocation};
use crate::samples::{Sample, fixtures};
use crate::{seen, turned};

/// Which byte of which function, and which bits of it.
#[derive(Debug, Clone)]
pub(crate) struct Byte {
    function: Index,
    at: Index,
    bits: u8,
}

/// All bytes of code.
pub(crate) fn bytes() -> impl Strategy<Value = Byte> {
    let choices = (any::<Index>(), any::<Index>(), 1..=u8::MAX);
    choices.prop_map(|(function, at, bits)| Byte { function, at, bits })
}

/// Which relocation, and what becomes of it.
#[derive(Debug, Clone)]
pub(crate) struct Flip {
    which: Index,
    change: Change,
}

#[derive(Debug, Clone)]
enum Change {
    /// Another type of the machine.
    Type(Index),
    /// What is added to the addend.
    Addend(i64),
    Symbol(Index),
    /// A place in the section that it refers to, by its symbol.
    Place(Index),
}

/// All changes of relocations.
pub(crate) fn relocations() -> impl Strategy<Value = Flip> {
    let near = prop_oneof![-16_i64..=16, (-8_i64..=8).prop_map(|n| n * 8), any::<i64>()];
    let change = prop_oneof![
        any::<Index>().prop_map(Change::Type),
        near.prop_filter("another", |addend| *addend != 0).prop_map(Change::Addend),
        any::<Index>().prop_map(Change::Symbol),
        any::<Index>().prop_map(Change::Place),
    ];
    (any::<Index>(), change).prop_map(|(which, change)| Flip { which, change })
}

/// The names of all that is reported, by a change or a refusal.
fn reported(diff: &ObjectDiff) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for change in &diff.changes {
        names.insert(change.name.clone());
        names.extend(change.aliases.iter().chain(&change.renamed).cloned());
    }
    for refusal in &diff.refusals {
        match refusal {
            ChangeRefusal::Ambiguous { old, new } => names.extend(old.iter().chain(new).cloned()),
            ChangeRefusal::Data { name }
            | ChangeRefusal::Init { name }
            | ChangeRefusal::NotTraced { name }
            | ChangeRefusal::RuntimeConstant { name } => _ = names.insert(name.clone()),
            ChangeRefusal::UnknownTable { function, .. } => _ = names.insert(function.clone()),
            other => panic!("{other}"),
        }
    }
    names
}

/// Compares both ways: what is reported must be there and may be there.
fn compare(
    (name, what): (&str, &str),
    (old, new): (&[u8], &[u8]),
    due: &BTreeSet<String>,
    allowed: &BTreeSet<String>,
    may_be_same: bool,
) -> Result<(), TestCaseError> {
    for (old, new, side) in [(old, new, "there"), (new, old, "back")] {
        let diff = diff(old, new).unwrap();
        let found = reported(&diff);
        let none = diff.changes.is_empty() && diff.refusals.is_empty();
        prop_assert!(
            !due.is_disjoint(&found) || may_be_same && none,
            "{name}: {what}, {side}: {due:?} not in {found:?}"
        );
        let more: Vec<_> = found.difference(allowed).collect();
        prop_assert!(more.is_empty(), "{name}: {what}, {side}: {due:?}, but also {more:?}");
        let (changes, changed) = (&diff.changes, |change: &objdiff::Change| {
            change.verdict == Verdict::Changed || change.part == ObjectPart::Section
        });
        prop_assert!(changes.iter().all(changed), "{name}: {what}, {side}: {changes:?}");
    }
    shows_the_same(&format!("{name}: {what}"), (old, new))
}

/// Two objects show the same changes from both sides.
pub(crate) fn shows_the_same(what: &str, (old, new): (&[u8], &[u8])) -> Result<(), TestCaseError> {
    let (there, back) = (seen(old, new), seen(new, old));
    prop_assert_eq!(&there, &turned(&back), "{}: it depends on the side", what);
    Ok(())
}

/// A function of which a byte is another one has changed, and nothing else has.
pub(crate) fn a_byte_changes_its_function(
    sample: &Sample,
    byte: &Byte,
) -> Result<(), TestCaseError> {
    let model = Model::of(&sample.bytes);
    let functions = model.functions();
    if functions.is_empty() {
        return Ok(());
    }
    let (_, (section, start), end) = byte.function.get(&functions);
    let at = start + u64::try_from(byte.at.index(usize::try_from(end - start).unwrap())).unwrap();
    let mut new = sample.bytes.clone();
    new[model.offset_in_file((*section, at))] ^= byte.bits;
    let due = model.owners((*section, at));
    let what = format!("a byte at {:?}+{at:#x}", model.name_of(*section));
    // A distance that the assembler has resolved may begin or end to lead to what has no name.
    let gaps = model.stretches.iter().filter(|s| s.section == *section && s.names.is_empty());
    let concerned: Vec<_> = gaps.chain(model.stretch((*section, at))).collect();
    let mut allowed = model.around(&concerned);
    allowed.extend(due.iter().cloned());
    compare((&sample.name, &what), (&sample.bytes, &new), &due, &allowed, false)
}

/// A function of which a relocation is another one has changed, unless both mean the same.
pub(crate) fn a_relocation_changes_its_function(
    sample: &Sample,
    flip: &Flip,
) -> Result<(), TestCaseError> {
    let model = Model::of(&sample.bytes);
    let of_functions: Vec<_> = model
        .relocations
        .iter()
        .filter(|relocation| model.kind(relocation.section) == Kind::Code)
        .filter(|relocation| !model.owners((relocation.section, relocation.rela.offset)).is_empty())
        .collect();
    if of_functions.is_empty() {
        return Ok(());
    }
    let old = *flip.which.get(&of_functions);
    let Some(new) = flipped(&model, old, &flip.change).filter(|new| new.rela != old.rela) else {
        return Ok(());
    };
    changes_its_function(sample, &model, old, &new)
}

fn changes_its_function(
    sample: &Sample,
    model: &Model<'_>,
    old: &Relocation,
    new: &Relocation,
) -> Result<(), TestCaseError> {
    let bytes = model.with(&sample.bytes, new);
    let place = (old.section, old.rela.offset);
    let mut due = model.owners(place);
    if let Some(gap) = model.stretch(place).filter(|stretch| stretch.names.is_empty()) {
        // Code without a name may be part of what refers to it.
        due.extend(model.around(&[gap]));
    }
    let same = model.means_the_same(old, new);
    let meant: Vec<_> = [old, new].into_iter().filter_map(|r| model.target(r)).collect();
    let mut allowed = model.around(&meant);
    allowed.extend(due.iter().cloned());
    if let [a, b] = meant[..]
        && model.are_homonyms(a, b)
    {
        // Which of them is which one of the old object is not said: others may use another one instead.
        due.extend(allowed.iter().cloned());
    }
    let what = format!(
        "{:?}+{:#x}: {:?} became {:?}",
        model.name_of(old.section),
        old.rela.offset,
        model.shown(old),
        model.shown(new)
    );
    compare((&sample.name, &what), (&sample.bytes, &bytes), &due, &allowed, same)
}

/// Each relocation of a function is gone: what the assembler has resolved right before it means the same as before.
#[test]
fn a_relocation_that_is_gone_changes_its_function_and_no_other() {
    for sample in fixtures().iter().filter(|sample| sample.name.ends_with("lp_many_objects.ko")) {
        let model = Model::of(&sample.bytes);
        for old in model.relocations.iter().filter(|r| model.kind(r.section) == Kind::Code) {
            let mut new = *old;
            new.rela.kind = 0;
            if !model.owners((old.section, old.rela.offset)).is_empty() {
                changes_its_function(sample, &model, old, &new).unwrap();
            }
        }
    }
}

fn flipped(model: &Model<'_>, old: &Relocation, change: &Change) -> Option<Relocation> {
    let mut new = *old;
    match change {
        Change::Type(index) => new.rela.kind = index.get(model.machine.rows).number,
        Change::Addend(more) => new.rela.addend = old.rela.addend.wrapping_add(*more),
        Change::Symbol(index) => {
            let symbol = index.index(model.module.symbol_count());
            new.rela.symbol = SymbolIndex::new(u32::try_from(symbol).unwrap());
        }
        Change::Place(index) => {
            let Meaning::Place((section, offset)) = model.meaning(old) else { return None };
            let size = usize::try_from(model.size(section)).unwrap();
            let place = u64::try_from(index.index(size.max(1))).unwrap();
            let distance = place.wrapping_sub(offset).cast_signed();
            new.rela.addend = old.rela.addend.wrapping_add(distance);
        }
    }
    Some(new)
}

/// What has a relocation that is another one is not the same, unless both mean the same. Of data and tables: which function
/// shows it depends on what refers to them.
pub(crate) fn a_relocation_of_data_is_a_change(
    sample: &Sample,
    flip: &Flip,
) -> Result<(), TestCaseError> {
    let model = Model::of(&sample.bytes);
    let of_data: Vec<_> = model
        .relocations
        .iter()
        .filter(|relocation| model.kind(relocation.section) != Kind::Code)
        .filter(|relocation| !model.describes_the_source(relocation))
        .collect();
    if of_data.is_empty() {
        return Ok(());
    }
    let old = *flip.which.get(&of_data);
    let Some(new) = flipped(&model, old, &flip.change).filter(|new| new.rela != old.rela) else {
        return Ok(());
    };
    let bytes = model.with(&sample.bytes, &new);
    let what = format!(
        "{:?}+{:#x}: {:?} became {:?}",
        model.name_of(old.section),
        old.rela.offset,
        model.shown(old),
        model.shown(&new)
    );
    for (a, b) in [(&sample.bytes, &bytes), (&bytes, &sample.bytes)] {
        let diff = diff(a, b).unwrap();
        let none = diff.changes.is_empty() && diff.refusals.is_empty();
        let same = model.means_the_same(old, &new)
            || model.are_source_files(old, &new)
            || model.are_empty_replacements(old, &new);
        prop_assert!(!none || same, "{}: {what}", sample.name);
    }
    shows_the_same(&format!("{}: {what}", sample.name), (&sample.bytes, &bytes))
}

/// Each type of relocation in a function is another one, of all that the machine has: only those that write the same are
/// the same.
#[test]
fn no_type_of_relocation_is_taken_for_another() {
    for sample in fixtures().iter().filter(|sample| sample.name.ends_with("klp_target_a.ko")) {
        let model = Model::of(&sample.bytes);
        let mut seen = BTreeSet::new();
        for old in model.relocations.iter().filter(|r| model.kind(r.section) == Kind::Code) {
            if !seen.insert(old.rela.kind) {
                continue;
            }
            for row in model.machine.rows {
                let mut new = *old;
                new.rela.kind = row.number;
                let diff = diff(&sample.bytes, &model.with(&sample.bytes, &new)).unwrap();
                let same = model.is_same_type(old.rela.kind, row.number);
                let what = format!("{}: {:?} became {}", sample.name, model.shown(old), row.name);
                assert_eq!(diff.changes.is_empty(), same, "{what}");
            }
        }
        assert!(seen.len() > 2, "{}: {seen:?}", sample.name);
    }
}
