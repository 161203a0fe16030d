//! One thing found in a module, whoever has found it: the planner, a rule, a simulated load, an audit.

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
/// Invariant: `kernel` is there only where the kernel refuses or warns, as far as a simulated load got.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What was found.
    pub kind: Kind,
    /// What comes of it; `None`: nothing, it is allowed, but probably not meant.
    pub consequence: Option<Consequence>,
    /// The relocation, where it is about one.
    pub site: Option<Box<Site>>,
    /// The symbol, where it is about one.
    pub symbol: Option<SymbolIndex>,
    /// What the kernel logs, a line or two, and returns.
    pub kernel: Option<KernelError>,
    /// Where a simulated load has met it first; `None` where it was found without one.
    pub met: Option<Box<Encounter>>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// Something stands against the conversion, or the module.
    Refusal(Box<Refusal>),
    /// A rule of the kernel is broken; the text says by what.
    Rule(Rule, String),
    /// A simulated load was stopped, or should have been.
    Objection(Box<Objection>),
    /// The kernel writes a value that the field cannot hold.
    CutOff {
        /// The value in the scale of the field.
        value: i64,
        /// What the field holds.
        reads: i64,
    },
    /// An object does not survive every reload.
    Reload(Box<Reload>),
    /// It is allowed, and probably not meant.
    Warning(Box<Warning>),
}

impl Finding {
    pub(crate) fn new(kind: Kind, consequence: Option<Consequence>) -> Self {
        Self { kind, consequence, site: None, symbol: None, kernel: None, met: None }
    }

    /// A rule that is broken: what the kernel does about it, and what was found.
    pub(crate) fn broken(rule: Rule, consequence: Consequence, detail: String) -> Self {
        Self::new(Kind::Rule(rule, detail), Some(consequence))
    }

    /// A value that was cut off.
    pub(crate) fn cut_off(value: i64, reads: i64) -> Self {
        Self::new(Kind::CutOff { value, reads }, Some(Consequence::Corrupted))
    }

    /// The same, at a relocation.
    #[must_use]
    pub(crate) fn at(self, site: impl Into<Option<Site>>) -> Self {
        Self { site: site.into().map(Box::new), ..self }
    }

    /// The same, about a symbol.
    #[must_use]
    pub(crate) fn about(self, symbol: SymbolIndex) -> Self {
        Self { symbol: Some(symbol), ..self }
    }

    /// The same, as a simulated load has met it.
    #[must_use]
    pub fn met(self, met: Encounter) -> Self {
        Self { met: Some(Box::new(met)), ..self }
    }

    /// The rule that is broken.
    #[must_use]
    pub fn rule(&self) -> Option<Rule> {
        match &self.kind {
            Kind::Rule(rule, _) => Some(*rule),
            Kind::Objection(objection) => objection.rule,
            _ => None,
        }
    }

    /// What the loader was doing, where a simulated load has met it.
    #[must_use]
    pub fn stage(&self) -> Option<Stage> {
        match &self.kind {
            Kind::Objection(objection) => Some(objection.stage),
            _ => None,
        }
    }

    /// What a machine's back end found at a place.
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

    /// What stands against the module, if that is what this is.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match &self.kind {
            Kind::Refusal(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// What is probably not meant, if that is what this is.
    #[must_use]
    pub fn warning(&self) -> Option<&Warning> {
        match &self.kind {
            Kind::Warning(warning) => Some(warning),
            _ => None,
        }
    }

    /// What comes of a reload, if that is what this is.
    #[must_use]
    pub fn reload(&self) -> Option<&Reload> {
        match &self.kind {
            Kind::Reload(reload) => Some(reload),
            _ => None,
        }
    }

    /// What is known about a name that is not found, where this is about one.
    pub fn unresolved_mut(&mut self) -> Option<&mut Unresolved> {
        match &mut self.kind {
            Kind::Refusal(refusal) => refusal.unresolved_mut(),
            _ => None,
        }
    }

    /// Whether it may happen, but usually does not: at an extreme placement only.
    #[must_use]
    pub fn is_rare(&self) -> bool {
        self.met.as_ref().is_some_and(|met| !met.usual)
    }

    /// Whether it stands against the module; a warning otherwise.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.consequence.is_some() && !self.is_rare()
    }

    /// When a simulated load has met it.
    #[must_use]
    pub fn occasion(&self) -> &Occasion {
        self.met.as_ref().map_or(&Occasion::Load, |met| &met.occasion)
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
            Kind::CutOff { value, reads } => {
                let (value, reads) = (Signed(*value), Signed(*reads));
                write!(f, "{value} is cut off to {reads}, and the kernel does not look")?;
            }
            Kind::Reload(reload) => reload.fmt(f)?,
            Kind::Warning(warning) => warning.fmt(f)?,
        }
        match &self.met {
            Some(met) => write!(f, ", {}", met.occasion),
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
