//! Special sections that kernels before Linux 5.8 read from `.klp.arch.OBJECT.SECTION`, once the relocations for an object
//! are written.
//!
//! Since then they read a livepatch's own sections, after they have written the relocations for vmlinux. Sources:
//! `arch_klp_init_object_loaded` of `arch/*/kernel/livepatch.c` until Linux 5.7, `kernel/livepatch/core.c` since.

use std::collections::BTreeSet;

use bstr::ByteSlice;
use klp_arch::{KernelVersion, Machine, SpecialSection};

use super::{Checker, known_version, version};
use crate::elf::Module;
use crate::findings::Rule;
use crate::intermediate::{ArchSection, arch_section_parts};
use crate::name::{ObjectName, shown};

/// The first kernel that does not read them.
const UNREAD: KernelVersion = KernelVersion::new(5, 8);
/// RHEL 8 has the change of Linux 5.8 in its own 4.18, since this build (kpatch's `kpatch-build:use_klp_arch`).
const BACKPORTED: u32 = 284;

/// Whether the kernel that a module is for is older than the change; `None`: that kernel is not known.
pub(crate) fn are_for(module: &Module<'_>, target: Option<KernelVersion>) -> Option<bool> {
    let version = known_version(module, target)?;
    let backported = target.is_none() && module.vermagic().is_some_and(has_change);
    Some(version < UNREAD && !backported)
}

/// Whether a release of RHEL 8, such as `4.18.0-305.el8.x86_64`, has the change.
fn has_change(release: &[u8]) -> bool {
    let Some(build) = release.strip_prefix(b"4.18.0-") else { return false };
    let digits = build.find_not_byteset(b"0123456789").unwrap_or(build.len());
    let (number, rest) = build.split_at_checked(digits).unwrap_or_default();
    let number = number.to_str().ok().and_then(|digits| digits.parse::<u32>().ok());
    number.is_some_and(|number| number >= BACKPORTED) && rest.contains_str(b".el8")
}

/// What the kernel reads late: by object, the kernel functions that read it.
#[derive(Debug, Default)]
pub(crate) struct ReadLate(BTreeSet<(Vec<u8>, &'static str)>);

impl ReadLate {
    /// What a module has, if its kernel reads it.
    pub(crate) fn of(
        module: &Module<'_>,
        machine: &Machine,
        target: Option<KernelVersion>,
    ) -> Self {
        let mut all = Self::default();
        if is_reader(module, machine, target) {
            let names = module.sections().filter_map(|section| arch_section_parts(section.name));
            names.for_each(|(object, of)| all.add(machine, object, of));
        }
        all
    }

    /// The same with what a conversion is about to make.
    pub(crate) fn and(mut self, machine: &Machine, made: &[ArchSection]) -> Self {
        for made in made.iter().filter(|_| machine.arch_sections.is_some()) {
            self.add(machine, made.object.as_str().as_bytes(), made.section.as_bytes());
        }
        self
    }

    fn add(&mut self, machine: &Machine, object: &[u8], section: &[u8]) {
        let special = machine.special_sections().filter(|special| special.is_named(section));
        self.0.extend(special.map(|special| (object.to_vec(), special.by)));
    }

    /// Whether a special section is read only after the relocations that wait for `gate` are written.
    pub(super) fn has(&self, special: &SpecialSection, gate: &ObjectName) -> bool {
        self.0.iter().any(|(object, by)| object == gate.as_str().as_bytes() && *by == special.by)
    }
}

fn is_reader(module: &Module<'_>, machine: &Machine, target: Option<KernelVersion>) -> bool {
    machine.arch_sections.is_some_and(|range| range.contains(version(module, target)))
        && are_for(module, target) != Some(false)
}

pub(super) fn check(checker: &mut Checker<'_, '_>) {
    let module = checker.module;
    if is_reader(module, checker.machine, checker.target) {
        return;
    }
    for section in module.sections().filter(|section| section.sh_size > 0) {
        let Some((_, of)) = arch_section_parts(section.name) else { continue };
        // What the machine's kernels never read, from whichever section, is not missed.
        if checker.machine.special_sections().any(|special| special.is_named(of)) {
            let (name, of, linux) = (shown(section.name), shown(of), checker.version());
            let detail = format!(
                "section {} '{name}': Linux {linux} reads '{of}' only, so what is in it is not applied",
                section.index
            );
            checker.broken(Rule::ArchSection, detail);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::has_change;

    #[test]
    fn rhel_8_has_the_change_since_a_build_of_its_own() {
        for (release, has) in [
            ("4.18.0-284.el8.x86_64 SMP mod_unload", true),
            ("4.18.0-553.16.1.el8_10.x86_64", true),
            ("4.18.0-240.el8.x86_64", false),
            ("4.18.0-305-generic", false),
            ("4.18.0-99999999999.el8", false),
            ("4.18.0-", false),
            ("4.18.0", false),
            ("4.14.0-305.el8", false),
        ] {
            assert_eq!(has_change(release.as_bytes()), has, "{release}");
        }
    }
}
