//! When two findings are the same: never by their text, because a symbol may have any name.
//!
//! Rules and names are checked first, because that finds everything at once and knows candidates;
//! the kernel stops at the first fault. A simulated load then adds the kernel's message to the
//! finding with the same [`Subject`]. What loads find at several placements is one finding by its
//! [`Identity`].

use std::mem::{Discriminant, discriminant};

use klp_arch::{Errno, Fault};

use super::finding::{Finding, Kind};
use super::objection::{About, Objection, Stage};
use super::refusal::Refusal;
use super::rule::{Consequence, Rule};
use crate::elf::{SectionIndex, SymbolIndex};
use crate::patch::{Replaced, Unpatchable};
use crate::site::Site;

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// A symbol that is not found, or wrong.
    Symbol(SymbolIndex),
    /// The bytes at a relocation.
    Place(Box<Site>),
    /// A relocation table.
    Table(SectionIndex),
    /// A function that is replaced.
    Function(Replaced),
    /// The tables of the patch; the kernel logs nothing when it rejects them.
    Tables,
    /// A rule, and the symbol or relocation that breaks it if several may.
    Rule(Rule, Option<SymbolIndex>, Option<Box<Site>>),
}

impl Finding {
    /// What it is about; `None` if no simulated load can run into it.
    pub(crate) fn subject(&self) -> Option<Subject> {
        match &self.kind {
            Kind::Rule(rule, _) => Some(self.broken_rule(*rule)),
            Kind::Refusal(refusal) => match &**refusal {
                Refusal::NoOldName { .. }
                | Refusal::NoFunctions { .. }
                | Refusal::ObjectTwice { .. }
                | Refusal::Unpatchable {
                    why: Unpatchable::NoReplacement | Unpatchable::LongName | Unpatchable::Twice,
                    ..
                } => Some(Subject::Tables),
                Refusal::NotReplaced { function, .. } | Refusal::Unpatchable { function, .. } => {
                    Some(Subject::Function(function.clone()))
                }
                Refusal::PassedOver(table) => Some(Subject::Table(table.section)),
                _ => self.symbol.map(Subject::Symbol),
            },
            Kind::Objection(objection) => self.objected_to(objection),
            Kind::Truncated { .. } | Kind::Reload(_) | Kind::Warning(_) => None,
        }
    }

    fn objected_to(&self, objection: &Objection) -> Option<Subject> {
        if let Some(rule) = objection.rule {
            return Some(self.broken_rule(rule));
        }
        if let Some(symbol) = self.symbol {
            return Some(Subject::Symbol(symbol));
        }
        if let (Some(site), Some(_)) = (&self.site, &objection.fault) {
            return Some(Subject::Place(site.clone()));
        }
        match &objection.about {
            Some(About::Replaced(function)) => Some(Subject::Function(function.clone())),
            Some(About::Table(table)) => Some(Subject::Table(*table)),
            _ => (objection.stage == Stage::Enable).then_some(Subject::Tables),
        }
    }

    fn broken_rule(&self, rule: Rule) -> Subject {
        match (rule, &self.site) {
            (Rule::Place | Rule::PlaceTwice | Rule::RelocationType, Some(site)) => {
                Subject::Place(site.clone())
            }
            // The kernel does not distinguish a name that is too long from a malformed one.
            (Rule::SymbolName | Rule::SymbolLength, _) => {
                Subject::Rule(Rule::SymbolName, self.symbol, None)
            }
            (Rule::CommonSymbol, _) => Subject::Rule(rule, self.symbol, None),
            (Rule::SymbolMarked | Rule::VmlinuxSymbol, site) => {
                Subject::Rule(rule, None, site.clone())
            }
            _ => Subject::Rule(rule, None, None),
        }
    }

