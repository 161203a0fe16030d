//! Modules with random faults, inserted into running kernels: what `check` says of each against what
//! the kernel does. It looks for wrong verdicts, not for crashes of ours.
//!
//! `cargo campaign --machine x86_64 5000` makes so many modules by [`Mutation`](crate::mutation) from
//! those of the other cases, judges them, and inserts them, hundreds a boot ([`shift`]). A number and
//! a seed make the same module again. Whatever disagrees is inserted once more into a kernel that has
//! just been booted, and is kept with its log if it disagrees again ([`outcome`]).

mod mutant;
mod outcome;
mod shift;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use std::{fs, thread};

use libtest_mimic::{Failed, Trial};

use crate::failure::Failure;
use crate::kernel::{Machine, Release, TestKernel};
use crate::options::Options;
use crate::workshop::Workshop;

use mutant::{Bases, Mutant};
use outcome::{Agreement, Outcome};
use shift::Shift;

/// Modules that are in a guest's memory at once.
const BATCH: usize = 250;

/// One trial for each selected kernel.
pub(crate) fn trials(options: &Options, count: usize) -> Vec<Trial> {
    let mut trials = Vec::new();
    for release in options.kernels() {
        for &machine in options.machines() {
            if release.unfit(machine).is_none() {
                let (from, seed) = (options.from, options.seed);
                let run = move || {
                    let campaign = Campaign::new(machine, release, seed);
                    campaign.and_then(|c| c.run(from, count)).map_err(|why| Failed::from(why.0))
                };
                trials.push(
                    Trial::test(format!("{machine}/{release}/campaign"), run)
                        .with_ignored_flag(true),
                );
            }
        }
    }
    trials
}

/// A campaign against one kernel.
struct Campaign {
    workshop: Workshop,
    bases: Bases,
    seed: u64,
    /// Findings, initial RAM disks and logs.
    kept: PathBuf,
    started: Instant,
    tally: Mutex<Tally>,
}

/// What came of the modules up to now.
#[derive(Debug, Default)]
struct Tally {
    modules: usize,
    guests: usize,
    counts: BTreeMap<String, usize>,
    findings: Vec<String>,
}

impl Campaign {
    fn new(machine: Machine, release: Release, seed: u64) -> Result<Self, Failure> {
        let mut kernel = TestKernel::obtain(machine, release)?;
        // The first fault ends the guest, so that no later module is blamed for it.
        kernel.arguments = format!("{} oops=panic", kernel.arguments).leak();
        let workshop = Workshop::new(kernel, None)?;
        // So that it is built once.
        workshop.map()?;
        let bases = Bases::of(&workshop)?;
        let kept =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("campaign/{machine}-{release}"));
        let (started, tally) = (Instant::now(), Mutex::default());
        Ok(Self { workshop, bases, seed, kept, started, tally })
    }

    fn run(&self, from: usize, count: usize) -> Result<(), Failure> {
        let next = AtomicUsize::new(0);
        let end = from + count;
        let work = |thread: usize| -> Result<(), Failure> {
            let kept = self.kept.join(format!("thread-{thread}"));
            fs::create_dir_all(&kept)?;
            loop {
                let start = from + next.fetch_add(BATCH, Ordering::Relaxed);
                if start >= end {
                    return Ok(());
                }
                self.shift(&kept, start..end.min(start + BATCH))?;
                self.say_progress(count);
            }
        };
        let threads = thread::available_parallelism()?.get().min(count.div_ceil(BATCH));
        thread::scope(|scope| {
            let work = &work;
            let threads: Vec<_> =
                (0..threads).map(|thread| scope.spawn(move || work(thread))).collect();
            threads.into_iter().try_for_each(|thread| thread.join().expect("a thread panicked"))
        })?;
        let tally = self.tally.lock().unwrap();
        let mut table = String::new();
        for (what, count) in &tally.counts {
            writeln!(table, "{count:>8}  {what}")?;
        }
        self.say(&format!("{count} modules in {} guests\n{table}", tally.guests));
        fs::write(self.kept.join("table.txt"), table)?;
        if tally.findings.is_empty() { Ok(()) } else { Err(tally.findings.join("\n").into()) }
    }

    fn say(&self, what: &str) {
        let (seconds, kernel) = (self.started.elapsed().as_secs(), self.workshop.kernel.name());
        eprintln!("campaign: [{seconds:>4} s] {kernel}: {what}");
    }

    /// Makes, judges and inserts modules.
    fn shift(&self, kept: &Path, numbers: Range<usize>) -> Result<(), Failure> {
        let mutants = numbers.map(|number| self.bases.mutant(&self.workshop, self.seed, number));
        let mut mutants: Vec<_> = mutants.collect::<Result<_, _>>()?;
        // What may corrupt the kernel's memory comes last; others stay loaded while they can.
        mutants.sort_by_key(|mutant| (mutant.verdict.corrupts(), mutant.order, mutant.number));
        let mut shift = Shift::boot(&self.workshop, kept, &mutants)?;
        let outcomes = shift.insert(&mutants)?;
        for (mutant, outcome) in mutants.iter().zip(outcomes) {
            self.weigh(&mut shift, mutant, outcome)?;
        }
        let mut tally = self.tally.lock().unwrap();
        tally.guests += shift.guests;
        tally.modules += mutants.len();
        Ok(())
    }

    fn say_progress(&self, count: usize) {
        let (modules, findings) = {
            let tally = self.tally.lock().unwrap();
            (tally.modules, tally.findings.len())
        };
        self.say(&format!("{modules} of {count}, {findings} findings"));
    }

    /// Compares a verdict with the kernel's; in doubt in a new guest, in every order.
    fn weigh(
        &self,
        shift: &mut Shift<'_>,
        mutant: &Mutant,
        outcome: Outcome,
    ) -> Result<(), Failure> {
        let mut agreement = Agreement::between(mutant, &outcome);
        let mut outcomes = vec![outcome];
        if !agreement.holds() {
            outcomes.clear();
            for again in mutant.in_every_order() {
                outcomes.extend(shift.insert(&[again])?);
            }
            agreement = Agreement::among(mutant, &outcomes).unwrap();
        }
        if !agreement.holds() {
            let name = format!("{}.{}", self.seed, mutant.number);
            fs::write(self.kept.join(format!("{name}.ko")), &mutant.bytes)?;
            let finding = format!(
                "{} {name}: {agreement}: {}, {}\n{}",
                self.workshop.kernel.name(),
                mutant.base,
                mutant.changes.join("; "),
                mutant.verdict
            );
            let logs: Vec<_> = outcomes.iter().map(ToString::to_string).collect();
            fs::write(
                self.kept.join(format!("{name}.txt")),
                format!("{finding}\n{}", logs.join("\n")),
            )?;
            self.say(&finding);
            self.tally.lock().unwrap().findings.push(finding);
        }
        *self.tally.lock().unwrap().counts.entry(agreement.to_string()).or_default() += 1;
        Ok(())
    }
}

/// Where livepatches of modules find what they patch.
const TARGETS: [&str; 2] = ["klp_target_b", "klp_target_a"];
