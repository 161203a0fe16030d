//! Which sections klp relocations may patch, and when it is too late.
//!
//! Relocations gated on vmlinux are written while the livepatch itself is loaded, before anything
//! reads the sections. Those gated on a module are written once that module is loaded, after the
//! kernel has consumed every special section of the livepatch (`post_relocation`,
//! `ftrace_module_init` and the `MODULE_STATE_COMING` notifiers in `kernel/module/main.c`).

use klp_arch::{Conditions, Machine, SpecialSection};

use super::arch_sections::ReadLate;
use crate::elf::{Section, SectionFlags};
use crate::findings::Misplaced;
use crate::kmod::{self, PERCPU, RO_AFTER_INIT};
use crate::name::ObjectName;

/// Whether a klp relocation gated on `gate` may be written into `section`; `late`: what the kernel reads after that.
///
/// # Errors
/// [`Misplaced`] says why not.
pub(crate) fn check(
    section: &Section<'_>,
    gate: &ObjectName,
    machine: &Machine,
    late: &ReadLate,
) -> Result<(), Misplaced> {
    if is_percpu(section) {
        return Err(Misplaced::Percpu);
    }
    if !section.sh_flags.contains(SectionFlags::ALLOC) {
        return Err(Misplaced::NotLoaded);
    }
    if gate.is_vmlinux() {
        return Ok(());
    }
    if machine.frees_init_sections && kmod::is_init(section.name) {
        return Err(Misplaced::Init);
    }
    let consumed = consumed(section, machine).filter(|special| !late.has(special, gate));
    consumed.map_or(Ok(()), |special| Err(Misplaced::Consumed(special)))
}

/// The special section row of a section that the kernel consumes early, if it does.
#[must_use]
pub(crate) fn consumed(
    section: &Section<'_>,
    machine: &Machine,
) -> Option<&'static SpecialSection> {
    machine.special_sections().find(|special| special.read && special.is_named(section.name))
}

/// Whether a section is the percpu template (`find_pcpusec`).
fn is_percpu(section: &Section<'_>) -> bool {
    section.name == PERCPU
}

/// Whether a section is still writable once the livepatch has been loaded
/// (`module_mark_ro_after_init`).
#[must_use]
pub(crate) fn stays_writable(section: &Section<'_>) -> bool {
    section.sh_flags.contains(SectionFlags::WRITE) && !RO_AFTER_INIT.contains(&section.name)
}

/// The conditions under which the machine applies a relocation gated on `gate` (`None`: a plain
/// one).
pub(crate) fn facts<'a>(
    target: &Section<'_>,
    gate: Option<&ObjectName>,
    symbol: &'a [u8],
) -> Conditions<'a> {
    Conditions {
        symbol,
        external: true,
        late: gate.is_some_and(|gate| !gate.is_vmlinux()),
        writable: stays_writable(target),
        ..Conditions::default()
    }
}
