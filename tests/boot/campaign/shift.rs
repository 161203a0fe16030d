//! Boots that take modules, one after the other, until they die or there are no more.

use std::fs;
use std::time::Duration;

use crate::failure::Failure;
use crate::guest::Guest;
use crate::initramfs;
use crate::workshop::busybox;

use super::mutant::{Mutant, Order};
use super::outcome::Outcome;
use super::{Campaign, TARGETS, file};

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

/// Inserts modules into as many boots as it takes.
pub(crate) fn insert(campaign: &mut Campaign, mutants: &[Mutant]) -> Result<Vec<Outcome>, Failure> {
    let mut outcomes = Vec::new();
    while outcomes.len() < mutants.len() {
        let left = &mutants[outcomes.len()..];
        let mut guest = boot(campaign, left)?;
        for mutant in left {
            let (outcome, usable) = one(&mut guest, mutant);
            outcomes.push(outcome);
            if !usable {
                break;
            }
        }
    }
    Ok(outcomes)
}

fn boot(campaign: &mut Campaign, mutants: &[Mutant]) -> Result<Guest, Failure> {
    let kernel = &campaign.workshop.kernel;
    let names: Vec<_> = mutants.iter().map(|m| (file(m.order, m.number), m)).collect();
    let mutated = names.iter().map(|(name, mutant)| (name.as_str(), mutant.bytes.as_slice()));
    let mut targets = Vec::new();
    for target in TARGETS {
        targets.push((target, campaign.workshop.file(target)?));
    }
    let archive = initramfs::write(&busybox(kernel)?, mutated.chain(targets))?;
    let path = campaign.kept.join("initramfs");
    fs::write(&path, archive)?;
    campaign.boots += 1;
    let mut guest = Guest::boot(kernel, &path, &campaign.kept.join("console.log"))?;
    guest.patience = PATIENCE;
    for function in FUNCTIONS {
        guest.done(function)?;
    }
    Ok(guest)
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
    let name = file(mutant.order, mutant.number);
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
