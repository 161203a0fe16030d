//! Guests that take modules, one after the other, until they die or there are no more. They go on from a
//! state that is kept, which takes a tenth of a boot.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::failure::Failure;
use crate::guest::{Guest, Suspended};
use crate::initramfs;
use crate::kernel::TestKernel;
use crate::workshop::{Workshop, busybox};

use super::TARGETS;
use super::mutant::{Mutant, Order};
use super::outcome::Outcome;

/// A guest that does not answer for so long hangs.
const PATIENCE: Duration = Duration::from_secs(45);

/// Shell functions of the guest: `load FILE` says with which number the kernel loads it, `targets` loads those
/// that are not there, `clear` unloads all modules, and with an argument all but those.
const FUNCTIONS: [&str; 4] = [
    "load() { insmod /modules/$1.ko 2>/dev/null; echo \"$1=$?\"; }",
    "targets() { [ -e /sys/module/klp_target_a ] || { load klp_target_b; load klp_target_a; }; }",
    "until_done() { i=0; until \"$@\" 2>/dev/null; do i=$((i+1)); [ $i -lt 150 ] || return 1; usleep 20000; done; }",
    "clear() { cd /sys/kernel/livepatch && for p in *; do [ -e $p ] || continue; echo 0 >$p/enabled; \
     until_done [ ! -e $p ] || return 1; done; \
     while read m rest; do case $1$m in keepklp_target_*) continue;; esac; until_done rmmod $m || return 1; \
     done </proc/modules; }",
];

/// A kernel that has been booted with some modules in its memory, and waits to insert them.
#[derive(Debug)]
pub(crate) struct Shift<'a> {
    kernel: &'a TestKernel,
    ready: Suspended,
    log: PathBuf,
    /// How often a guest went on from there.
    pub(crate) guests: usize,
}

impl<'a> Shift<'a> {
    /// Boots a kernel with modules in its memory. `kept` is a folder for this only.
    pub(crate) fn boot(
        workshop: &'a Workshop,
        kept: &Path,
        mutants: &[Mutant],
    ) -> Result<Self, Failure> {
        let kernel = &workshop.kernel;
        let names: Vec<_> = mutants.iter().map(|mutant| mutant.number.to_string()).collect();
        let mutated = names.iter().map(String::as_str);
        let mutated = mutated.zip(mutants.iter().map(|mutant| mutant.bytes.as_slice()));
        let mut targets = Vec::new();
        for target in TARGETS {
            targets.push((target, workshop.file(target)?));
        }
        let archive = initramfs::write(&busybox(kernel)?, mutated.chain(targets))?;
        let (path, log) = (kept.join("initramfs"), kept.join("console.log"));
        fs::write(&path, archive)?;
        let mut guest = Guest::boot(kernel, &path, &log)?;
        for function in FUNCTIONS {
            guest.done(function)?;
        }
        let ready = guest.suspend(&path, &kept.join("state"))?;
        Ok(Self { kernel, ready, log, guests: 0 })
    }

    /// Inserts modules, in as many guests as it takes.
    pub(crate) fn insert(&mut self, mutants: &[Mutant]) -> Result<Vec<Outcome>, Failure> {
        let mut outcomes = Vec::new();
        while outcomes.len() < mutants.len() {
            self.guests += 1;
            let mut guest = self.ready.resume(self.kernel, &self.log)?;
            guest.patience = PATIENCE;
            for mutant in &mutants[outcomes.len()..] {
                let (outcome, usable) = one(&mut guest, mutant);
                outcomes.push(outcome);
                if !usable {
                    break;
                }
            }
        }
        Ok(outcomes)
    }
}

/// Inserts one module, and whether the guest takes more.
fn one(guest: &mut Guest, mutant: &Mutant) -> (Outcome, bool) {
    match tried(guest, mutant) {
        Err(died) => (Outcome::Died(died.0), false),
        Ok(outcome) => {
            let warns = |log: &str| log.contains("WARNING: ") || log.contains("BUG: ");
            let clean = match &outcome {
                Outcome::Loaded(log) | Outcome::Refused(_, log) => !warns(log),
                Outcome::Died(_) => false,
            };
            match guest.run("clear keep") {
                Err(died) => (Outcome::Died(died.0), false),
                Ok(reply) => (outcome, clean && reply.status == 0),
            }
        }
    }
}

fn tried(guest: &mut Guest, mutant: &Mutant) -> Result<Outcome, Failure> {
    let name = mutant.number.to_string();
    let loads = match mutant.order {
        Order::Alone => format!("clear; load {name}"),
        Order::After => format!("targets; load {name}"),
        Order::Before => format!("clear; load {name}; targets"),
        Order::Without => format!("clear; load {name}; load klp_target_a"),
    };
    let said = guest.done(&format!("dmesg -c >/dev/null; {loads}; dmesg -c"))?;
    let mut outcome = None;
    let mut log = String::new();
    for line in said.lines() {
        let status =
            line.split_once('=').filter(|(file, _)| *file == name || TARGETS.contains(file));
        match status.map(|(_, status)| status.parse::<u32>()) {
            Some(Ok(0)) => {}
            Some(Ok(errno)) => outcome = outcome.or(Some(errno)),
            _ => log += &format!("{line}\n"),
        }
    }
    Ok(match outcome {
        None => Outcome::Loaded(log),
        Some(errno) => Outcome::Refused(errno, log),
    })
}
