//! Codes of what a simulated load met, and what to do about it.

use klp_arch::{Fault, KernelError};

use super::problem::{Occasion, Problem, ProblemKind};
use crate::diagnostic::{Code, Diagnose};
use crate::finding::remedy;
use crate::load::{About, Stage};
use crate::rules::Consequence;

/// The kernel's own words, and what it returns.
pub(super) fn says(error: &KernelError) -> String {
    let (errno, number) = (error.errno, error.errno.number());
    if error.message.is_empty() {
        format!("the kernel says nothing, and returns -{errno} ({number})")
    } else {
        format!("the kernel says: {} (-{errno}, {number})", error.message)
    }
}

impl Diagnose for Problem {
    fn code(&self) -> Code {
        if !self.usual {
            return Code::SomePlacements;
        }
        match (&self.trouble, &self.occasion) {
            (ProblemKind::Load(error), occasion) => match (error.consequence, occasion) {
                (Consequence::Ignored, _) => Code::NeverWritten,
                (Consequence::Corrupted, _) => Code::Damages,
                (Consequence::Refused, Occasion::Load) => Code::KernelRefuses,
                (Consequence::Refused, Occasion::Departure(_)) => Code::NotTakenBack,
                (Consequence::Refused, _) => Code::KernelRefusesObject,
            },
            (ProblemKind::Cut { .. }, _) => Code::CutOff,
        }
    }

    fn help(&self) -> Vec<String> {
        let mut lines = Vec::new();
        match &self.trouble {
            ProblemKind::Load(error) => {
                lines.extend(error.kernel.iter().map(says));
                match error.about.as_deref() {
                    Some(About::Proof(proof)) => lines.extend(proof.iter().cloned()),
                    Some(About::Import(import)) => lines.push(import.to_string()),
                    Some(About::Replaced(_) | About::Table(_)) | None => {
                        let usual = remedy_of(error.fault.as_ref(), error.stage);
                        lines.extend(usual.map(str::to_owned));
                    }
                }
            }
            ProblemKind::Cut { .. } => lines.push(
                "the code will use another address: compile with kbuild's flags, so that the \
                 reference reaches as far as modules lie"
                    .into(),
            ),
        }
        lines
            .extend(self.text.map(|text| format!("first met with the module's text at {text:#x}")));
        lines
    }
}

/// What to do about a refusal.
fn remedy_of(fault: Option<&Fault>, stage: Stage) -> Option<&'static str> {
    fault.and_then(remedy::fault).or(match stage {
        Stage::Signature => Some("sign it again, or strip what stands after the module"),
        Stage::Sysfs => Some(
            "link without ld's --unique, or rename one of the sections: the kernel shows each by its name",
        ),
        Stage::Bind => Some("convert the module, or give the symbols of all modules that it needs"),
        _ => None,
    })
}
