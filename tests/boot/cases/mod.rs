//! The cases, in the order in which they are run.

mod memory;
mod positions;
mod values;

use std::sync::Arc;

use crate::case::Case;

/// Every case.
pub(crate) fn all() -> Vec<Arc<dyn Case + Send>> {
    [values::all(), memory::all(), positions::all()].into_iter().flatten().collect()
}
