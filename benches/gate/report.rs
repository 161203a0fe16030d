//! What has changed, as a table; and whose fault it is.

use std::collections::BTreeMap;

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

/// Prints old, new and ratio of each; returns how many cost more than they may.
pub(crate) fn compare(baseline: &Baseline, measured: &[(Case, Cost)]) -> usize {
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    for (case, new) in measured {
        let Some(old) = baseline.costs.get(&case.name) else {
            rows.push(vec![case.name.clone(), "new".into(), number(new.instructions)]);
            faults.push(format!("{}: not in the baseline", case.name));
            continue;
        };
        let bytes = |bytes: Option<u64>| bytes.unwrap_or_default();
        let counts = [
            ("instructions", old.instructions, new.instructions, SLACK[0]),
            ("allocations", old.allocations, new.allocations, SLACK[1]),
            ("bytes allocated", bytes(old.allocated), bytes(new.allocated), SLACK[2]),
            ("bytes at the peak", bytes(old.peak), bytes(new.peak), SLACK[2]),
        ];
        let mut row = vec![case.name.clone()];
        for (what, old, new, slack) in counts {
            let ratio = new as f64 / old.max(1) as f64;
            let shown = if old == 0 && new == 0 { String::new() } else { format!("{ratio:.3}") };
            row.extend(if row.len() == 1 {
                vec![number(old), number(new)]
            } else {
                vec![number(new)]
            });
            row.push(shown);
            if ratio > LIMIT && new - old > slack {
                let text = format!("{}: {ratio:.3} times the {what}: {old} -> {new}", case.name);
                faults.push(text);
            }
        }
        let guilty = [
            ("instructions", &old.functions, &new.functions, SLACK[0]),
            ("allocations", &old.allocating, &new.allocating, SLACK[1]),
        ];
        if faults.last().is_some_and(|fault| fault.starts_with(&format!("{}:", case.name))) {
            for (what, old, new, slack) in guilty {
                faults.extend(
                    moved(old, new, slack).into_iter().map(|line| format!("    {line} {what}")),
                );
            }
        }
        rows.push(row);
    }
    let titles =
        ["benchmark", "was", "instructions", "ratio", "allocations", "", "bytes", "", "peak", ""];
    table(&titles, rows);
    faults.iter().for_each(|fault| println!("{fault}"));
    faults.iter().filter(|fault| !fault.starts_with(' ')).count()
}

/// The functions whose counts have moved most.
fn moved(old: &BTreeMap<String, u64>, new: &BTreeMap<String, u64>, slack: u64) -> Vec<String> {
    let names = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name)));
    // What is small is not kept: it may have been as large as the smallest that is.
    let least = old.values().min().copied().unwrap_or_default();
    let mut changes: Vec<_> = names
        .map(|name| {
            let before = old.get(name).copied().unwrap_or(0);
            let after = new.get(name).copied().unwrap_or(0);
            (name, before, after)
        })
        .filter(|(_, before, after)| before.abs_diff(*after) > (slack / 2).max(least.min(slack)))
        .collect();
    changes.sort_by_key(|(_, before, after)| std::cmp::Reverse(before.abs_diff(*after)));
    let named = changes.into_iter().take(NAMED);
    named.map(|(name, before, after)| format!("{name}: {before} -> {after}")).collect()
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
        let exponents = [of(|cost| cost.instructions), of(|cost| cost.peak.unwrap_or(1))];
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
