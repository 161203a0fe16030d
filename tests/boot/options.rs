//! What to boot and what to look at.

use clap::{Parser, ValueEnum};

use crate::kernel::{Machine, Release};
use crate::mistake::Mistake;

/// Boots kernels under QEMU and loads converted livepatches into them.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Only this machine; may be given several times
    #[arg(long, value_enum, value_name = "MACHINE")]
    pub(crate) machine: Vec<Machine>,

    /// This kernel; may be given several times
    #[arg(long, value_enum, value_name = "KERNEL", default_value = "7.2")]
    pub(crate) kernel: Vec<Release>,

    /// Every kernel that there is: the long run
    #[arg(long)]
    pub(crate) every_kernel: bool,

    /// Only cases with this in their name; may be given several times
    #[arg(long, value_name = "TEXT")]
    pub(crate) case: Vec<String>,

    /// Make a mistake, with which cases must fail
    #[arg(long, value_enum, value_name = "MISTAKE")]
    pub(crate) mistake: Option<Mistake>,

    #[command(flatten)]
    pub(crate) test: libtest_mimic::Arguments,
}

impl Options {
    pub(crate) fn wants_machine(&self, machine: Machine) -> bool {
        self.machine.is_empty() || self.machine.contains(&machine)
    }

    pub(crate) fn kernels(&self) -> &[Release] {
        if self.every_kernel { Release::value_variants() } else { &self.kernel }
    }

    pub(crate) fn wants_case(&self, name: &str) -> bool {
        self.case.is_empty() || self.case.iter().any(|part| name.contains(part.as_str()))
    }
}
