//! What has changed, as a table; and whose fault it is.

use std::collections::{BTreeMap, BTreeSet};

use super::baseline::{Baseline, tools};
use super::cases::Case;
use super::cost::Cost;
use super::growth::exponent;
use crate::measure::table;

/// What a cost may be of the old one.
const LIMIT: f64 = 1.02;
/// Differences that are no change: of instructions, of allocations, and of bytes.
const SLACK: [u64; 3] = [20_000, 20, 4096];
/// The largest exponent of growth.
const EXPONENT: f64 = 1.1;
/// Functions to name.
const NAMED: usize = 4;

/// Prints old, new and ratio of each; returns how many counts are larger than they may be.
pub(crate) fn compare(baseline: &Baseline, measured: &[(Case, Cost)]) -> usize {
    let (mut rows, mut failures, mut lines) = (Vec::new(), 0, Vec::new());
    for (case, new) in measured {
        let mut row = vec![case.name.clone()];
        let Some(old) = baseline.costs.get(&case.name) else {
            row.extend(["none".into(), number(new.instructions)]);
            rows.push(row);
            lines.push(format!("{}: not in the baseline", case.name));
            failures += 1;
            continue;
        };
        row.push(number(old.instructions));
        let larger = counts(old, new).filter_map(|(what, old, new, slack)| {
            let ratio = new as f64 / old.max(1) as f64;
            let is_counted = old != 0 || new != 0;
            row.extend([
                number(new),
                if is_counted { format!("{ratio:.3}") } else { String::new() },
            ]);
            let excess = ratio > LIMIT && new - old > slack;
            excess.then(|| format!("{}: {ratio:.3} times the {what}", case.name))
        });
        let larger: Vec<_> = larger.collect();
        if !larger.is_empty() {
            failures += larger.len();
            lines.extend(larger);
            lines.extend(moved("instructions", &old.functions, &new.functions, SLACK[0]));
            let (what, slack) = match new.bytes {
                Some(_) => ("bytes", SLACK[2]),
                None => ("allocations", SLACK[1]),
            };
            lines.extend(moved(what, &old.allocating, &new.allocating, slack));
        }
        rows.push(row);
    }
    let titles =
        ["benchmark", "was", "instructions", "ratio", "allocations", "", "bytes", "", "peak", ""];
    table(&titles, rows);
    lines.iter().for_each(|line| println!("{line}"));
    failures
}

/// What is compared, with the largest difference that is none.
fn counts<'c>(
    old: &'c Cost,
    new: &'c Cost,
) -> impl Iterator<Item = (&'static str, u64, u64, u64)> + 'c {
    let bytes = |cost: &Cost| cost.bytes.unwrap_or_default();
    let (was, is) = (bytes(old), bytes(new));
    [
        ("instructions", old.instructions, new.instructions, SLACK[0]),
        ("allocations", old.allocations, new.allocations, SLACK[1]),
        ("bytes allocated", was.allocated, is.allocated, SLACK[2]),
        ("bytes at the peak", was.peak, is.peak, SLACK[2]),
    ]
    .into_iter()
}

/// The functions whose counts have moved most, a line each.
fn moved(
    what: &str,
    old: &BTreeMap<String, u64>,
    new: &BTreeMap<String, u64>,
    slack: u64,
) -> Vec<String> {
    // What is not kept may have been as large as the smallest that is.
    let least = old.values().min().copied().unwrap_or_default();
    let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let mut changes: Vec<_> = names
        .into_iter()
        .map(|name| {
            let after = new.get(name).copied().unwrap_or_default();
            (name, old.get(name).copied().unwrap_or(least.min(after)), after)
        })
        .filter(|(_, before, after)| before.abs_diff(*after) > slack / 2)
        .collect();
    changes.sort_by_key(|(_, before, after)| std::cmp::Reverse(before.abs_diff(*after)));
    let named = changes.into_iter().take(NAMED);
    let line = |(name, before, after)| {
        format!("    {what} of {name}: {} -> {}", number(before), number(after))
    };
    named.map(line).collect()
}

/// Prints the exponents of what was measured at several sizes; returns how many are too large.
pub(crate) fn growth(measured: &[(Case, Cost)]) -> usize {
    let mut groups: BTreeMap<&str, Vec<(f64, &Cost)>> = BTreeMap::new();
    for (case, cost) in measured {
        if let Some((group, size)) = &case.growth {
            groups.entry(group).or_default().push((*size as f64, cost));
        }
    }
    let (mut rows, mut failures) = (Vec::new(), 0);
    for (group, costs) in groups.iter().filter(|(_, costs)| costs.len() > 1) {
        let of = |count: fn(&Cost) -> u64| {
            let points: Vec<_> =
                costs.iter().map(|(size, cost)| (*size, count(cost) as f64)).collect();
            exponent(&points)
        };
        let exponents =
            [of(|cost| cost.instructions), of(|cost| cost.bytes.map_or(1, |bytes| bytes.peak))];
        for (what, exponent) in ["instructions", "peak"].into_iter().zip(exponents) {
            if exponent > EXPONENT {
                println!("{group}: {what} grow with the power {exponent:.2} of the input");
                failures += 1;
            }
        }
        rows.push(
            [(*group).to_owned()]
                .into_iter()
                .chain(exponents.map(|exponent| format!("{exponent:.2}")))
                .collect(),
        );
    }
    if !rows.is_empty() {
        table(&["growth, the exponent", "instructions", "peak"], rows);
    }
    failures
}

/// Says with what else than here the baseline was measured.
pub(crate) fn other_tools(baseline: &Baseline, failures: usize) {
    for (tool, version) in tools() {
        match baseline.tools.get(&tool) {
            Some(old) if *old != version => {
                println!("the baseline was measured with {tool} {old}; here is {version}");
            }
            _ => {}
        }
    }
    if failures != 0 {
        println!(
            "{failures} cost more than they may (a ratio of {LIMIT}, an exponent of {EXPONENT}); if that has to be:\n    \
             cargo bench --bench compare -- --bless\nand say why in the commit"
        );
    }
}

fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place != 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