    /// What identifies a finding of simulated loads at different placements: values and addresses
    /// may differ. Several findings at one relocation are all reported.
    pub(crate) fn identity(&self) -> Identity {
        let about = match &self.kind {
            Kind::Objection(objection) => objection.about.as_ref(),
            _ => None,
        };
        Identity {
            stage: self.stage(),
            consequence: self.consequence,
            symbol: self.symbol,
            rule: self.rule(),
            site: self.site.clone(),
            fault: self.fault().map(discriminant),
            about: about.filter(|about| !matches!(about, About::Proof(_))).cloned(),
            errno: self.kernel.as_ref().map(|kernel| kernel.errno),
        }
    }
}

/// Identifies a finding of a simulated load.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    /// `None`: a truncated value.
    stage: Option<Stage>,
    consequence: Option<Consequence>,
    symbol: Option<SymbolIndex>,
    rule: Option<Rule>,
    site: Option<Box<Site>>,
    fault: Option<Discriminant<Fault>>,
    about: Option<About>,
    errno: Option<Errno>,
}

#[cfg(test)]
mod tests {
    use klp_arch::KernelError;

    use super::*;

    fn site(offset: u64) -> Site {
        let text = |text: &str| text.to_owned();
        Site {
            rela_section: text(".rela.text"),
            entry: 0,
            section: text(".text"),
            offset,
            inside: None,
            relocation: text("R"),
            symbol: text("s"),
        }
    }

    fn stopped(stage: Stage) -> Finding {
        let (errno, message) = (Errno::EINVAL, "no".to_owned());
        Finding::refused(stage, KernelError { errno, message })
    }

    fn broken(rule: Rule) -> Finding {
        Finding::broken(rule, rule.consequence(), String::new())
    }

    #[test]
    fn a_load_that_stops_at_a_symbol_matches_the_finding_about_it_and_no_other() {
        let symbol = SymbolIndex::new;
        let found = Finding::from(Refusal::NotConverted { name: "symbol".into() });
        let found = found.about(symbol(7)).subject();
        assert_eq!(stopped(Stage::Bind).about(symbol(7)).at(site(8)).subject(), found);
        assert_ne!(stopped(Stage::Bind).about(symbol(8)).subject(), found);
        assert_ne!(
            stopped(Stage::Bind).about(symbol(7)).breaks(Rule::CommonSymbol).subject(),
            found
        );
    }

    #[test]
    fn a_rule_that_many_may_break_is_told_apart_by_symbol_or_relocation() {
        let symbol = SymbolIndex::new;
        // The kernel stops at a relocation; the rule is about its symbol.
        let long = broken(Rule::SymbolLength).about(symbol(3)).subject();
        let malformed = |index| {
            stopped(Stage::Apply)
                .breaks(Rule::SymbolName)
                .about(symbol(index))
                .at(site(0))
                .subject()
        };
        assert_eq!((malformed(3) == long, malformed(4) == long), (true, false));
        let marked = broken(Rule::SymbolMarked).at(site(16)).subject();
        let unmarked = |offset| {
            stopped(Stage::Gate)
                .breaks(Rule::SymbolMarked)
                .about(symbol(3))
                .at(site(offset))
                .subject()
        };
        assert_eq!((unmarked(16) == marked, unmarked(24) == marked), (true, false));
        assert_eq!(
            stopped(Stage::Reserve).breaks(Rule::MachineSections).subject(),
            broken(Rule::MachineSections).subject()
        );
    }

    #[test]
    fn findings_about_the_bytes_at_one_relocation_are_one() {
        let fault = || Fault::NoSymbol { index: 1 };
        let kernel = || KernelError { errno: Errno::ENOEXEC, message: String::new() };
        let stopped = Finding::stopped(Stage::Apply, kernel(), fault()).at(site(4));
        assert_eq!(stopped.subject(), broken(Rule::RelocationType).at(site(4)).subject());
        assert_ne!(stopped.subject(), broken(Rule::Place).at(site(5)).subject());
        // At another placement the values differ, but it is the same finding.
        let again = Finding::stopped(Stage::Apply, kernel(), Fault::NoSymbol { index: 2 });
        assert_eq!(stopped.identity(), again.clone().at(site(4)).identity());
        assert_ne!(stopped.identity(), again.at(site(5)).identity());
    }
}
