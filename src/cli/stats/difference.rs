//! What differs between the figures of two modules.

use std::collections::BTreeSet;

use crate::stats::Stats;

/// A figure that differs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference<'a> {
    figure: &'a str,
    old: u64,
    new: u64,
}

impl<'a> Difference<'a> {
    /// All of them, by name.
    pub(super) fn between(old: &'a Stats, new: &'a Stats) -> Vec<Self> {
        let figures: BTreeSet<_> = old.figures.keys().chain(new.figures.keys()).collect();
        let all = figures.into_iter().map(|figure| Self {
            figure,
            old: old.figure(figure),
            new: new.figure(figure),
        });
        all.filter(|difference| difference.old != difference.new).collect()
    }

    /// Figure, old, new, what was added, and in percent of the old.
    pub(super) fn cells(&self) -> [String; 5] {
        let Self { figure, old, new } = *self;
        let sign = if new < old { '-' } else { '+' };
        let change = new.abs_diff(old);
        // In tenths; of nothing there is no part.
        let percent = u128::from(change).saturating_mul(1000).checked_div(u128::from(old));
        let percent = percent
            .map_or_else(String::new, |tenths| format!("{sign}{}.{} %", tenths / 10, tenths % 10));
        [figure.to_owned(), old.to_string(), new.to_string(), format!("{sign}{change}"), percent]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_shown_in_percent_of_the_old_figure() {
        let cells = |old, new| Difference { figure: "memory", old, new }.cells();
        assert_eq!(cells(4096, 8192), ["memory", "4096", "8192", "+4096", "+100.0 %"]);
        assert_eq!(cells(3, 2), ["memory", "3", "2", "-1", "-33.3 %"]);
        assert_eq!(cells(0, 7), ["memory", "0", "7", "+7", ""]);
        assert_eq!(cells(1, u64::MAX)[4], "+1844674407370955161400.0 %");
    }
}
