//! Modules whose every byte in memory is what we say; comparing is what a session does anyway.

use std::sync::Arc;

use crate::case::Case;
use crate::failure::Failure;
use crate::session::Session;

/// Every case of this kind.
pub(crate) fn all() -> Vec<Arc<dyn Case + Send>> {
    let case = |name, shows, modules| -> Arc<dyn Case + Send> {
        Arc::new(Compared { name, shows, modules })
    };
    vec![
        case(
            "memory/rows",
            "every relocation type that fits where modules lie, against symbols of each kind",
            &["klp_target_b", "klp_target_a", "klp_rows"],
        ),
        case(
            "memory/targets",
            "ordinary modules that use each other",
            &["klp_target_b", "klp_target_a"],
        ),
    ]
}

/// Modules that come, one after the other, and go.
struct Compared {
    name: &'static str,
    shows: &'static str,
    modules: &'static [&'static str],
}

impl Case for Compared {
    fn name(&self) -> String {
        self.name.into()
    }

    fn shows(&self) -> String {
        self.shows.into()
    }

    fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        self.modules.iter().try_for_each(|module| session.insmod(module))
    }
}
