//! A module that kbuild has built: converted if it is a livepatch, and checked.

use std::borrow::Cow;

use crate::check::{Conclusion, check};
use crate::cli::Outcome;
use crate::cli::check::remark;
use crate::convert::{Plan, convert};
use crate::diagnostic::Diagnostic;
use crate::elf::Module;
use crate::findings::{Error, Finding, Kind, Refusal};
use crate::options::Options;
use crate::resolve::{Cause, Unresolved};
use crate::symbols::Sources;

/// What became of a module.
pub(in crate::cli) struct Converted<'data> {
    pub(in crate::cli) diagnostics: Vec<Diagnostic>,
    /// Names that no symbol of the kernel has, with what compilers have made of them.
    pub(in crate::cli) not_found: Vec<(String, Vec<String>)>,
    /// The module, or how its conversion or check ended.
    pub(in crate::cli) result: Result<Loads<'data>, Outcome>,
}

/// A module that the kernel loads.
pub(in crate::cli) struct Loads<'data> {
    pub(in crate::cli) bytes: Cow<'data, [u8]>,
    /// `None` where it is not a livepatch, which stays as it is.
    pub(in crate::cli) plan: Option<Plan>,
    /// What the simulated loads were of.
    loads: String,
}

impl Loads<'_> {
    /// What was done, on one line.
    pub(in crate::cli) fn remark(&self) -> String {
        let Some(plan) = &self.plan else { return self.loads.clone() };
        let (symbols, relocations) = (plan.symbols.len(), plan.relocations());
        format!("{symbols} klp symbols, {relocations} klp relocations; {}", self.loads)
    }
}

/// Converts a module, if it is a livepatch, and checks it; `name` is for diagnostics.
pub(in crate::cli) fn converted<'data>(
    name: &str,
    original: &'data [u8],
    sources: &Sources,
    options: &Options,
) -> Converted<'data> {
    let refused = |error: Error| {
        let result = Err(Outcome::of(&error));
        let findings = if let Error::Refused(findings) = &error { &**findings } else { &[] };
        let not_found = findings.iter().filter_map(not_found).collect();
        Converted { diagnostics: error.diagnostics(name), not_found, result }
    };
    let livepatch = match Module::parse_as_kernel(original) {
        Ok(module) => module.is_livepatch(),
        Err(error) => return refused(error.into()),
    };
    let mut diagnostics = Vec::new();
    let (bytes, plan) = if livepatch {
        match convert(original, sources, options) {
            Ok(conversion) => {
                let warnings = conversion.warnings.iter();
                diagnostics.extend(warnings.map(|found| Diagnostic::warning(name, found)));
                (conversion.bytes, Some(conversion.plan))
            }
            Err(error) => return refused(error),
        }
    } else {
        (original.into(), None)
    };
    let verdict = match check(&bytes, sources, options) {
        Ok(verdict) => verdict,
        Err(error) => return refused(error),
    };
    for diagnostic in verdict.diagnostics(name) {
        if !diagnostics.contains(&diagnostic) {
            diagnostics.push(diagnostic);
        }
    }
    let result = if verdict.conclusion() == Conclusion::Loads {
        Ok(Loads { bytes, plan, loads: remark(&verdict).unwrap_or_default() })
    } else {
        Err(Outcome::Refused)
    };
    let not_found = verdict.findings.iter().filter_map(not_found).collect();
    Converted { diagnostics, not_found, result }
}

/// The name that a finding is about, if no symbol has it.
fn not_found(finding: &Finding) -> Option<(String, Vec<String>)> {
    let Kind::Refusal(refusal) = &finding.kind else { return None };
    let (Refusal::Unresolved { reason, .. } | Refusal::NotReplaced { reason, .. }) = &**refusal
    else {
        return None;
    };
    let Unresolved::NotFound { name, causes, .. } = &**reason else { return None };
    let variants = causes.iter().filter_map(|cause| match cause {
        Cause::Variant { variant, .. } => Some(variant.clone()),
        _ => None,
    });
    Some((name.clone(), variants.collect()))
}
