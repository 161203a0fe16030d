//! Several livepatches at once: stacked, and replaced by one.

use std::sync::Arc;

use super::text::filled;
use super::{A, CMDLINE, SHOWS_A, Story, fits};
use crate::case::Case;
use crate::failure::Failure;
use crate::session::Session;

const BOTTOM: &str = "lp_vmlinux_inferred";
const BOTTOM_SAYS: &str = "lp_vmlinux_inferred: 1 {/proc/cmdline}\n";
const TOP: &str = "lp_many_sections";
const TOP_SAYS: &str = "lp_many_sections: 1\n";

/// Every case of this kind.
pub(crate) fn all() -> Vec<Arc<dyn Case + Send>> {
    Story::cases(vec![
        Story {
            name: "order/stacked",
            shows: "two livepatches of one function: the newer takes effect, in whichever order \
                    they are removed",
            unfit: fits,
            run: stacked,
        },
        Story {
            name: "order/replaced",
            shows: "a livepatch that replaces all others: what it does not patch is restored, and \
                    the replaced ones are no longer written and do not interfere",
            unfit: fits,
            run: replaced,
        },
    ])
}

fn stacked(session: &mut Session<'_>) -> Result<(), Failure> {
    let before = session.read(CMDLINE)?;
    let bottom_says = filled(BOTTOM_SAYS, session)?;
    session.patch(BOTTOM)?;
    session.reads(CMDLINE, &bottom_says)?;
    session.patch(TOP)?;
    session.reads(CMDLINE, TOP_SAYS)?;
    session.unpatch(TOP)?;
    session.reads(CMDLINE, &bottom_says)?;
    session.patch(TOP)?;
    session.unpatch(BOTTOM)?;
    session.reads(CMDLINE, TOP_SAYS)?;
    session.patch(BOTTOM)?;
    session.reads(CMDLINE, &bottom_says)?;
    session.unpatch(TOP)?;
    session.reads(CMDLINE, &bottom_says)?;
    session.unpatch(BOTTOM)?;
    session.reads(CMDLINE, &before)
}

fn replaced(session: &mut Session<'_>) -> Result<(), Failure> {
    const REPLACED: [&str; 2] = [BOTTOM, "lp_module_symbols"];
    let cmdline = session.read(CMDLINE)?;
    session.targets_come()?;
    let a = session.read(SHOWS_A)?;
    for livepatch in REPLACED {
        session.patch(livepatch)?;
    }
    session.patch("lp_replace")?;
    session.reads(CMDLINE, &cmdline)?;
    session.reads(SHOWS_A, "lp_replace: 1 162\n")?;
    for livepatch in REPLACED {
        session.wait(&format!("[ ! -e /sys/kernel/livepatch/{livepatch} ]"))?;
    }
    // The session notes which are gone.
    session.enabled("lp_replace")?;
    if session.workshop.kernel.writes_again() {
        session.rmmod(A)?;
        session.insmod(A)?;
        session.reads(SHOWS_A, "lp_replace: 1 162\n")?;
    }
    for livepatch in REPLACED {
        session.rmmod(livepatch)?;
    }
    session.unpatch("lp_replace")?;
    session.reads(CMDLINE, &cmdline)?;
    session.reads(SHOWS_A, &a)?;
    session.targets_go()
}
