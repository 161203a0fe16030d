//! Modules whose memory is compared byte for byte, which every session does anyway.

use std::sync::Arc;

use super::{Story, fits};
use crate::case::Case;

/// Every case of this kind.
pub(crate) fn all() -> Vec<Arc<dyn Case + Send>> {
    Story::cases(vec![
        Story {
            name: "memory/targets",
            shows: "ordinary modules that use each other",
            unfit: fits,
            run: |session| session.targets_come(),
        },
        Story {
            name: "memory/rows",
            shows: "every relocation type that is in range at module addresses, against symbols of \
                    each kind",
            unfit: fits,
            run: |session| session.insmod("klp_rows"),
        },
    ])
}
