//! A progress bar on stderr, hidden until the work has taken a second.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How long the bar stays hidden.
const PATIENCE: Duration = Duration::from_secs(1);

/// Progress of some work of known length. Any thread may step.
#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Work of `steps` steps; `doing` names it, such as `checking`.
    pub(super) fn new(doing: &str, steps: usize) -> Self {
        let length = u64::try_from(steps).unwrap_or(u64::MAX);
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::hidden());
        let template = format!("{doing} {{pos}}/{{len}} {{wide_bar}} {{eta}}");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// Counts one step.
    pub(super) fn step(&self) {
        self.0.inc(1);
        if self.0.is_hidden() && self.0.elapsed() > PATIENCE {
            self.0.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    /// Prints something above the bar.
    pub(super) fn above(&self, print: impl FnOnce()) {
        self.0.suspend(print);
    }

    /// Ends the bar.
    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
