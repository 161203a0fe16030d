//! A livepatch of one module that calls the exports of another, which the patched module depends on.
//!
//! A new author's code, converted with default options: the reference waits for the patched module,
//! not for the symbol's owner.

use std::sync::Arc;

use super::{Story, fits};
use crate::case::Case;
use crate::failure::Failure;
use crate::session::Session;

const C: &str = "klp_target_c";
const D: &str = "klp_target_d";
const SHOWS: &str = "/proc/klp_target_d";
const UNPATCHED: &str = "klp_target_d: 1 2 194\n";
/// The second of two functions called `klp_twin` is replaced.
const PATCHED: &str = "klp_target_d: 1 196 194\n";
const LIVEPATCH: &str = "lp_calls_export";

/// Every case of this kind.
pub(crate) fn all() -> Vec<Arc<dyn Case + Send>> {
    Story::cases(vec![
        Story {
            name: "dependency/before",
            shows: "exports of a module that the patched one depends on; both are loaded before \
                    the livepatch",
            unfit: fits,
            run: before,
        },
        Story {
            name: "dependency/after",
            shows: "exports of a module that the patched one depends on; both are loaded after the \
                    livepatch, in the order of their dependency",
            unfit: fits,
            run: after,
        },
        Story {
            name: "dependency/owner-first",
            shows: "exports of a module that is loaded before the livepatch, while the patched one \
                    is not",
            unfit: fits,
            run: owner_first,
        },
        Story {
            name: "position/replaced",
            shows: "a replaced function that has a homonym, chosen by its file and by its neighbour",
            unfit: fits,
            run: replaced,
        },
    ])
}

fn before(session: &mut Session<'_>) -> Result<(), Failure> {
    session.insmod(C)?;
    session.insmod(D)?;
    session.reads(SHOWS, UNPATCHED)?;
    session.patch(LIVEPATCH)?;
    session.reads(SHOWS, PATCHED)?;
    session.unpatch(LIVEPATCH)?;
    session.reads(SHOWS, UNPATCHED)?;
    session.rmmod(D)?;
    session.rmmod(C)
}

fn after(session: &mut Session<'_>) -> Result<(), Failure> {
    session.patch(LIVEPATCH)?;
    session.insmod(C)?;
    session.insmod(D)?;
    session.reads(SHOWS, PATCHED)?;
    session.rmmod(D)?;
    // Nothing depends on it, not even the livepatch.
    session.rmmod(C)?;
    session.unpatch(LIVEPATCH)
}

fn owner_first(session: &mut Session<'_>) -> Result<(), Failure> {
    session.insmod(C)?;
    session.patch(LIVEPATCH)?;
    session.insmod(D)?;
    session.reads(SHOWS, PATCHED)?;
    session.rmmod(D)?;
    session.rmmod(C)?;
    session.unpatch(LIVEPATCH)
}

fn replaced(session: &mut Session<'_>) -> Result<(), Failure> {
    session.insmod(C)?;
    session.insmod(D)?;
    session.patch("lp_twin_next_to")?;
    session.reads(SHOWS, "klp_target_d: 7 2 194\n")?;
    session.unpatch("lp_twin_next_to")?;
    session.patch(LIVEPATCH)?;
    session.reads(SHOWS, PATCHED)?;
    session.unpatch(LIVEPATCH)?;
    session.rmmod(D)?;
    session.rmmod(C)
}
