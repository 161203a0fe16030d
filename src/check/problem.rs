//! What a simulated load met: one problem, however often it was met.

use std::fmt;

use klp_arch::{Errno, Fault};

use crate::elf::SymbolIndex;
use crate::load::{About, LoadError, Stage};
use crate::name::ObjectName;
use crate::rules::{Consequence, Rule};
use crate::site::Site;

use super::conclusion::Conclusion;

/// When something happens to a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Occasion {
    /// While it is loaded.
    Load,
    /// While it is enabled, because the object is there already.
    Enable(ObjectName),
    /// When the object is loaded, after the module's init memory is gone.
    Arrival(ObjectName),
    /// When the object is unloaded.
    Departure(ObjectName),
}

impl Occasion {
    /// The object that comes or goes; `None` while the module itself is loaded.
    #[must_use]
    pub fn object(&self) -> Option<&ObjectName> {
        match self {
            Self::Load => None,
            Self::Enable(object) | Self::Arrival(object) | Self::Departure(object) => Some(object),
        }
    }
}

impl fmt::Display for Occasion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load => f.write_str("when it is loaded"),
            Self::Enable(object) => write!(f, "when it is enabled after '{object}' was loaded"),
            Self::Arrival(object) => write!(f, "when '{object}' is loaded after it"),
            Self::Departure(object) => write!(f, "when '{object}' is unloaded"),
        }
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ProblemKind {
    /// The kernel objects; or it does not notice, and leaves something out or damages memory.
    Load(Box<LoadError>),
    /// The kernel writes a value that the field cannot hold.
    Cut {
        /// The relocation.
        site: Box<Site>,
        /// The value in the scale of the field.
        value: i64,
        /// What the field holds.
        reads: i64,
    },
}

/// One problem, with the first occasion and place at which it was met.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// What is wrong.
    pub trouble: ProblemKind,
    /// When.
    pub occasion: Occasion,
    /// The address of the module's instructions then; `None` where there are none yet.
    pub text: Option<u64>,
    /// Whether it is met where the kernel usually puts modules, not at an extreme placement only.
    pub usual: bool,
}

impl Problem {
    /// Whether it may happen, but usually does not: at an extreme placement only.
    #[must_use]
    pub fn is_rare(&self) -> bool {
        !self.usual
    }

    /// What comes of it.
    #[must_use]
    pub fn conclusion(&self) -> Conclusion {
        match &self.trouble {
            _ if self.is_rare() => Conclusion::Loads,
            // The kernel warns and goes on.
            ProblemKind::Load(_) if matches!(self.occasion, Occasion::Departure(_)) => {
                Conclusion::LoadsWrong
            }
            ProblemKind::Load(error) if error.consequence == Consequence::Refused => {
                Conclusion::Refused
            }
            _ => Conclusion::LoadsWrong,
        }
    }

    /// A problem where modules usually lie, before anything of the module does.
    #[must_use]
    pub fn met(error: LoadError, occasion: Occasion) -> Self {
        let trouble = ProblemKind::Load(Box::new(error));
        Self { trouble, occasion, text: None, usual: true }
    }

    /// What makes it the same one, met elsewhere: values and addresses may differ.
    pub(super) fn identity(&self) -> Identity {
        match &self.trouble {
            ProblemKind::Load(error) => {
                let LoadError { stage, consequence, symbol, rule, .. } = **error;
                let site = error.site.clone();
                // Of several things at one place each is told.
                let fault = error.fault.as_ref().map(std::mem::discriminant);
                let about = error.about.as_deref().and_then(|about| match about {
                    About::Proof(_) => None,
                    about => Some(about.clone()),
                });
                let errno = error.kernel.as_ref().map(|kernel| kernel.errno);
                Identity::Load { stage, consequence, symbol, rule, site, fault, about, errno }
            }
            ProblemKind::Cut { site, .. } => Identity::Cut(site.clone()),
        }
    }
}

/// What makes a problem the one it is, wherever it is met: never its words.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Identity {
    /// See [`LoadError`].
    Load {
        stage: Stage,
        consequence: Consequence,
        symbol: Option<SymbolIndex>,
        rule: Option<Rule>,
        site: Option<Box<Site>>,
        fault: Option<std::mem::Discriminant<Fault>>,
        about: Option<About>,
        errno: Option<Errno>,
    },
    /// A relocation whose value does not fit.
    Cut(Box<Site>),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.trouble {
            ProblemKind::Load(error) => load(f, error)?,
            ProblemKind::Cut { site, value, reads } => {
                let (value, reads) = (Signed(*value), Signed(*reads));
                write!(f, "{site}: {value} is cut off to {reads}, and the kernel does not look")?;
            }
        }
        write!(f, ", {}", self.occasion)
    }
}

fn load(f: &mut fmt::Formatter<'_>, error: &LoadError) -> fmt::Result {
    if let Some(site) = &error.site {
        write!(f, "{site}: ")?;
    }
    match (&error.explanation, &error.fault) {
        (Some(why), _) => f.write_str(why),
        (None, Some(fault)) => write!(f, "{fault}"),
        (None, None) => write!(f, "refused in step '{}'", error.stage),
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
