//! Constructors for findings of the simulated loader.

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

    /// A fault that the kernel does not notice.
    pub(crate) fn unnoticed(stage: Stage, consequence: Consequence, explanation: String) -> Self {
        Self::objection(stage, consequence).explained(explanation)
    }

    /// A relocation at which the loader stopped, with the kernel's message.
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

    /// Changes the stage.
    pub(crate) fn in_stage(self, stage: Stage) -> Self {
        self.with(|objection| objection.stage = stage)
    }

    /// Adds an explanation that the kernel's message lacks.
    pub(crate) fn explained(self, why: impl Into<Option<String>>) -> Self {
        self.with(|objection| objection.explanation = why.into())
    }

    /// Adds the machine's fault.
    pub(crate) fn faulty(self, fault: Fault) -> Self {
        self.with(|objection| objection.fault = Some(fault))
    }

    /// Adds the broken rule.
    pub(crate) fn breaks(self, rule: Rule) -> Self {
        self.with(|objection| objection.rule = Some(rule))
    }

    /// Adds what else is known about it.
    pub(crate) fn knowing(self, about: About) -> Self {
        self.with(|objection| objection.about = Some(about))
    }

    /// Adds the relocation table.
    pub(crate) fn about_table(self, table: SectionIndex) -> Self {
        self.knowing(About::Table(table))
    }

    /// Adds the modules that prove the kernel's value.
    pub(crate) fn proven<T>(self, fact: &Fact<T>) -> Self {
        self.proved(fact.proof())
    }

    /// Adds a line on what is known about the kernel and what is not.
    pub(crate) fn proved(self, line: String) -> Self {
        self.with(|objection| match &mut objection.about {
            Some(About::Proof(lines)) => lines.push(line),
            about => *about = Some(About::Proof(vec![line])),
        })
    }

    /// Adds a line that the kernel logs next.
    pub(crate) fn says(&mut self, line: &str) {
        if let Some(kernel) = &mut self.kernel {
            let separator = if kernel.message.is_empty() { "" } else { "\n" };
            kernel.message = format!("{}{separator}{line}", kernel.message);
        }
    }

    /// The kernel's log lines and errno, for direct users of the loader.
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
