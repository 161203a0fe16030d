//! SIGINT, SIGTERM and SIGHUP: none of them leaves a temporary file.
//!
//! A signal that comes while an output is put into place waits until it is there, or is given up; then
//! the process ends as the signal would have ended it: 128 + its number, for a shell. Nothing polls, and
//! no thread is needed. A signal that the caller has ignored (`nohup`, `&` in a script) stays ignored.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

/// How many values of [`Held`] there are.
static HOLDERS: Mutex<usize> = Mutex::new(0);
/// Whether a signal ends the process at once.
static FREE: AtomicBool = AtomicBool::new(true);
/// The signal that waits; 0 if there is none.
static PENDING: AtomicUsize = AtomicUsize::new(0);

/// While there is one, signals wait.
#[derive(Debug)]
pub(super) struct Held(());

impl Held {
    /// Lets signals wait from now on.
    pub(super) fn new() -> Self {
        register();
        let mut holders = HOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
        *holders += 1;
        FREE.store(false, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut holders = HOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
        *holders -= 1;
        if *holders > 0 {
            return;
        }
        FREE.store(true, Ordering::SeqCst);
        let signal = i32::try_from(PENDING.swap(0, Ordering::SeqCst)).unwrap_or_default();
        if signal != 0 {
            // It does not return for a signal that ends a process.
            let _ = low_level::emulate_default_handler(signal);
        }
    }
}

/// Whether a signal waits.
pub(super) fn is_pending() -> bool {
    PENDING.load(Ordering::SeqCst) != 0
}

/// Takes the signal that waits: the caller ends by itself. Whether there was one.
pub(super) fn answer() -> bool {
    PENDING.swap(0, Ordering::SeqCst) != 0
}

fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let ignored = ignored();
        for (signal, number) in [(SIGHUP, 1_usize), (SIGINT, 2), (SIGTERM, 15)] {
            if ignored & (1 << (number - 1)) == 0 {
                // Where a handler cannot be installed, signals end the process at once, as before.
                let _ = flag::register_usize(signal, &PENDING, number);
                let _ = flag::register_conditional_default(signal, &FREE);
            }
        }
    });
}

/// The signals that the caller has ignored, a bit each, as Linux shows them.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}
