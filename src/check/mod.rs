//! The verdict on a module: whether a kernel would load it, and whether it would be right then.
//!
//! [`Judge`] holds a module against the kernel's [rules](crate::rules), its names against the
//! kernel's symbols, and then loads it in simulation: at the addresses of the map, at
//! every extreme placement, with its gates there, coming, going and coming again. What stands
//! against it is said once, with what the kernel says. Invariant: without sources that tell
//! addresses nothing is loaded, so that nothing is refused for what is not known.
//! Source: `kernel/module/main.c:load_module`, `kernel/livepatch/core.c`.
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
//! // Before the conversion the kernel does not find its symbols; after it, it does.
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
mod coming;
mod conclusion;
mod judge;
mod replaced;
mod simulation;

pub use assumed::Assumed;
pub use conclusion::Conclusion;
pub use judge::{Judge, check, suggest};

use crate::diagnostic::Diagnostic;
use crate::findings::{self, Finding, Reload};

/// How far a module was loaded in simulation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Tried {
    /// Not at all: no symbols were given.
    #[default]
    NoSymbols,
    /// Not at all: this symbol is known, but not where it is.
    NoAddress(String),
    /// At so many placements.
    At(usize),
}

/// The verdict on one module.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What was found: rules and names first, then what else the simulated loads met, then what is
    /// probably not meant. Each thing is there once; where a load met it, the kernel's words are with it.
    pub findings: Vec<Finding>,
    /// How far it was loaded.
    pub tried: Tried,
}

impl Verdict {
    /// What comes of the module.
    #[must_use]
    pub fn conclusion(&self) -> Conclusion {
        self.findings.iter().map(Conclusion::of).max().unwrap_or(Conclusion::Loads)
    }

    /// Objects that do not survive every reload; the module loads all the same.
    pub fn reloads(&self) -> impl Iterator<Item = &Reload> {
        self.findings.iter().filter_map(Finding::reload)
    }

    /// Everything that it says, as diagnostics about the module named `file`: errors, then
    /// warnings.
    #[must_use]
    pub fn diagnostics(&self, file: &str) -> Vec<Diagnostic> {
        findings::diagnostics(&self.findings, file)
    }
}
