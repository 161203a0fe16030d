//! Modules that each break one rule of the kernel.
//!
//! A [`Wrong`] is made from a module that loads by a named change, and has the expected outcome.
//! The kernel's message is not here: the library predicts it, and the guest's log decides.
//! Invariant: nothing here makes a kernel write where it should not; [`UNTRIED`] lists what would.

mod file;
mod good;
mod klp;
mod relocations;
mod replaced;
mod silent;
mod symbols;

pub(crate) use good::Good;

use klp_arch::KernelVersion;

use crate::kernel::{Machine, Release, TestKernel};
use crate::patch::Patched;

/// The outcome for a wrong module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// It is refused when it is loaded, without the modules that it patches.
    Refused,
    /// Relocations for the module that it patches are refused: itself, if that is loaded; else that
    /// module, when it is loaded.
    RefusedAtGate,
    /// It loads silently, and this is lost.
    Silent(Lost),
}

/// Which pointer of `lp_two_pointers` is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    Nothing,
    IntoVmlinux,
    IntoTarget,
}

/// A module with one fault.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wrong {
    /// The fault.
    pub(crate) name: &'static str,
    /// The module that it is made from.
    pub(crate) of: &'static str,
    pub(crate) spoil: fn(&Good) -> Patched,
    pub(crate) then: Then,
    /// Why the message has an address or a distance that depends on the module's address.
    pub(crate) placed: Option<&'static str>,
    /// Why `check` does not report it with the kernel's message.
    pub(crate) unsaid: Option<&'static str>,
    /// The warning with a stack trace that the kernel also prints.
    pub(crate) alarm: Option<&'static str>,
    machines: Option<(&'static [Machine], &'static str)>,
    since: Option<KernelVersion>,
    /// Whether the kernel has written other relocations before the fault.
    after_others: bool,
    releases: Option<(&'static [Release], &'static str)>,
}

impl Wrong {
    const fn new(
        name: &'static str,
        of: &'static str,
        then: Then,
        spoil: fn(&Good) -> Patched,
    ) -> Self {
        let (placed, unsaid, alarm) = (None, None, None);
        let (machines, since, releases, after_others) = (None, None, None, false);
        Self {
            name,
            of,
            spoil,
            then,
            placed,
            unsaid,
            alarm,
            machines,
            since,
            after_others,
            releases,
        }
    }

    const fn placed(self, why: &'static str) -> Self {
        Self { placed: Some(why), ..self }
    }

    const fn unsaid(self, why: &'static str) -> Self {
        Self { unsaid: Some(why), ..self }
    }

    const fn alarming(self, alarm: &'static str) -> Self {
        Self { alarm: Some(alarm), ..self }
    }

    const fn on(self, machines: &'static [Machine], why: &'static str) -> Self {
        Self { machines: Some((machines, why)), ..self }
    }

    const fn since(self, major: u32, minor: u32) -> Self {
        Self { since: Some(KernelVersion::new(major, minor)), ..self }
    }

    const fn after_others(self) -> Self {
        Self { after_others: true, ..self }
    }

    const fn of_release(self, releases: &'static [Release], why: &'static str) -> Self {
        Self { releases: Some((releases, why)), ..self }
    }

    /// Why there is no such module for a kernel.
    pub(crate) fn unfit(&self, kernel: &TestKernel) -> Option<String> {
        if kernel.release == Release::Lto {
            return Some("the mistakes are made in modules as gcc lays them out".into());
        }
        if let Some((machines, why)) = self.machines
            && !machines.contains(&kernel.machine)
        {
            return Some(why.into());
        }
        if let Some((releases, why)) = self.releases
            && !releases.contains(&kernel.release)
        {
            return Some(why.into());
        }
        // They change what newer kernels' linker scripts put there.
        let scattered = kernel.version < KernelVersion::new(6, 13)
            && matches!(kernel.machine, Machine::Ppc64le | Machine::S390x)
            && ["relocation/", "silent/"].iter().any(|group| self.name.starts_with(group));
        if scattered {
            return Some("the data of its modules are in other sections there".into());
        }
        if self.after_others && !kernel.writes_again() {
            let why = "insmod tries twice, and the second attempt finds what the first one wrote";
            return Some(why.into());
        }
        let since = self.since.filter(|since| kernel.version < *since)?;
        Some(format!("Linux has checked it only since {since}"))
    }
}

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = &'static Wrong> {
    let all = [file::ALL, symbols::ALL, relocations::ALL, klp::ALL, replaced::ALL, silent::ALL];
    all.into_iter().flatten()
}

/// Rules and faults that are not tried on any kernel, and why.
pub(crate) const UNTRIED: &[(&str, &str)] = &[
    ("section-loaded", "the kernel would read a table that it has freed"),
    ("section-shape", "the kernel would read entries that the table does not have"),
    ("target-init, target-percpu", "the kernel would write to memory that it has freed"),
    ("target-loaded gated on a module", "the kernel would write to memory that it has freed"),
    ("target-consumed", "the kernel would patch code from a table that it read too early"),
    ("plain-relocation", "callers in the kernel would jump to address 0"),
    ("a place outside of its section", "the kernel would write past the end of the section"),
    ("a symbol that is not there", "the kernel would read past the end of the symbol table"),
    ("a late plain store into read-only memory", "the kernel would fault"),
    ("a call without room for a stub or veneer", "the kernel warns with a stack trace"),
    ("memory that changes before it is cleared", "something else would have to write there"),
    (
        "BTF of another vmlinux",
        "these kernels have none: making it takes tools that the suite does not require",
    ),
    ("pointers elsewhere in struct module", "the kernel would write over what is there"),
    ("annotations in names of symbols", "symbol/unknown is the same to the kernel"),
];
