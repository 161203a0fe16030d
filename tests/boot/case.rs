//! Claims that are tested in a running kernel.

use crate::failure::Failure;
use crate::kernel::TestKernel;
use crate::session::Session;
use crate::workshop::{GuestFile, Workshop};

/// One claim about livepatches in a running kernel.
pub(crate) trait Case: Sync {
    /// `group/name`, for `--case`.
    fn name(&self) -> String;

    /// What it shows, a line of the report.
    fn shows(&self) -> String;

    /// Why it cannot be run on a kernel.
    fn unfit(&self, _kernel: &TestKernel) -> Option<String> {
        None
    }

    /// Modules that it needs in addition to the workshop's.
    fn files(&self, _workshop: &Workshop) -> Result<Vec<GuestFile>, Failure> {
        Ok(Vec::new())
    }

    /// Runs it in a kernel without modules; modules that it leaves loaded are unloaded afterwards.
    fn run(&self, session: &mut Session<'_>) -> Result<(), Failure>;
}
