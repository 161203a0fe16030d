//! Boots: one for each kernel, which serves all of its cases.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use clap::ValueEnum;
use libtest_mimic::{Failed, Trial};

use crate::case::Case;
use crate::cases;
use crate::failure::Failure;
use crate::guest::Guest;
use crate::initramfs;
use crate::kernel::{Machine, Release, TestKernel};
use crate::memory::Tally;
use crate::mistake::Mistake;
use crate::options::Options;
use crate::sabotage;
use crate::session::Session;
use crate::workshop::{Workshop, busybox};

/// Where logs and initial RAM disks of guests are kept.
const KEPT: &str = env!("CARGO_TARGET_TMPDIR");

/// What came of a case on a kernel.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// It holds; what was compared meanwhile.
    Holds(Tally),
    /// It cannot be run there.
    Unfit(String),
    /// It does not hold.
    Fails(Failure),
}

/// A kernel, the cases that are to be run on it, and what came of them.
struct Boot {
    machine: Machine,
    release: Release,
    mistake: Option<Mistake>,
    cases: Vec<Arc<dyn Case + Send>>,
    outcomes: OnceLock<Result<BTreeMap<String, Outcome>, Failure>>,
}

/// A trial for each kernel and case. The first of a kernel boots it and runs all others, too.
pub(crate) fn trials(options: &Options) -> Vec<Trial> {
    let cases: Vec<Arc<dyn Case + Send>> =
        cases::all().into_iter().filter(|case| options.wants_case(&case.name())).collect();
    let mut boots = Vec::new();
    for &release in options.kernels() {
        for machine in Machine::value_variants() {
            if options.wants_machine(*machine) && release.unfit(*machine).is_none() {
                let (mistake, cases) = (options.mistake, cases.clone());
                let (machine, outcomes) = (*machine, OnceLock::new());
                boots.push(Arc::new(Boot { machine, release, mistake, cases, outcomes }));
            }
        }
    }
    // All kernels of a case before the next case: so no two threads wait for one boot.
    let mut trials = Vec::new();
    for case in &cases {
        for boot in &boots {
            let (boot, case) = (Arc::clone(boot), case.name());
            let name = format!("{}/{}/{case}", boot.machine, boot.release);
            let trial = Trial::test(name, move || boot.outcome(&case)).with_ignored_flag(true);
            trials.push(trial);
        }
    }
    // A suite that is told to make a mistake proves nothing about others.
    if options.mistake.is_none() && options.wants_case("sabotage") {
        trials.extend(sabotage::trials());
    }
    trials
}

impl Boot {
    fn outcome(&self, case: &str) -> Result<(), Failed> {
        let outcomes = self.outcomes.get_or_init(|| self.run());
        match outcomes.as_ref().map(|outcomes| outcomes.get(case)) {
            Ok(Some(Outcome::Holds(_) | Outcome::Unfit(_))) => Ok(()),
            Ok(Some(Outcome::Fails(failure))) => Err(failure.0.as_str().into()),
            Ok(None) => Err("it was not run".into()),
            Err(failure) => Err(failure.0.as_str().into()),
        }
    }

    fn run(&self) -> Result<BTreeMap<String, Outcome>, Failure> {
        let title = format!("{}/{}", self.machine, self.release);
        let started = Instant::now();
        let say =
            |what: &str| eprintln!("boot: [{:>3} s] {title}: {what}", started.elapsed().as_secs());
        let kernel = TestKernel::obtain(self.machine, self.release)?;
        say("building modules");
        let mut workshop = Workshop::new(kernel, self.mistake)?;
        let mut outcomes = BTreeMap::new();
        let mut runnable = Vec::new();
        for case in &self.cases {
            if let Some(why) = case.unfit(&workshop.kernel) {
                outcomes.insert(case.name(), Outcome::Unfit(why));
                continue;
            }
            match case.files(&workshop) {
                Ok(files) => {
                    files.into_iter().for_each(|file| workshop.put(file));
                    runnable.push(case);
                }
                Err(failure) => drop(outcomes.insert(case.name(), Outcome::Fails(failure))),
            }
        }
        let kept = |what: &str| -> PathBuf {
            let mistake = self.mistake.map_or_else(String::new, |mistake| format!("-{mistake}"));
            Path::new(KEPT).join(format!("{}-{}{mistake}.{what}", self.machine, self.release))
        };
        let initramfs = initramfs::write(&busybox(&workshop.kernel)?, workshop.files())?;
        std::fs::write(kept("initramfs"), initramfs)?;
        let mut session: Option<Session<'_>> = None;
        for (boots, case) in (1..).zip(runnable) {
            let live = match session.take() {
                Some(session) => session,
                None => {
                    say("booting");
                    let log = kept(&format!("{boots}.log"));
                    let guest = Guest::boot(&workshop.kernel, &kept("initramfs"), &log)?;
                    Session::new(&workshop, guest)?
                }
            };
            let mut live = live;
            live.begin();
            let ran = case.run(&mut live);
            let ended = live.end();
            let clean = ended.is_ok();
            let outcome = match ran.and(ended) {
                Ok(()) => Outcome::Holds(live.memory.tally.clone()),
                Err(failure) => Outcome::Fails(failure),
            };
            say(&format!(
                "{} {}",
                case.name(),
                if matches!(outcome, Outcome::Holds(_)) { "holds" } else { "FAILS" }
            ));
            outcomes.insert(case.name(), outcome);
            // What a failed case has left would be in the way of the next.
            session = clean.then_some(live);
        }
        Ok(outcomes)
    }
}
