//! Static branches of livepatches on keys of vmlinux that are toggled from outside.

use std::sync::Arc;

use super::{CMDLINE, Story, fits};
use crate::case::Case;
use crate::failure::Failure;
use crate::session::Session;

const LIVEPATCH: &str = "lp_static_keys_toggled";
const TRACEPOINT: &str = "/sys/kernel/tracing/events/sched/sched_process_exec/enable";
const FEATURES: &str = "/sys/kernel/debug/sched/features";

/// Every case of this kind.
pub(crate) fn all() -> Vec<Arc<dyn Case + Send>> {
    Story::cases(vec![Story {
        name: "keys/toggled",
        shows: "static branches follow keys of vmlinux: toggled while patched, and toggled before",
        unfit: fits,
        run,
    }])
}

/// Whether the tracepoint is on, and whether the scheduler has its second feature.
#[derive(Debug, Clone, Copy)]
struct Keys {
    tracepoint: bool,
    feature: bool,
}

impl Keys {
    /// Every branch, likely or not, gives the same output.
    fn says(self) -> String {
        let Self { tracepoint, feature } = self;
        let (t, f) = (u8::from(tracepoint), u8::from(feature));
        format!("{LIVEPATCH}: tracepoint {t} {t} feature {f} {f}\n")
    }
}

fn run(session: &mut Session<'_>) -> Result<(), Failure> {
    let before = session.read(CMDLINE)?;
    session
        .guest
        .done("[ -e /sys/kernel/tracing/events ] || mount -t tracefs t /sys/kernel/tracing")?;
    let features = session.read(FEATURES)?;
    let second = features.split_whitespace().nth(1).ok_or("the scheduler has no features")?;
    let mut keys = Keys { tracepoint: false, feature: !second.starts_with("NO_") };
    let name = second.trim_start_matches("NO_").to_owned();
    // Each load finds the keys as the one before left them.
    for _ in 0..2 {
        session.patch(LIVEPATCH)?;
        session.reads(CMDLINE, &keys.says())?;
        keys.tracepoint = !keys.tracepoint;
        session.write(TRACEPOINT, &u8::from(keys.tracepoint).to_string())?;
        session.reads(CMDLINE, &keys.says())?;
        keys.feature = !keys.feature;
        let no = if keys.feature { "" } else { "NO_" };
        session.write(FEATURES, &format!("{no}{name}"))?;
        session.reads(CMDLINE, &keys.says())?;
        session.disable(LIVEPATCH)?;
        session.reads(CMDLINE, &before)?;
        session.rmmod(LIVEPATCH)?;
    }
    Ok(())
}
