//! Livepatches that show what their klp relocations lead to.

use std::sync::Arc;

use crate::case::Case;
use crate::failure::{Failure, same};
use crate::session::Session;

/// Every case of this kind.
pub(crate) fn all() -> Vec<Arc<dyn Case + Send>> {
    vec![Arc::new(Inferred)]
}

/// A name that vmlinux has once.
struct Inferred;

impl Case for Inferred {
    fn name(&self) -> String {
        "vmlinux/inferred".into()
    }

    fn shows(&self) -> String {
        "symbols that vmlinux has once need no annotation".into()
    }

    fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let before = session.read("/proc/cmdline")?;
        session.patch("lp_vmlinux_inferred")?;
        let patched = session.read("/proc/cmdline")?;
        same("/proc/cmdline", &patched.contains(before.trim_end()), &true)?;
        same("/proc/cmdline is patched", &(patched != before), &true)?;
        session.unpatch("lp_vmlinux_inferred")?;
        same("/proc/cmdline", &session.read("/proc/cmdline")?, &before)
    }
}
