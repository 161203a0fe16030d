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
mod codes;
mod coming;
mod conclusion;
mod judge;
mod problem;
mod reload;
mod replaced;
mod same;
mod simulation;

pub use assumed::Assumed;
pub use conclusion::Conclusion;
pub use judge::{Judge, check, suggest};
pub use problem::{Occasion, Problem, ProblemKind};
pub use reload::{Aftermath, Reload};

use klp_arch::KernelError;

use crate::diagnostic::{Diagnose, Diagnostic};
use crate::finding::{Refusal, Warning};

use reload::Reloads;

/// What was found without loading it.
#[derive(Debug)]
pub struct Objection {
    /// What.
    pub refusal: Refusal,
    /// What the kernel says about it, where a simulated load came there.
    pub kernel: Option<KernelError>,
}

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
    /// Rules that it breaks, and names that the kernel would not find.
    pub objections: Vec<Objection>,
    /// What else the simulated loads met.
    pub problems: Vec<Problem>,
    /// What comes of it when objects that it patches are loaded again, where that is not as it should
    /// be; it loads all the same.
    pub reloads: Vec<Reload>,
    /// What is allowed, but probably not meant.
    pub warnings: Vec<Warning>,
    /// How far it was loaded.
    pub tried: Tried,
}

impl Verdict {
    /// What comes of the module.
    #[must_use]
    pub fn conclusion(&self) -> Conclusion {
        let found = self.objections.iter().map(|objection| Conclusion::of(&objection.refusal));
        let met = self.problems.iter().map(Problem::conclusion);
        found.chain(met).max().unwrap_or(Conclusion::Loads)
    }

    /// Everything that it says, as diagnostics about the module named `file`: errors, then
    /// warnings.
    #[must_use]
    pub fn diagnostics(&self, file: &str) -> Vec<Diagnostic> {
        let found = self.objections.iter().map(|Objection { refusal, kernel }| {
            let mut diagnostic = Diagnostic::error(file, refusal);
            diagnostic.help.splice(0..0, kernel.iter().map(codes::says));
            // The kernel's words are about this one.
            (diagnostic, refusal.cause().filter(|_| kernel.is_none()))
        });
        let found = Diagnostic::grouped(found).into_iter();
        let (rare, usual): (Vec<_>, Vec<_>) =
            self.problems.iter().partition(|problem| problem.is_rare());
        let met = usual.into_iter().map(|problem| Diagnostic::error(file, problem));
        let rare = rare.into_iter().map(|problem| Diagnostic::warning(file, problem));
        let reloads = (!self.reloads.is_empty()).then(|| Reloads(&self.reloads));
        let reloads = reloads.iter().map(|reloads| Diagnostic::warning(file, reloads));
        let warnings = self.warnings.iter().map(|warning| Diagnostic::warning(file, warning));
        found.chain(met).chain(rare).chain(reloads).chain(warnings).collect()
    }
}
