//! One module with more than a thousand klp relocations.

use std::sync::Arc;

use super::{CMDLINE, Story, fits, slots};
use crate::case::Case;
use crate::failure::{Failure, same};
use crate::session::Session;

/// The symbols of its table; 64 pointers each, 4 bytes apart.
const SYMBOLS: [&str; 16] = [
    "nr_processes",
    "nr_context_switches",
    "nr_iowait",
    "cmdline_proc_show",
    "uptime_proc_show",
    "version_proc_show",
    "loadavg_proc_show",
    "meminfo_proc_show",
    "saved_command_line",
    "max_threads",
    "total_forks",
    "print_fatal_signals",
    "klp_patches",
    "klp_mutex",
    "sched_feat_keys",
    "nr_threads",
];

/// Every case of this kind.
pub(crate) fn all() -> Vec<Arc<dyn Case + Send>> {
    Story::cases(vec![Story {
        name: "vmlinux/thousand",
        shows: "1024 pointers with addends and 256 calls in one module: none differs, and their sum \
                is that of the addresses in /proc/kallsyms",
        unfit: fits,
        run,
    }])
}

fn run(session: &mut Session<'_>) -> Result<(), Failure> {
    let before = session.read(CMDLINE)?;
    let mut sum = 16 * 4 * (0..64).sum::<u64>();
    for symbol in SYMBOLS {
        sum = sum.wrapping_add(session.address("vmlinux", symbol)?.wrapping_mul(64));
    }
    session.patch("lp_thousand")?;
    let count = slots::klp_relocations(session, "lp_thousand")?.len();
    same("more than 1,000 klp relocations", &(count >= 1024 + 256), &true)?;
    let says = format!("lp_thousand: 1024 pointers, 0 differ, sum {sum:x}, 256 calls\n");
    session.reads(CMDLINE, &says)?;
    session.unpatch("lp_thousand")?;
    session.reads(CMDLINE, &before)
}
