//! Work on all CPUs, or on the calling thread where no others can be had.
//!
//! Rayon's own pool panics where a limit on processes (`ulimit -u`, a container's pids) denies it a
//! thread. Nothing else may start rayon's work.

use std::cell::OnceCell;
use std::num::NonZeroUsize;
use std::sync::OnceLock;

use rayon::{ThreadPool, ThreadPoolBuilder};

/// The variable that says how many threads there are to be, as in rayon.
const VARIABLE: &str = "RAYON_NUM_THREADS";

/// More threads than this are only started for as many CPUs.
const MOST: usize = 256;

/// How many threads work: those that [`VARIABLE`] says, or one for each CPU.
///
/// What is not a positive number counts as not given, and a number above [`MOST`] as [`MOST`].
pub(crate) fn count() -> usize {
    let given = std::env::var(VARIABLE).ok().and_then(|text| text.trim().parse().ok());
    let cpus = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    given.filter(|count| *count > 0).map_or_else(cpus, |count: usize| count.min(MOST))
}

/// Does some work whose parallel iterators use all threads.
pub(crate) fn on_all<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    static ALL: OnceLock<Option<ThreadPool>> = OnceLock::new();
    thread_local! {
        /// A pool of the calling thread alone. Each thread has its own: it does nobody else's work.
        static ALONE: OnceCell<Option<ThreadPool>> = const { OnceCell::new() };
    }
    // Work within work, or a pool of the library's user.
    if rayon::current_thread_index().is_some() {
        return work();
    }
    let all = ALL.get_or_init(|| match count() {
        1 => None,
        count => ThreadPoolBuilder::new().num_threads(count).build().ok(),
    });
    match all {
        Some(pool) => pool.install(work),
        None => ALONE.with(|alone| {
            // It starts no thread, so it cannot be denied one.
            let alone = alone.get_or_init(|| {
                ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().ok()
            });
            debug_assert!(alone.is_some(), "a pool of this thread");
            work()
        }),
    }
}
