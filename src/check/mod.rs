//! The verdict on a module: whether a kernel would load it, and whether it would then work.
//!
//! [`Judge`] checks a module against the kernel's [rules](crate::rules) and its names against the
//! kernel's symbols, and then loads it in simulation: at the usual and at every extreme placement,
//! with the objects that it patches loaded before it, after it, unloaded and reloaded. Each problem
//! is reported once, with the kernel's message. Invariant: without addresses nothing is loaded, so
//! nothing is refused for lack of knowledge. Source: `kernel/module/main.c:load_module`,
//! `kernel/livepatch/core.c`.
//!
//! ```
//! use klp_convert::check::{Conclusion, check};
//! use klp_convert::convert::convert;
//! use klp_convert::options::Options;
//! use klp_convert::symbols::{Sources, Symvers, Vmlinux};
//!
//! let folder = std::path::Path::new("tests/fixtures/s390x");
//! let mut sources = Sources::new();
//! sources.push(Vmlinux::new(folder.join("vmlinux.cut")));
//! sources.push(Symvers::new(folder.join("Module.symvers")));
//! let input = std::fs::read(folder.join("lp_vmlinux_inferred.ko"))?;
//! // The kernel finds its symbols only after the conversion.
//! let before = check(&input, &sources, &Options::default())?;
//! assert_eq!(before.conclusion(), Conclusion::Refused);
//! assert!(before.diagnostics("lp.ko")[0].help[0].starts_with("the kernel says: "));
//! let converted = convert(&input, &sources, &Options::default())?;
//! let after = check(&converted.bytes, &sources, &Options::default())?;
//! assert_eq!(after.conclusion(), Conclusion::Loads);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod assumed;
mod audit;
mod conclusion;
mod judge;
mod loading;
mod replaced;
mod simulation;

pub use assumed::Assumed;
pub use conclusion::Conclusion;
pub use judge::{Judge, check, suggest};

use crate::diagnostic::Diagnostic;
use crate::findings::{self, Finding, Reload};

/// To what extent a module was loaded in simulation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Tried {
    /// Not at all: there are no symbol sources.
    #[default]
    NoSymbols,
    /// Not at all: this symbol is known, but not its address.
    NoAddress(String),
    /// At this number of placements.
    At(usize),
}

/// The verdict on one module.
#[derive(Debug, Default)]
pub struct Verdict {
    /// The findings: rules and names first, then the others of simulated loads, then probable
    /// mistakes. Each occurs once, with the kernel's message if a load ran into it.
    pub findings: Vec<Finding>,
    /// To what extent it was loaded.
    pub tried: Tried,
}

impl Verdict {
    /// The outcome for the module.
    #[must_use]
    pub fn conclusion(&self) -> Conclusion {
        self.findings.iter().map(Conclusion::of).max().unwrap_or(Conclusion::Loads)
    }

    /// Objects that do not survive every reload; the module itself loads.
    pub fn reloads(&self) -> impl Iterator<Item = &Reload> {
        self.findings.iter().filter_map(Finding::reload)
    }

    /// Its findings as diagnostics about the module named `file`: errors, then warnings.
    #[must_use]
    pub fn diagnostics(&self, file: &str) -> Vec<Diagnostic> {
        findings::diagnostics(&self.findings, file)
    }
}
