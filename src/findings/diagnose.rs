//! Findings as diagnostics.

use super::finding::{Finding, Kind};
use super::objection::{About, Objection, Stage};
use super::occasion::Occasion;
use super::refusal::Refusal;
use super::reload::Reloads;
use super::remedy;
use super::rule::{Consequence, Rule};
use crate::diagnostic::{Cause, Code, Diagnose, Diagnostic};
use crate::resolve::Unresolved;

/// Findings in a module named `file`: errors, then those at extreme placements only, then one for
/// all reloads, then warnings.
#[must_use]
pub(crate) fn diagnostics(findings: &[Finding], file: &str) -> Vec<Diagnostic> {
    let (errors, rest): (Vec<_>, Vec<_>) = findings.iter().partition(|found| found.is_error());
    let errors = errors.into_iter().map(|found| (Diagnostic::error(file, found), found.cause()));
    let (rare, rest): (Vec<_>, Vec<_>) = rest.into_iter().partition(|found| found.is_rare());
    let reloads: Vec<_> = rest.iter().filter_map(|found| found.reload()).collect();
    let reloads = (!reloads.is_empty()).then_some(Reloads(reloads));
    let warnings = rest.into_iter().filter(|found| found.reload().is_none());
    let mut diagnostics = Diagnostic::grouped(errors);
    diagnostics.extend(rare.into_iter().map(|found| Diagnostic::warning(file, found)));
    diagnostics.extend(reloads.map(|reloads| Diagnostic::warning(file, &reloads)));
    diagnostics.extend(warnings.map(|found| Diagnostic::warning(file, found)));
    diagnostics
}

impl Diagnose for Finding {
    fn code(&self) -> Code {
        if self.is_rare() {
            return Code::SomePlacements;
        }
        match &self.kind {
            Kind::Refusal(refusal) => refusal.code(),
            Kind::Rule(..) => Code::KernelRule,
            Kind::Objection(_) => match (self.consequence, self.occasion()) {
                (Some(Consequence::Ignored), _) => Code::NeverWritten,
                (Some(Consequence::Corrupted), _) => Code::Damages,
                (_, Occasion::Load) => Code::KernelRefuses,
                (_, Occasion::Departure(_)) => Code::NotCleared,
                _ => Code::KernelRefusesObject,
            },
            Kind::Truncated { .. } => Code::Truncated,
            Kind::Reload(_) => Code::Reload,
            Kind::Warning(warning) => warning.code(),
        }
    }

    fn cause(&self) -> Option<Cause> {
        // The kernel's message is about this one.
        let Kind::Refusal(refusal) = &self.kind else { return None };
        if self.kernel.is_some() {
            return None;
        }
        let site = self.site.as_deref();
        let section = site.map_or("", |site| &site.section);
        let mut location = site.map_or_else(String::new, ToString::to_string);
        let what = match &**refusal {
            Refusal::GatedVmlinuxSymbol { gate } | Refusal::GateNotPatched { gate } => {
                gate.to_string()
            }
            Refusal::GateUndecided { klp, .. } | Refusal::ModuleSymbolInVmlinux { klp } => {
                klp.to_string()
            }
            Refusal::UndeclaredDependency { gate, owner } => format!("{gate} {owner}"),
            Refusal::Misplaced { name, gate, .. } => format!("{gate} {section} {name}"),
            Refusal::Unresolved { reason, .. } => {
                let Unresolved::ObjectUnknown { name, owner, .. } = &**reason else { return None };
                if site.is_none() {
                    location = format!("'{name}'");
                }
                owner.to_string()
            }
            _ => return None,
        };
        Some(Cause { what, location })
    }

    fn more(&self) -> usize {
        self.more
    }

    fn help(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.kernel.iter().map(remedy::says).collect();
        match &self.kind {
            Kind::Refusal(refusal) => lines.extend(refusal.help(self.site.as_deref())),
            Kind::Rule(rule, _) => lines.push(rule_help(*rule)),
            Kind::Objection(objection) => lines.extend(objection.help()),
            Kind::Truncated { .. } => lines.push(
                "the code will use a wrong address: compile with kbuild's flags: \
                 their code model reaches the whole module area"
                    .into(),
            ),
            Kind::Reload(reload) => lines.extend(Reloads(vec![reload]).help()),
            Kind::Warning(warning) => lines.extend(warning.help()),
        }
        let text = self.encounter.as_ref().and_then(|encounter| encounter.text);
        lines.extend(text.map(|text| format!("first seen with the module's text at {text:#x}")));
        lines
    }
}

impl Objection {
    fn help(&self) -> Vec<String> {
        match &self.about {
            Some(About::Proof(proof)) => proof.clone(),
            Some(About::Import(import)) => vec![import.to_string()],
            Some(About::Version(version)) => version.lines(),
            Some(About::OwnExport) => vec![
                "the kernel does not find what a module itself exports while it loads it: define the \
                 symbol in this module, or do not call it"
                    .into(),
            ],
            Some(About::Replaced(_) | About::Table(_)) | None => {
                let usual = self.fault.as_ref().and_then(remedy::fault).or(self.stage.help());
                usual.map(str::to_owned).into_iter().collect()
            }
        }
    }
}

impl Stage {
    fn help(self) -> Option<&'static str> {
        Some(match self {
            Self::Signature => "sign it again, or strip what follows the module",
            Self::Sysfs => {
                "link without ld's --unique, or rename one of the sections: sysfs has one file \
                 for each section name"
            }
            Self::Bind => "convert the module, or add symbol sources for all modules that it needs",
            _ => return None,
        })
    }
}

fn rule_help(rule: Rule) -> String {
    match rule {
        Rule::LivepatchMarker => {
            "add to the module's source: MODULE_INFO(livepatch, \"Y\");".into()
        }
        Rule::Annotation => "this is a module before conversion: klp-convert convert".into(),
        Rule::ArchSection => {
            "make it again for this kernel: create-klp-module -n, or convert --no-klp-arch-sections"
                .into()
        }
        rule => format!("klp-convert explain {rule}"),
    }
}
