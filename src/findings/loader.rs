//! How the simulated loader puts what it finds.

use klp_arch::{Fault, KernelError};

use super::finding::{Finding, Kind};
use super::objection::{About, Objection, Stage};
use super::rule::{Consequence, Rule};
use crate::elf::SectionIndex;
use crate::symbols::Fact;

impl Finding {
    fn objection(stage: Stage, consequence: Consequence) -> Self {
        let objection =
            Objection { stage, explanation: None, fault: None, rule: None, about: None };
        Self::new(Kind::Objection(Box::new(objection)), Some(consequence))
    }

    /// The kernel's own refusal.
    pub(crate) fn refused(stage: Stage, kernel: KernelError) -> Self {
        let kernel = Some(kernel);
        Self { kernel, ..Self::objection(stage, Consequence::Refused) }
    }

    /// What the kernel does not notice.
    pub(crate) fn unnoticed(stage: Stage, consequence: Consequence, explanation: String) -> Self {
        Self::objection(stage, consequence).explained(explanation)
    }

    /// Where the loader stopped at a relocation, and what the kernel would say there.
    pub(crate) fn stopped(stage: Stage, kernel: KernelError, fault: Fault) -> Self {
        let finding = match Consequence::of(&fault) {
            Consequence::Refused => Self::refused(stage, kernel),
            consequence => Self::unnoticed(stage, consequence, fault.to_string()),
        };
        finding.faulty(fault)
    }

    fn with(mut self, change: impl FnOnce(&mut Objection)) -> Self {
        if let Kind::Objection(objection) = &mut self.kind {
            change(objection);
        }
        self
    }

    /// The same, in another stage.
    pub(crate) fn in_stage(self, stage: Stage) -> Self {
        self.with(|objection| objection.stage = stage)
    }

    /// The same, with what happens where the kernel does not say so.
    pub(crate) fn explained(self, why: impl Into<Option<String>>) -> Self {
        self.with(|objection| objection.explanation = why.into())
    }

    /// The same, with what the back end found.
    pub(crate) fn faulty(self, fault: Fault) -> Self {
        self.with(|objection| objection.fault = Some(fault))
    }

    /// The same, because a rule is broken.
    pub(crate) fn breaks(self, rule: Rule) -> Self {
        self.with(|objection| objection.rule = Some(rule))
    }

    /// The same, with what else is known of it.
    pub(crate) fn knowing(self, about: About) -> Self {
        self.with(|objection| objection.about = Some(about))
    }

    /// The same, about a relocation table.
    pub(crate) fn about_table(self, table: SectionIndex) -> Self {
        self.knowing(About::Table(table))
    }

    /// With the modules that prove what the kernel is like.
    pub(crate) fn proven<T>(self, fact: &Fact<T>) -> Self {
        self.proved(fact.proof())
    }

    /// With one more line of what is known of the kernel, and what is not.
    pub(crate) fn proved(self, line: String) -> Self {
        self.with(|objection| match &mut objection.about {
            Some(About::Proof(lines)) => lines.push(line),
            about => *about = Some(About::Proof(vec![line])),
        })
    }

    /// What the kernel says after it, too.
    pub(crate) fn says(&mut self, line: &str) {
        if let Some(kernel) = &mut self.kernel {
            let separator = if kernel.message.is_empty() { "" } else { "\n" };
            kernel.message = format!("{}{separator}{line}", kernel.message);
        }
    }

    /// What a kernel's log has of it, and what returns: for whoever asks the loader itself.
    pub(crate) fn in_the_kernels_words(&self) -> String {
        let site = self.site.as_ref().map_or_else(String::new, |site| format!("{site}: "));
        let kernel = self.kernel.as_ref().map(ToString::to_string);
        let ours = match &self.kind {
            Kind::Objection(objection) => objection.explanation.as_ref(),
            _ => None,
        };
        let ours = ours.map(|why| match self.consequence {
            None | Some(Consequence::Refused) => why.clone(),
            Some(consequence) => format!("{why} [{consequence}]"),
        });
        let texts: Vec<String> = kernel.into_iter().chain(ours).collect();
        format!("{site}{}", texts.join("; "))
    }
}
