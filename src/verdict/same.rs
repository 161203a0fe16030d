//! Whether what a simulated load met is what was found without one.
//!
//! Rules and symbols are checked first, because they find everything at once and know candidates;
//! the kernel stops at the first. The load then adds the kernel's words to what was found.

use crate::klp::{Refusal, Rule};
use crate::load::{LoadError, Stage};

/// Whether a refusal is what the kernel objects to.
pub(super) fn is_same(refusal: &Refusal, error: &LoadError) -> bool {
    let message = error.kernel.as_ref().map_or("", |kernel| kernel.message.as_str());
    match refusal {
        Refusal::Unresolved { reason, .. } => names(message, reason.name()),
        Refusal::NotConverted { name } => names(message, name),
        Refusal::Rule(violation) => {
            let at_site = error.site.as_ref().is_some_and(|site| {
                violation
                    .detail
                    .strip_prefix(site.to_string().as_str())
                    .is_some_and(|rest| rest.starts_with(": "))
            });
            at_site
                || error.site.is_none()
                    && match violation.rule {
                        Rule::SymbolMarked => message.contains("not marked as a livepatch symbol"),
                        Rule::SymbolName | Rule::SymbolLength => {
                            message.contains("incorrectly formatted name")
                                && message.contains("symbol ")
                        }
                        Rule::SectionName => {
                            message.contains("incorrectly formatted name")
                                && message.contains("section ")
                        }
                        Rule::VmlinuxSymbol => message.contains("invalid access to vmlinux symbol"),
                        Rule::CommonSymbol => message.contains("-fno-common"),
                        Rule::LivepatchMarker => message.contains("livepatch module"),
                        Rule::MachineFlags | Rule::MachineSections => error.stage == Stage::Reserve,
                        Rule::ModuleSections | Rule::WriteExecute => error.stage == Stage::Validate,
                        _ => false,
                    }
        }
        _ => false,
    }
}

/// Whether a message is about a symbol of this name: quoted, or between spaces.
fn names(message: &str, name: &str) -> bool {
    message.match_indices(name).any(|(at, _)| {
        let before = message.get(..at).and_then(|text| text.chars().next_back());
        let after = message.get(at + name.len()..).and_then(|text| text.chars().next());
        let ends = |c: Option<char>| c.is_none_or(|c| matches!(c, ' ' | '\'' | ',' | '(' | ')'));
        !name.is_empty() && ends(before) && ends(after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_a_whole_symbol_only() {
        assert!(names("m: Unknown symbol foo (err -2)", "foo"));
        assert!(names("livepatch: symbol 'foo' not found in symbol table", "foo"));
        assert!(!names("m: Unknown symbol foobar (err -2)", "foo"));
        assert!(!names("m: Unknown symbol my_foo (err -2)", "foo"));
        assert!(!names("m: anything", ""));
    }
}
