//! Findings as they are collected: of each kind the first ones are kept, the others are counted.
//!
//! A module of a few kilobytes may have a hundred thousand findings of one kind, and each takes more memory
//! than what it is about. Invariant: of each kind that was found at least one is kept, so a verdict does not
//! depend on the limit, and the last one that is kept has the number of the others ([`Finding::more`]).

use std::collections::HashMap;

use super::finding::Finding;
use super::rule::{Consequence, Rule};
use crate::diagnostic::{Cause, Code, Diagnose};
use crate::site::Site;

/// How many findings of one kind are kept; with one cause, of each cause.
const KEPT: usize = 50;

/// Findings of which only the first of each kind are kept.
#[derive(Debug)]
pub(crate) struct Collector {
    kept: Vec<Finding>,
    limit: usize,
    kinds: HashMap<Kind, Counted>,
    /// Findings that are kept of each cause.
    causes: HashMap<(Kind, String), usize>,
}

/// What distinguishes kinds: findings of one kind lead to one conclusion.
type Kind = (Code, Option<Rule>, Option<Consequence>, bool);

fn kind(finding: &Finding) -> Kind {
    (finding.code(), finding.rule(), finding.consequence, finding.is_rare())
}

/// Findings of one kind.
#[derive(Debug, Default)]
struct Counted {
    /// How many are kept; of those with one cause, the first.
    kept: usize,
    /// Index of the last one.
    last: usize,
}

impl Collector {
    /// Keeps all findings, or the first ones of each kind.
    pub(crate) fn new(all: bool) -> Self {
        let limit = if all { usize::MAX } else { KEPT };
        Self { kept: Vec::new(), limit, kinds: HashMap::new(), causes: HashMap::new() }
    }

    /// Keeps or counts a finding at a relocation, which is described only if the finding may be kept.
    pub(crate) fn push_at(&mut self, finding: Finding, site: impl FnOnce() -> Site) {
        let counted = self.kinds.get(&kind(&finding));
        let is_full = counted.is_some_and(|counted| counted.kept >= self.limit);
        // One with a cause may be the first of it.
        let is_left_out = is_full && finding.cause().is_none();
        self.push(if is_left_out { finding } else { finding.at(site()) });
    }

    /// Keeps or counts a finding.
    pub(crate) fn push(&mut self, finding: Finding) {
        let kind = kind(&finding);
        let counted = self.kinds.entry(kind).or_default();
        let mut is_kept = counted.kept < self.limit;
        match finding.cause() {
            None => counted.kept += 1,
            Some(Cause { what, .. }) => match self.causes.get_mut(&(kind, what.clone())) {
                Some(of_cause) => {
                    is_kept = *of_cause < self.limit;
                    *of_cause += 1;
                }
                None if is_kept => {
                    counted.kept += 1;
                    self.causes.insert((kind, what), 1);
                }
                None => {}
            },
        }
        if is_kept {
            counted.last = self.kept.len();
            self.kept.push(finding);
        } else if let Some(last) = self.kept.get_mut(counted.last) {
            last.more = last.more.saturating_add(finding.more).saturating_add(1);
        }
    }

    /// The findings that are kept, in the order in which they were found.
    pub(crate) fn into_vec(self) -> Vec<Finding> {
        self.kept
    }
}

impl Extend<Finding> for Collector {
    fn extend<I: IntoIterator<Item = Finding>>(&mut self, findings: I) {
        findings.into_iter().for_each(|finding| self.push(finding));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::Refusal;

    fn broken(rule: Rule) -> Finding {
        Finding::broken(rule, rule.consequence(), String::new())
    }

    fn count(findings: &[Finding]) -> usize {
        findings.iter().map(|finding| 1 + finding.more).sum()
    }

    #[test]
    fn of_each_kind_the_first_are_kept_and_all_are_counted() {
        let mut collector = Collector::new(false);
        for _ in 0..1000 {
            collector.extend([broken(Rule::Place), broken(Rule::SymbolName)]);
        }
        let mut again = Collector::new(false);
        let found = collector.into_vec();
        assert_eq!((found.len(), count(&found)), (2 * KEPT, 2000));
        again.extend(found);
        again.push(broken(Rule::Place));
        let found = again.into_vec();
        assert_eq!((found.len(), count(&found)), (2 * KEPT, 2001));
        let mut all = Collector::new(true);
        all.extend((0..1000).map(|_| broken(Rule::Place)));
        assert_eq!(all.into_vec().len(), 1000);
    }

    #[test]
    fn many_findings_with_one_cause_do_not_hide_another_cause() {
        let waits =
            |gate: &str| Finding::from(Refusal::GateNotPatched { gate: gate.parse().unwrap() });
        let mut collector = Collector::new(false);
        collector.extend((0..1000).map(|_| waits("ext4")));
        collector.push(waits("xfs"));
        let found = collector.into_vec();
        assert_eq!((found.len(), count(&found)), (KEPT + 1, 1001));
        let mut many = Collector::new(false);
        many.extend((0..1000).map(|n| waits(&format!("m{n}"))));
        assert_eq!(many.into_vec().len(), KEPT);
    }

    #[test]
    fn relocations_are_described_only_for_findings_that_are_kept() {
        let site = || Site {
            rela_section: String::new(),
            entry: 0,
            section: String::new(),
            offset: 0,
            inside: None,
            relocation: String::new(),
            symbol: String::new(),
        };
        let described = std::cell::Cell::new(0);
        let mut collector = Collector::new(false);
        for _ in 0..1000 {
            collector.push_at(broken(Rule::Place), || {
                described.set(described.get() + 1);
                site()
            });
        }
        let found = collector.into_vec();
        assert_eq!((described.get(), count(&found)), (KEPT, 1000));
        assert!(found.iter().all(|finding| finding.site.is_some()));
    }

    #[test]
    fn a_conclusion_does_not_depend_on_what_is_left_out() {
        let ignored = || Finding::broken(Rule::Place, Consequence::Ignored, String::new());
        let mut collector = Collector::new(false);
        collector.extend((0..100).map(|_| ignored()));
        collector.push(broken(Rule::Place));
        assert!(
            collector.into_vec().iter().any(|f| f.consequence == broken(Rule::Place).consequence)
        );
    }
}
