//! What a verdict assumes: the kernel, how that is known, and the placements.
//!
//! For people who ask why a verdict is what it is; nothing here affects it.

use std::fmt;

use klp_arch::{KernelVersion, Machine};

use crate::elf::Module;
use crate::findings::Error;
use crate::load::{Part, Placement, TargetKernel};
use crate::name::ObjectName;
use crate::symbols::Answer;
use crate::target;

/// The kernel that a module is assumed to be for, and the placements tried.
#[derive(Debug)]
pub struct Assumed {
    kernel: TargetKernel,
    /// Where the version comes from.
    version_from: &'static str,
    /// Where the features come from.
    features_from: &'static str,
    machine: &'static Machine,
}

impl Assumed {
    /// The assumptions about a module's kernel; `target`: the requested version.
    ///
    /// # Errors
    /// [`Error::Machine`].
    pub fn of(
        module: &Module<'_>,
        target: Option<KernelVersion>,
        answer: Option<&Answer>,
    ) -> Result<Self, Error> {
        let machine = target::machine(module)?;
        let kernel = TargetKernel::of(machine, target, module, answer);
        let magic = module.vermagic().and_then(|magic| std::str::from_utf8(magic).ok());
        let built_for = magic.and_then(|magic| magic.parse::<KernelVersion>().ok());
        let version_from = match (target, built_for) {
            (Some(_), _) => "asked for",
            (None, Some(_)) => "vermagic",
            (None, None) => "the newest known",
        };
        let vmlinux = answer.is_some_and(|answer| answer.knows_object(&ObjectName::vmlinux()));
        let features_from = if vmlinux { "symbols of vmlinux" } else { "usual for its version" };
        Ok(Self { kernel, version_from, features_from, machine })
    }
}

impl fmt::Display for Assumed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kernel, version_from, features_from, machine } = self;
        let (name, version) = (machine.name, kernel.version.series());
        writeln!(f, "kernel: {name}, Linux {version} ({version_from})")?;
        let on = kernel.configuration.features.iter_names().map(|(name, _)| name.to_lowercase());
        let processors = if kernel.smp { "smp" } else { "no smp" }.to_owned();
        let pages = format!("pages of {} bytes", kernel.page_size);
        let all: Vec<_> = [pages, processors].into_iter().chain(on).collect();
        writeln!(f, "features: {} ({features_from})", all.join(", "))?;
        let usual = Placement::usual(machine, kernel);
        write!(f, "placements: usually from {:#x}", usual.start)?;
        for placement in Placement::extremes(machine, kernel).iter().filter(|p| **p != usual) {
            match placement.below {
                None => write!(f, "; from {:#x}", placement.start)?,
                Some((Part::All, end)) => write!(f, "; below {end:#x}")?,
                Some((part, end)) => {
                    let below = if part == Part::Text { "text" } else { "data" };
                    write!(f, "; from {:#x} with {below} below {end:#x}", placement.start)?;
                }
            }
        }
        Ok(())
    }
}
