//! Warnings of `symbols build` about modules that differ from the others of their kernel.

use std::collections::BTreeMap;

use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::path_text::path_text;
use crate::symbols::{Merged, Object, Siblings};

/// How many files of one kind are named.
const NAMED: usize = 8;

/// A warning for each difference, and one for all modules of other releases.
pub(super) fn odd(merged: &Merged) -> Vec<Diagnostic> {
    let siblings: Siblings = merged.siblings();
    let release = merged.kernel().release.as_deref();
    let mut unlike: BTreeMap<String, Vec<&Object>> = BTreeMap::new();
    let mut foreign: BTreeMap<String, Vec<&Object>> = BTreeMap::new();
    for object in merged.objects() {
        let Some(evidence) = &object.evidence else { continue };
        if let Some(built_for) =
            evidence.release().filter(|this| release.is_some_and(|r| r != *this))
        {
            let message =
                format!("built for '{built_for}'; its vermagic proves nothing about this kernel");
            foreign.entry(message).or_default().push(object);
        }
        for dissent in siblings.dissent(evidence, release) {
            unlike.entry(dissent.to_string()).or_default().push(object);
        }
    }
    let contested = siblings.contested.iter().map(|what| {
        let message = format!("{what}: the modules are evenly split; neither value is used");
        (message, witnesses(merged))
    });
    unlike.extend(contested);
    let unlike = unlike.into_iter().map(|found| warning(Code::UnlikeSiblings, found));
    let foreign = foreign.into_iter().map(|found| warning(Code::ModulesOfAnotherRelease, found));
    unlike.chain(foreign).collect()
}

fn witnesses(merged: &Merged) -> Vec<&Object> {
    merged.objects().filter(|object| object.evidence.is_some()).collect()
}

/// A warning about the first of several modules that names the others.
fn warning(code: Code, (message, objects): (String, Vec<&Object>)) -> Diagnostic {
    let file = |object: &Object| path_text(&object.by);
    let others: Vec<_> = objects.iter().skip(1).take(NAMED).map(|object| file(object)).collect();
    let more = objects.len().saturating_sub(NAMED + 1);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let help = (!others.is_empty()).then(|| format!("also: {}{more}", others.join(", ")));
    Diagnostic {
        severity: Severity::Warning,
        code,
        file: objects.first().map_or(String::new(), |object| file(object)),
        message,
        help: help.into_iter().collect(),
        also: Vec::new(),
        more: 0,
    }
}
