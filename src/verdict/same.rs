//! Whether what a simulated load met is what was found without one.
//!
//! Rules and symbols are checked first, because they find everything at once and know candidates;
//! the kernel stops at the first. The load then adds the kernel's words to what was found.

use crate::klp::passed_over::Reason;
use crate::klp::{Refusal, Rule};
use crate::load::{LoadError, Stage};

/// The symbol that a refusal is about, where the kernel's message has its name.
pub(super) fn name(refusal: &Refusal) -> Option<&str> {
    match refusal {
        Refusal::Unresolved { reason, .. } => Some(reason.name()),
        Refusal::NotConverted { name } => Some(name),
        Refusal::NotReplaced { function, .. } | Refusal::Unpatchable { function, .. } => {
            Some(&function.name)
        }
        _ => None,
    }
}

/// The words of a message, names of symbols among them: between quotes, spaces or parentheses.
pub(super) fn words(message: &str) -> impl Iterator<Item = &str> {
    message.split([' ', '\'', ',', '(', ')']).filter(|word| !word.is_empty())
}

/// Whether a refusal that is about no name is what the kernel objects to.
pub(super) fn is_same(refusal: &Refusal, error: &LoadError) -> bool {
    let message = error.kernel.as_ref().map_or("", |kernel| kernel.message.as_str());
    match refusal {
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
                        Rule::SectionTwins => message.contains("duplicate filename"),
                        Rule::MachineFlags | Rule::MachineSections => error.stage == Stage::Reserve,
                        Rule::ModuleSections | Rule::WriteExecute => error.stage == Stage::Validate,
                        _ => false,
                    }
        }
        Refusal::PassedOver(table) => match table.reason {
            Reason::NoAddends => message.contains("REL relocation unsupported"),
            _ => error.explanation.as_ref().is_some_and(|why| *why == table.to_string()),
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_a_whole_symbol_only() {
        let names = |message, name| words(message).any(|word| word == name);
        assert!(names("m: Unknown symbol foo (err -2)", "foo"));
        assert!(names("livepatch: symbol 'foo' not found in symbol table", "foo"));
        assert!(!names("m: Unknown symbol foobar (err -2)", "foo"));
        assert!(!names("m: Unknown symbol my_foo (err -2)", "foo"));
        assert!(!names("m: anything", ""));
    }
}
