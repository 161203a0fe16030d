//! Boots: one for each kernel, which serves all of its cases.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use libtest_mimic::{Completion, Failed, Trial};

use crate::case::Case;
use crate::cases;
use crate::failure::Failure;
use crate::guest::Guest;
use crate::initramfs;
use crate::kernel::{Machine, Release, TestKernel};
use crate::memory::Tally;
use crate::mistake::Mistake;
use crate::options::Options;
use crate::session::Session;
use crate::workshop::{Workshop, busybox};

/// The folder for logs and initial RAM disks of guests.
const KEPT: &str = env!("CARGO_TARGET_TMPDIR");

/// The result of a case on a kernel.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// It holds, with counts of what was compared.
    Holds(Tally),
    /// It cannot be run there.
    Unfit(String),
    /// It does not hold.
    Fails(Failure),
}

/// A kernel, its cases, and their results.
pub(crate) struct Boot {
    machine: Machine,
    release: Release,
    mistake: Option<Mistake>,
    cases: Vec<Arc<dyn Case + Send>>,
    outcomes: OnceLock<Result<Outcomes, Failure>>,
}

/// The results of a boot's cases.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    /// The output of `uname -r`.
    pub(crate) uname: String,
    pub(crate) cases: BTreeMap<String, Outcome>,
}

/// The selected boots.
pub(crate) fn boots(options: &Options) -> Vec<Arc<Boot>> {
    let cases: Vec<Arc<dyn Case + Send>> =
        cases::all().into_iter().filter(|case| options.wants_case(&case.name())).collect();
    let mut boots = Vec::new();
    for release in options.kernels() {
        for &machine in options.machines() {
            if release.unfit(machine).is_none() {
                let (mistake, cases) = (options.mistake, cases.clone());
                let outcomes = OnceLock::new();
                boots.push(Arc::new(Boot { machine, release, mistake, cases, outcomes }));
            }
        }
    }
    boots
}

/// A trial for each kernel and case. The first of a kernel boots it and runs all others, too.
pub(crate) fn trials(boots: &[Arc<Boot>]) -> Vec<Trial> {
    let cases = boots.first().map_or(&[][..], |boot| boot.cases());
    // All kernels of a case come before the next case, so no two threads wait for one boot.
    // The last one, of a distribution, takes longest.
    let longest_first = boots.iter().rev();
    let each =
        cases.iter().flat_map(|case| longest_first.clone().map(move |boot| (case.name(), boot)));
    let trials = each.map(|(case, boot)| {
        let (name, boot) = (format!("{}/{case}", boot.title()), Arc::clone(boot));
        Trial::ignorable_test(name, move || boot.outcome(&case)).with_ignored_flag(true)
    });
    trials.collect()
}

impl Boot {
    /// `machine/release`
    pub(crate) fn title(&self) -> String {
        format!("{}/{}", self.machine, self.release)
    }

    pub(crate) fn cases(&self) -> &[Arc<dyn Case + Send>] {
        &self.cases
    }

    /// The results; `None`: it was not booted, or could not be.
    pub(crate) fn outcomes(&self) -> Option<&Outcomes> {
        self.outcomes.get()?.as_ref().ok()
    }

    fn outcome(&self, case: &str) -> Result<Completion, Failed> {
        let outcomes = self.outcomes.get_or_init(|| self.run());
        match outcomes.as_ref().map(|outcomes| outcomes.cases.get(case)) {
            Ok(Some(Outcome::Holds(_))) => Ok(Completion::Completed),
            Ok(Some(Outcome::Unfit(why))) => Ok(Completion::ignored_with(why)),
            Ok(Some(Outcome::Fails(failure))) => Err(failure.0.as_str().into()),
            Ok(None) => Err("it was not run".into()),
            Err(failure) => Err(failure.0.as_str().into()),
        }
    }

    fn run(&self) -> Result<Outcomes, Failure> {
        let started = Instant::now();
        let say = |what: &str| {
            eprintln!("boot: [{:>3} s] {}: {what}", started.elapsed().as_secs(), self.title());
        };
        say("kernel and modules");
        let mut workshop =
            Workshop::new(TestKernel::obtain(self.machine, self.release)?, self.mistake)?;
        let mut outcomes = Outcomes::default();
        let mut runnable = Vec::new();
        for case in &self.cases {
            let files = match case.unfit(&workshop.kernel) {
                None => case.files(&workshop).map_err(Outcome::Fails),
                Some(why) => Err(Outcome::Unfit(why)),
            };
            match files {
                Ok(files) => {
                    files.into_iter().for_each(|file| workshop.put(file));
                    runnable.push(case);
                }
                Err(outcome) => drop(outcomes.cases.insert(case.name(), outcome)),
            }
        }
        let initramfs = initramfs::write(&busybox(&workshop.kernel)?, workshop.files())?;
        std::fs::write(self.kept("initramfs"), initramfs)?;
        let mut session: Option<Session<'_>> = None;
        for (boots, case) in (1..).zip(runnable) {
            let mut live = match session.take() {
                Some(session) => session,
                None => {
                    say("booting");
                    let log = self.kept(&format!("{boots}.log"));
                    let guest = Guest::boot(&workshop.kernel, &self.kept("initramfs"), &log)?;
                    Session::new(&workshop, guest)?
                }
            };
            if outcomes.uname.is_empty() {
                outcomes.uname = live.guest.done("uname -r")?.trim_end().to_owned();
            }
            live.begin();
            let ran = case.run(&mut live);
            let ended = live.end();
            let clean = ended.is_ok();
            let (says, outcome) = match ran.and(ended) {
                Ok(()) => ("holds", Outcome::Holds(live.memory.tally.clone())),
                Err(failure) => ("FAILS", Outcome::Fails(failure)),
            };
            say(&format!("{} {says}", case.name()));
            outcomes.cases.insert(case.name(), outcome);
            // Leftovers of a failed case would disturb the next.
            session = clean.then_some(live);
        }
        Ok(outcomes)
    }

    /// A file that is kept until the next run.
    fn kept(&self, what: &str) -> PathBuf {
        let mistake = self.mistake.map_or_else(String::new, |mistake| format!("-{mistake}"));
        Path::new(KEPT).join(format!("{}-{}{mistake}.{what}", self.machine, self.release))
    }
}
