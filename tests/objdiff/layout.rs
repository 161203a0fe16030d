//! What means nothing: the compiler's numbers, and the order of symbols and sections.

use std::collections::{BTreeMap, BTreeSet};

use klp_convert::objdiff::diff;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::order::Order;
use crate::rebuilt::{Rebuilt, facts};
use crate::samples::Sample;

/// Another layout.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    sections: Order,
    symbols: Order,
    numbers: Order,
}

/// All layouts.
pub(crate) fn any() -> impl Strategy<Value = Layout> {
    let orders = (Order::any(), Order::any(), Order::any());
    orders.prop_map(|(sections, symbols, numbers)| Layout { sections, symbols, numbers })
}

/// What compilers count: the numbers between the dots of a name, and what the kernel's macro ends one in.
fn numbers(name: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    name.split('.').enumerate().filter_map(move |(index, part)| {
        let start = at;
        at += part.len() + 1;
        let unique = index == 0 && part.contains("__UNIQUE_ID_");
        let name = if unique { part.trim_end_matches(|c: char| c.is_ascii_digit()) } else { "" };
        let number = &part[name.len()..];
        let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        (is_number && (index > 0 || unique)).then_some((start + name.len(), number))
    })
}

/// Numbers the other way, each number always the same: `a.12` and `b.12.cold` become `a.7` and `b.7.cold`.
fn renumber(object: &mut Rebuilt, order: &Order) {
    let all: BTreeSet<String> = object
        .names()
        .flat_map(|name| numbers(name).map(|(_, number)| number.to_owned()))
        .collect();
    let old: Vec<String> = all.into_iter().collect();
    let mut new: Vec<String> =
        (0..old.len()).map(|number| (number * number + 3).to_string()).collect();
    order.apply(&mut new);
    let new: BTreeMap<String, String> = old.into_iter().zip(new).collect();
    object.rename(|name| {
        let mut renamed = name.to_owned();
        for (at, number) in numbers(name).collect::<Vec<_>>().into_iter().rev() {
            renamed.replace_range(at..at + number.len(), &new[number]);
        }
        renamed
    });
}

/// Nothing differs from the same in another layout, whichever of both is the old one.
pub(crate) fn means_nothing(sample: &Sample, layout: &Layout) -> Result<(), TestCaseError> {
    let mut object = Rebuilt::of(&sample.bytes);
    renumber(&mut object, &layout.numbers);
    let renumbered = object.build();
    object.reorder_symbols(&layout.symbols);
    object.reorder_sections(&layout.sections);
    let other = object.build();
    prop_assert_eq!(facts(&renumbered), facts(&other), "{}: not the same object", sample.name);
    for (old, new) in [(&sample.bytes, &other), (&other, &sample.bytes)] {
        let diff = diff(old, new).unwrap();
        let found = (&diff.changes, &diff.refusals);
        prop_assert!(
            diff.changes.is_empty() && diff.refusals.is_empty(),
            "{}: {found:?}",
            sample.name
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::fixtures;

    #[test]
    fn numbers_are_what_compilers_count() {
        let found = |name: &'static str| numbers(name).collect::<Vec<_>>();
        assert_eq!(found("f.part.0.cold.12"), [(7, "0"), (14, "12")]);
        assert_eq!(found("__UNIQUE_ID_x34"), [(13, "34")]);
        assert_eq!(found("x86"), []);
    }

    #[test]
    fn an_object_that_is_put_together_again_is_the_same() {
        for sample in fixtures() {
            let again = Rebuilt::of(&sample.bytes).build();
            assert_eq!(facts(&sample.bytes), facts(&again), "{}", sample.name);
        }
    }
}
