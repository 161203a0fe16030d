//! Data of vmlinux and of a module that livepatches write.

use std::sync::Arc;

use super::{CMDLINE, SHOWS_A, Story, fits};
use crate::case::Case;
use crate::failure::{Failure, same};
use crate::session::Session;

/// What the kernel shows of the variable that `lp_data_written` writes.
const VARIABLE: &str = "/proc/sys/kernel/print-fatal-signals";

/// Every case of this kind.
pub(crate) fn all() -> Vec<Arc<dyn Case + Send>> {
    Story::cases(vec![
        Story {
            name: "written/vmlinux",
            shows: "a variable of vmlinux read and written, as its sysctl shows",
            unfit: fits,
            run: vmlinux,
        },
        Story {
            name: "written/module",
            shows: "a variable of a module read and written, as the module's own function shows",
            unfit: fits,
            run: module,
        },
    ])
}

fn vmlinux(session: &mut Session<'_>) -> Result<(), Failure> {
    let before = session.read(CMDLINE)?;
    session.write(VARIABLE, "7")?;
    session.patch("lp_data_written")?;
    session.reads(CMDLINE, "lp_data_written: 7\n")?;
    session.reads(VARIABLE, "8\n")?;
    session.write(VARIABLE, "40")?;
    session.reads(CMDLINE, "lp_data_written: 40\n")?;
    session.unpatch("lp_data_written")?;
    session.reads(CMDLINE, &before)?;
    session.reads(VARIABLE, "41\n")?;
    session.write(VARIABLE, "0")
}

fn module(session: &mut Session<'_>) -> Result<(), Failure> {
    session.targets_come()?;
    let before = session.read(SHOWS_A)?;
    same("not patched", &before.contains(", 1 161 160 "), &true)?;
    session.patch("lp_module_data_written")?;
    session.reads(SHOWS_A, "lp_module_data_written: 160\n")?;
    session.reads(SHOWS_A, "lp_module_data_written: 161\n")?;
    session.unpatch("lp_module_data_written")?;
    session.reads(SHOWS_A, &before.replace(", 1 161 160 ", ", 1 161 162 "))?;
    session.targets_go()
}
