//! Progress of a build, and how long the rest takes, by what cells have taken before.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::cell::{Cell, End};
use crate::cli::report::Reporter;

/// What is known about the time that is left.
#[derive(Debug, Default)]
struct Left {
    /// Cells of known duration, in seconds.
    known: f32,
    /// Cells that were never built.
    unknown: f32,
    /// What was built in this run: seconds, and how many.
    built: (f32, f32),
}

/// The progress of a build.
#[derive(Debug)]
pub(super) struct Estimate {
    bar: ProgressBar,
    /// How many are up to date, and how many are built.
    counts: (usize, usize),
    jobs: f32,
    left: Mutex<Left>,
}

impl Estimate {
    /// Of all cells some are built, which took so long before.
    pub(super) fn new(
        all: usize,
        to_build: usize,
        jobs: usize,
        before: impl Iterator<Item = Option<f32>>,
    ) -> Self {
        let mut left = Left::default();
        for seconds in before {
            match seconds {
                Some(seconds) => left.known += seconds,
                None => left.unknown += 1.0,
            }
        }
        let bar = ProgressBar::with_draw_target(
            u64::try_from(to_build).ok(),
            ProgressDrawTarget::hidden(),
        );
        if let Ok(style) = ProgressStyle::with_template("building {pos}/{len} {wide_bar} {msg}") {
            bar.set_style(style);
        }
        let jobs = u16::try_from(jobs.min(to_build.max(1))).map_or(1.0, f32::from);
        Self { bar, counts: (all - to_build.min(all), to_build), jobs, left: Mutex::new(left) }
    }

    /// Says what is to be done.
    pub(super) fn start(&self, reporter: &Reporter) {
        let (current, to_build) = self.counts;
        if to_build == 0 {
            return;
        }
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let about = about(&left, self.jobs).map(|about| format!(", {about}")).unwrap_or_default();
        reporter.remark(&format!("{current} cells are up to date, {to_build} to build{about}"));
        if !reporter.is_json() && !reporter.is_quiet() {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    /// Counts a cell, and says what became of it.
    pub(super) fn step(&self, cell: &Cell, reporter: &Reporter) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if left.unknown >= 1.0 {
            left.unknown -= 1.0;
        } else {
            left.known = (left.known - cell.seconds).max(0.0);
        }
        left.built.0 += cell.seconds;
        left.built.1 += 1.0;
        self.bar.inc(1);
        self.bar.set_message(about(&left, self.jobs).unwrap_or_default());
        let Cell { patch, target, end, reason, seconds, .. } = cell;
        let why = reason.as_ref().filter(|_| *end != End::Ok).map(|reason| format!(": {reason}"));
        let line =
            format!("{patch} for {target}: {end}{}, {seconds:.1} s", why.unwrap_or_default());
        self.bar.suspend(|| reporter.remark(&line));
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// The time that is left, in words; `None` while nothing is known.
fn about(left: &Left, jobs: f32) -> Option<String> {
    let (seconds, count) = left.built;
    let mean = if count > 0.0 { seconds / count } else { 0.0 };
    if left.unknown > 0.0 && mean == 0.0 {
        return None;
    }
    let left = (left.known + left.unknown * mean) / jobs;
    let left = Duration::try_from_secs_f32(left.ceil()).ok()?;
    Some(format!("about {} left", HumanDuration(left)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_promised_before_something_is_known() {
        let unknown = Left { unknown: 4.0, ..Left::default() };
        assert_eq!(about(&unknown, 2.0), None);
        let known = Left { known: 9.0, ..Left::default() };
        assert_eq!(about(&known, 2.0).unwrap(), "about 5 seconds left");
        let mixed = Left { known: 10.0, unknown: 3.0, built: (4.0, 2.0) };
        assert_eq!(about(&mixed, 2.0).unwrap(), "about 8 seconds left");
    }
}
