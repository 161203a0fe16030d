//! One thing found in a module by the planner, a rule, a simulated load or an audit.

use std::fmt;

use klp_arch::{Fault, KernelError};

use super::objection::{Objection, Stage};
use super::occasion::{Encounter, Occasion};
use super::refusal::Refusal;
use super::reload::Reload;
use super::rule::{Consequence, Rule};
use super::warning::Warning;
use crate::elf::SymbolIndex;
use crate::resolve::Unresolved;
use crate::site::Site;

/// One thing found in a module.
///
/// Invariant: `kernel` is set only if the kernel refuses or warns at a point that a simulated load
/// reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What was found.
    pub kind: Kind,
    /// Its consequence; `None`: it is allowed, but probably a mistake.
    pub consequence: Option<Consequence>,
    /// The relocation, if it is about one.
    pub site: Option<Box<Site>>,
    /// The symbol, if it is about one.
    pub symbol: Option<SymbolIndex>,
    /// What the kernel logs and returns.
    pub kernel: Option<KernelError>,
    /// The first simulated load that ran into it; `None` if found without one.
    pub encounter: Option<Box<Encounter>>,
    /// How many further findings of its kind were left out.
    pub more: usize,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// A reason against the conversion or the module.
    Refusal(Box<Refusal>),
    /// A broken rule of the kernel; the text says what breaks it.
    Rule(Rule, String),
    /// A simulated load stopped, or should have.
    Objection(Box<Objection>),
    /// The kernel writes a value that the field cannot hold.
    Truncated {
        /// The value in the scale of the field.
        value: i64,
        /// What the field holds.
        reads: i64,
    },
    /// An object does not survive every reload.
    Reload(Box<Reload>),
    /// Allowed, but probably a mistake.
    Warning(Box<Warning>),
}

impl Finding {
    pub(crate) fn new(kind: Kind, consequence: Option<Consequence>) -> Self {
        Self { kind, consequence, site: None, symbol: None, kernel: None, encounter: None, more: 0 }
    }

    /// A broken rule: what the kernel does about it, and what was found.
    pub(crate) fn broken(rule: Rule, consequence: Consequence, detail: String) -> Self {
        Self::new(Kind::Rule(rule, detail), Some(consequence))
    }

    /// A truncated value.
    pub(crate) fn truncated(value: i64, reads: i64) -> Self {
        Self::new(Kind::Truncated { value, reads }, Some(Consequence::Corrupted))
    }

    /// Adds the relocation.
    #[must_use]
    pub(crate) fn at(self, site: impl Into<Option<Site>>) -> Self {
        Self { site: site.into().map(Box::new), ..self }
    }

    /// Adds the symbol.
    #[must_use]
    pub(crate) fn about(self, symbol: SymbolIndex) -> Self {
        Self { symbol: Some(symbol), ..self }
    }

    /// Adds the simulated load that ran into it.
    #[must_use]
    pub fn encountered(self, encounter: Encounter) -> Self {
        Self { encounter: Some(Box::new(encounter)), ..self }
    }

    /// The broken rule.
    #[must_use]
    pub fn rule(&self) -> Option<Rule> {
        match &self.kind {
            Kind::Rule(rule, _) => Some(*rule),
            Kind::Objection(objection) => objection.rule,
            _ => None,
        }
    }

    /// What the loader was doing, if a simulated load ran into it.
    #[must_use]
    pub fn stage(&self) -> Option<Stage> {
        match &self.kind {
            Kind::Objection(objection) => Some(objection.stage),
            _ => None,
        }
    }

    /// The machine's fault at a relocation.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        match &self.kind {
            Kind::Objection(objection) => objection.fault.as_ref(),
            Kind::Refusal(refusal) => match &**refusal {
                Refusal::Place(fault) => Some(fault),
                _ => None,
            },
            _ => None,
        }
    }

    /// The refusal, if it is one.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match &self.kind {
            Kind::Refusal(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// The warning, if it is one.
    #[must_use]
    pub fn warning(&self) -> Option<&Warning> {
        match &self.kind {
            Kind::Warning(warning) => Some(warning),
            _ => None,
        }
    }

    /// The reload, if it is one.
    #[must_use]
    pub fn reload(&self) -> Option<&Reload> {
        match &self.kind {
            Kind::Reload(reload) => Some(reload),
            _ => None,
        }
    }

    /// What is known about the name, if this is about a name that is not found.
    pub fn unresolved_mut(&mut self) -> Option<&mut Unresolved> {
        match &mut self.kind {
            Kind::Refusal(refusal) => refusal.unresolved_mut(),
            _ => None,
        }
    }

    /// Whether it happens at extreme placements only.
    #[must_use]
    pub fn is_rare(&self) -> bool {
        self.encounter.as_ref().is_some_and(|encounter| !encounter.usual)
    }

    /// Whether it is an error rather than a warning.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.consequence.is_some() && !self.is_rare()
    }

    /// When a simulated load ran into it.
    #[must_use]
    pub fn occasion(&self) -> &Occasion {
        self.encounter.as_ref().map_or(&Occasion::Load, |encounter| &encounter.occasion)
    }
}

impl From<Refusal> for Finding {
    fn from(refusal: Refusal) -> Self {
        let consequence = Some(refusal.consequence());
        Self::new(Kind::Refusal(Box::new(refusal)), consequence)
    }
}

impl From<Warning> for Finding {
    fn from(warning: Warning) -> Self {
        Self::new(Kind::Warning(Box::new(warning)), None)
    }
}

impl From<Reload> for Finding {
    fn from(reload: Reload) -> Self {
        Self::new(Kind::Reload(Box::new(reload)), None)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(site) = &self.site {
            write!(f, "{site}: ")?;
        }
        match &self.kind {
            Kind::Refusal(refusal) => refusal.fmt(f)?,
            Kind::Rule(rule, detail) => {
                let consequence = self.consequence.unwrap_or(rule.consequence());
                write!(f, "{detail} [{rule}, {consequence}]")?;
            }
            Kind::Objection(objection) => objection.fmt(f)?,
            Kind::Truncated { value, reads } => {
                let (value, reads) = (Signed(*value), Signed(*reads));
                write!(f, "{value} is truncated to {reads}, which the kernel does not check")?;
            }
            Kind::Reload(reload) => reload.fmt(f)?,
            Kind::Warning(warning) => warning.fmt(f)?,
        }
        match &self.encounter {
            Some(encounter) => write!(f, ", {}", encounter.occasion),
            None => Ok(()),
        }
    }
}

/// A signed number as `-0x10` or `0x10`.
struct Signed(i64);

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{:#x}", self.0.unsigned_abs())
    }
}
