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
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use std::{fs, thread};

use libtest_mimic::{Failed, Trial};

use crate::failure::Failure;
use crate::kernel::{Machine, Release, TestKernel};
use crate::options::Options;
use crate::workshop::Workshop;

use mutant::{Bases, Mutant, Order};
use outcome::{Agreement, Outcome};

/// Modules that are made, judged and inserted at once: what a guest's memory holds.
const BATCH: usize = 400;

/// One trial for each selected kernel.
pub(crate) fn trials(options: &Options, count: usize) -> Vec<Trial> {
    let mut trials = Vec::new();
    for release in options.kernels() {
        for &machine in options.machines() {
            if release.unfit(machine).is_none() {
                let (from, seed) = (options.from, options.seed);
                let run = move || {
                    let campaign = Campaign::new(machine, release, seed);
                    campaign.and_then(|mut c| c.run(from, count)).map_err(|why| Failed::from(why.0))
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
    counts: BTreeMap<String, usize>,
    findings: Vec<String>,
    boots: usize,
}

impl Campaign {
    fn new(machine: Machine, release: Release, seed: u64) -> Result<Self, Failure> {
        let mut kernel = TestKernel::obtain(machine, release)?;
        // The first fault ends the guest, so that no later module is blamed for it.
        kernel.arguments = format!("{} oops=panic", kernel.arguments).leak();
        let workshop = Workshop::new(kernel, None)?;
        let bases = Bases::of(&workshop)?;
        let kept =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("campaign/{machine}-{release}"));
        fs::create_dir_all(&kept)?;
        let (counts, findings) = Default::default();
        let started = Instant::now();
        Ok(Self { workshop, bases, seed, kept, started, counts, findings, boots: 0 })
    }

    fn run(&mut self, from: usize, count: usize) -> Result<(), Failure> {
        let numbers: Vec<_> = (from..from + count).collect();
        for numbers in numbers.chunks(BATCH) {
            let mutants = self.judged(numbers)?;
            let outcomes = shift::insert(self, &mutants)?;
            for (mutant, outcome) in mutants.iter().zip(outcomes) {
                self.weigh(mutant, outcome)?;
            }
            let done = numbers.last().map_or(0, |last| last + 1 - from);
            self.say(&format!("{done} of {count}, {} findings", self.findings.len()));
        }
        let mut table = String::new();
        for (what, count) in &self.counts {
            writeln!(table, "{count:>8}  {what}")?;
        }
        self.say(&format!("{count} modules in {} boots\n{table}", self.boots));
        fs::write(self.kept.join("table.txt"), table)?;
        if self.findings.is_empty() { Ok(()) } else { Err(self.findings.join("\n").into()) }
    }

    fn say(&self, what: &str) {
        let (seconds, kernel) = (self.started.elapsed().as_secs(), self.workshop.kernel.name());
        eprintln!("campaign: [{seconds:>4} s] {kernel}: {what}");
    }

    /// Makes and judges modules, on all processors.
    fn judged(&self, numbers: &[usize]) -> Result<Vec<Mutant>, Failure> {
        // So that it is built once.
        self.workshop.map()?;
        let next = AtomicUsize::new(0);
        let work = || {
            let mut made = Vec::new();
            while let Some(&number) = numbers.get(next.fetch_add(1, Ordering::Relaxed)) {
                made.push(self.bases.mutant(&self.workshop, self.seed, number)?);
            }
            Ok::<_, Failure>(made)
        };
        let threads = thread::available_parallelism()?.get();
        let mut mutants = Vec::new();
        thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            for thread in threads {
                mutants.extend(thread.join().expect("a judge panicked")?);
            }
            Ok::<_, Failure>(())
        })?;
        // What may corrupt the kernel's memory comes last; others stay loaded while they can.
        mutants.sort_by_key(|mutant| (mutant.verdict.corrupts(), mutant.order, mutant.number));
        Ok(mutants)
    }

    /// Compares a verdict with the kernel's; in doubt in a new kernel, in every order.
    fn weigh(&mut self, mutant: &Mutant, outcome: Outcome) -> Result<(), Failure> {
        let mut agreement = Agreement::between(&mutant.verdict, &outcome);
        let mut outcomes = vec![outcome];
        if !agreement.holds() {
            outcomes.clear();
            for again in mutant.in_every_order() {
                outcomes.extend(shift::insert(self, &[again])?);
            }
            agreement = Agreement::among(&mutant.verdict, &outcomes).unwrap();
        }
        *self.counts.entry(agreement.to_string()).or_default() += 1;
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
            self.findings.push(finding);
        }
        Ok(())
    }
}

/// Where livepatches of modules find what they patch.
const TARGETS: [&str; 2] = ["klp_target_b", "klp_target_a"];

/// What a module is inserted as.
fn file(order: Order, number: usize) -> String {
    format!("{order}-{number}")
}
