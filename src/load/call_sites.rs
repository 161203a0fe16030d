//! The places of a module that ftrace can hook: what the kernel finds there when the module comes.
//!
//! Each listed place must have what compilers put there. At the first that has not the kernel warns,
//! and stops ftrace for good: the module loads, no function can be hooked until the next boot, and
//! every livepatch is refused, this one first. Invariant: what is right in one module that a kernel
//! was built with is right here. Source: `kernel/trace/ftrace.c:ftrace_process_locs`, `ftrace_bug`,
//! `ftrace_init_nop` of the machines.

use klp_arch::SiteForm;
use klp_arch::object::{SHF_ALLOC, SHN_UNDEF};
use scroll::Pread;

use super::Loaded;
use crate::findings::{Consequence, Finding, Stage};

/// Bytes of an entry of the list: an address.
const ENTRY: usize = 8;

impl Loaded<'_> {
    /// Why the kernel stops ftrace when the module comes; `None` if it does not.
    pub(super) fn stops_ftrace(&self) -> Option<String> {
        let list = self.machine.call_sites;
        let sections = self.info.object.sections.iter();
        let mut listed = sections.filter(|s| s.has(SHF_ALLOC) && list.sections.contains(&s.name));
        let extent = listed.find_map(|section| section.extent)?;
        let endian = self.info.object.endian();
        let entries = self.memory.bytes(&extent).chunks_exact(ENTRY);
        let mut places: Vec<u64> = entries.filter_map(|e| e.pread_with(0, endian).ok()).collect();
        // The kernel sorts them, and passes over what linkers have left empty.
        places.sort_unstable();
        places.retain(|place| *place != 0);
        let has = |form: &SiteForm| places.iter().any(|&place| self.has(form, place));
        if list.forms.iter().any(|form| form.unchecked && has(form)) {
            return None;
        }
        let twice = places.iter().zip(places.iter().skip(1)).find(|(place, next)| place == next);
        let wrong =
            places.iter().find(|&&place| !list.forms.iter().any(|form| self.has(form, place)));
        let (place, why) = match (wrong, twice) {
            (Some(place), _) if self.memory.at(*place).is_none() => (place, "not in the module"),
            (Some(place), _) => (place, "not what compilers put there"),
            (None, Some((place, _))) => (place, "listed twice"),
            (None, None) => return None,
        };
        let section = self.place_of(*place);
        Some(format!(
            "the code at {place:#x}{section}, where ftrace is to hook a function, is {why}: the kernel warns \
             ('ftrace bug'), and hooks nothing until the next boot"
        ))
    }

    /// The same, as a finding about a module that loads nevertheless.
    pub(super) fn stopped_ftrace(&self) -> Option<Finding> {
        let why = self.stops_ftrace()?;
        Some(Finding::unnoticed(Stage::Form, Consequence::Corrupted, why))
    }

    /// Whether the code at a place has this form.
    fn has(&self, form: &SiteForm, place: u64) -> bool {
        let Some(code) = self.memory.at(place.wrapping_sub(form.before)) else { return false };
        let Some(code) = code.get(..form.code.len()).filter(|code| form.matches(code)) else {
            return false;
        };
        let Some(callee) = form.calls else { return true };
        let branches = self.machine.instructions.branches(code);
        let target = branches.first().map(|branch| place.wrapping_add_signed(branch.target));
        let mut symbols = self.info.object.symbols.iter();
        let callee = symbols.find(|s| s.st_shndx == SHN_UNDEF && s.name == callee.as_bytes());
        callee.is_some_and(|callee| Some(callee.st_value) == target)
    }
}
