//! Runs benchmarks under valgrind, and compares what they cost with the baseline.

mod baseline;
pub(crate) mod calls;
mod cases;
mod cost;
mod growth;
mod heap;
pub(crate) mod history;
mod inputs;
mod profile;
mod report;
pub(crate) mod trackers;
mod valgrind;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use baseline::Baseline;
use cases::Case;
use cost::Cost;
use trackers::Trackers;

/// What to run.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Parts of names; all benchmarks if there is none.
    pub(crate) names: Vec<String>,
    /// Writes the baseline instead of comparing with it.
    pub(crate) bless: bool,
    /// Writes the counts for others, too.
    pub(crate) trackers: Trackers,
}

impl Gate {
    pub(crate) fn run(&self) -> ExitCode {
        let is_wanted = |case: &Case| {
            self.names.is_empty() || self.names.iter().any(|name| case.name.contains(name))
        };
        let cases: Vec<_> = cases::all().into_iter().filter(is_wanted).collect();
        if cases.is_empty() {
            let names: Vec<_> = cases::all().into_iter().map(|case| case.name).collect();
            println!(
                "no benchmark is called '{}'; there are: {}",
                self.names.join(" "),
                names.join(" ")
            );
            return ExitCode::from(2);
        }
        if let Err(missing) = valgrind::version() {
            println!("{missing}: apt-get install valgrind");
            return ExitCode::from(2);
        }
        // Another run would take the inputs away.
        let _only_one = inputs::lock();
        inputs::make();
        let measured: Vec<(Case, Cost)> = cases.iter().cloned().zip(costs(&cases)).collect();
        if let Err(message) = self.trackers.write(&measured) {
            println!("{message}");
            return ExitCode::from(2);
        }
        let mut baseline = Baseline::read();
        let failures = report::compare(&baseline, &measured) + report::growth(&measured);
        if self.bless {
            baseline.bless(&measured, self.names.is_empty());
            return ExitCode::SUCCESS;
        }
        report::other_tools(&baseline, failures);
        if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// What each costs, in their order.
fn costs(cases: &[Case]) -> Vec<Cost> {
    side_by_side(cases, valgrind::measure)
}

/// Does this for each, as many at a time as there are processors; the answers are in the order of the things.
fn side_by_side<T: Sync, R: Send>(things: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let answers: Vec<_> = things.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, Into::into);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(number) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).filter(|n| *n < things.len())
                {
                    *answers[number].lock().unwrap() = Some(work(&things[number]));
                }
            });
        }
    });
    answers.into_iter().map(|answer| answer.into_inner().unwrap().unwrap()).collect()
}
