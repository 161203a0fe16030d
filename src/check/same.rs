//! Whether what a simulated load met is what was found without one.
//!
//! Rules and symbols are checked first, because they find everything at once and know candidates;
//! the kernel stops at the first. The load then adds the kernel's words to what was found. What is
//! compared is what both are about: a relocation, a symbol, a rule. Never words: a symbol may be
//! called like anything.

use crate::finding::Refusal;
use crate::load::{About, LoadError, Stage};
use crate::patch::Unpatchable;
use crate::rules::{Reason, Rule, Violation};

/// Whether what stands against a module, other than a symbol, is what the kernel objects to.
pub(super) fn is_same(refusal: &Refusal, error: &LoadError) -> bool {
    match refusal {
        Refusal::Rule(violation) => is_rule(violation, error),
        // Of tables that cannot be taken over the kernel tells nothing.
        Refusal::NoOldName { .. }
        | Refusal::NoFunctions { .. }
        | Refusal::ObjectTwice { .. }
        | Refusal::Unpatchable {
            why: Unpatchable::NoReplacement | Unpatchable::LongName | Unpatchable::Twice,
            ..
        } => error.stage == Stage::Enable,
        Refusal::NotReplaced { function, .. } | Refusal::Unpatchable { function, .. } => {
            matches!(error.about.as_deref(), Some(About::Replaced(met)) if met == function)
        }
        Refusal::PassedOver(table) => match table.reason {
            Reason::NoAddends => error.stage == Stage::Apply && error.site.is_none(),
            _ => matches!(error.about.as_deref(), Some(About::Table(met)) if *met == table.section),
        },
        _ => false,
    }
}

/// Whether a broken rule is what the kernel objects to.
fn is_rule(violation: &Violation, error: &LoadError) -> bool {
    let rule = violation.rule;
    let by_rule = match error.rule {
        // The kernel does not tell a name that is too long from one that is malformed.
        Some(Rule::SymbolName) => matches!(rule, Rule::SymbolName | Rule::SymbolLength),
        Some(broken) => broken == rule,
        // What the back end sets aside, it sets aside in sections that must be there.
        None => error.stage == Stage::Reserve && rule == Rule::MachineSections,
    };
    match (&violation.site, &error.site) {
        (Some(site), Some(met)) => {
            let place = matches!(rule, Rule::Place | Rule::PlaceTwice | Rule::RelocationType);
            site == met && (by_rule || place && error.fault.is_some())
        }
        _ => by_rule && (violation.symbol.is_none() || violation.symbol == error.symbol),
    }
}
