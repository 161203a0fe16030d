//! Where a loaded module has code that may be executed.

use klp_arch::object::SHF_EXECINSTR;

use super::Loaded;
use crate::name::shown;

/// The executable sections of a module, by address: each its start and its end (exclusive).
#[derive(Debug)]
pub(super) struct Code(Vec<(u64, u64)>);

impl Code {
    pub(super) fn of(loaded: &Loaded<'_>) -> Self {
        let sections = loaded.info.object.sections.iter();
        let executable = sections.filter(|section| section.has(SHF_EXECINSTR)).filter_map(|s| {
            let start = s.extent?.address;
            Some((start, start.saturating_add(s.sh_size)))
        });
        let mut all: Vec<_> = executable.collect();
        all.sort_unstable();
        Self(all)
    }

    /// Whether code is at an address.
    pub(super) fn is_at(&self, address: u64) -> bool {
        let after = self.0.partition_point(|(start, _)| *start <= address);
        let section = after.checked_sub(1).and_then(|before| self.0.get(before));
        section.is_some_and(|(_, end)| address < *end)
    }
}

impl Loaded<'_> {
    /// Where an address is, as ` (section+offset)`; empty outside of the module.
    pub(super) fn place_of(&self, address: u64) -> String {
        let place =
            |(_, name, offset): (usize, &[u8], u64)| format!(" ({}+{offset:#x})", shown(name));
        self.section_at(address).map_or_else(String::new, place)
    }
}
