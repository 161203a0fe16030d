//! The cases, in the order in which they are run.

#[path = "../../it/recorded/generator.rs"]
mod generator;

mod again;
mod dependency;
mod foreign;
mod keys;
mod klp_build;
mod matched;
mod memory;
mod modules;
mod order;
mod positions;
mod records;
mod refusals;
mod samples;
mod slots;
mod text;
mod thousand;
mod vmlinux;
mod written;

use std::sync::Arc;

use crate::case::Case;
use crate::failure::{Failure, same};
use crate::kernel::TestKernel;
use crate::session::Session;

/// The file whose function livepatches of vmlinux patch.
const CMDLINE: &str = "/proc/cmdline";
/// The files whose functions livepatches of modules A and B patch.
const SHOWS_A: &str = "/proc/klp_target_a";
const SHOWS_B: &str = "/proc/klp_target_b";
const A: &str = "klp_target_a";
const B: &str = "klp_target_b";

/// Every case.
pub(crate) fn all() -> Vec<Arc<dyn Case + Send>> {
    let all = [
        vmlinux::all(),
        modules::all(),
        again::all(),
        dependency::all(),
        written::all(),
        thousand::all(),
        slots::all(),
        keys::all(),
        order::all(),
        memory::all(),
        foreign::all(),
        klp_build::all(),
        records::all(),
        positions::all(),
        matched::all(),
        refusals::all(),
        samples::all(),
    ];
    all.into_iter().flatten().collect()
}

/// A case made of a function.
struct Story {
    name: &'static str,
    shows: &'static str,
    unfit: fn(&TestKernel) -> Option<String>,
    run: fn(&mut Session<'_>) -> Result<(), Failure>,
}

impl Story {
    fn cases(stories: Vec<Self>) -> Vec<Arc<dyn Case + Send>> {
        stories.into_iter().map(|story| Arc::new(story) as _).collect()
    }
}

impl Case for Story {
    fn name(&self) -> String {
        self.name.into()
    }

    fn shows(&self) -> String {
        self.shows.into()
    }

    fn unfit(&self, kernel: &TestKernel) -> Option<String> {
        (self.unfit)(kernel)
    }

    fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        (self.run)(session)
    }
}

/// Fits every kernel.
fn fits(_: &TestKernel) -> Option<String> {
    None
}

impl Session<'_> {
    /// Fails unless a file has this text.
    fn reads(&mut self, path: &str, text: &str) -> Result<(), Failure> {
        same(path, &self.read(path)?, &text.to_owned())
    }

    /// Fails if there is such a file.
    fn lacks(&mut self, path: &str) -> Result<(), Failure> {
        self.guest.done(&format!("[ ! -e {path} ]")).map(drop)
    }

    /// Loads the modules that livepatches patch.
    fn targets_come(&mut self) -> Result<(), Failure> {
        self.insmod(B)?;
        self.insmod(A)
    }

    fn targets_go(&mut self) -> Result<(), Failure> {
        self.rmmod(A)?;
        self.rmmod(B)
    }
}
