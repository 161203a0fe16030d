//! What to boot and which cases to run.

use std::path::PathBuf;

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

    /// Every kernel but that of Clang: the long run
    #[arg(long)]
    pub(crate) every_kernel: bool,

    /// Only cases with this in their name; may be given several times
    #[arg(long, value_name = "TEXT")]
    pub(crate) case: Vec<String>,

    /// Instead of the cases: insert so many modules with random faults into each kernel
    #[arg(long, value_name = "MODULES")]
    pub(crate) campaign: Option<usize>,

    /// What the faults are drawn from
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) seed: u64,

    /// The number of the first module
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) from: usize,

    /// Install missing tools with apt-get first
    #[arg(long)]
    pub(crate) install: bool,

    /// Write what came of it to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,

    /// Make a mistake, with which cases must fail
    #[arg(long, value_enum, value_name = "MISTAKE")]
    pub(crate) mistake: Option<Mistake>,

    #[command(flatten)]
    pub(crate) test: libtest_mimic::Arguments,
}

impl Options {
    /// The selected machines.
    pub(crate) fn machines(&self) -> &[Machine] {
        if self.machine.is_empty() { Machine::value_variants() } else { &self.machine }
    }

    pub(crate) fn kernels(&self) -> Vec<Release> {
        let every = Release::value_variants().iter().filter(|release| **release != Release::Lto);
        if self.every_kernel { every.copied().collect() } else { self.kernel.clone() }
    }

    /// Whether no kernel or case is left out.
    pub(crate) fn is_whole(&self) -> bool {
        let test = &self.test;
        self.machine.is_empty()
            && self.case.is_empty()
            && test.filter.is_none()
            && test.skip.is_empty()
    }

    pub(crate) fn wants_case(&self, name: &str) -> bool {
        self.case.is_empty() || self.case.iter().any(|part| name.contains(part.as_str()))
    }
}
