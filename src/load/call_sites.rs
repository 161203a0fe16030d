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
    /// Why the kernel stops ftrace when the module comes; `None` if it does not. Asked for the first time before
    /// late relocations change the code.
    pub(super) fn stops_ftrace(&self) -> Option<String> {
        self.stopped.get_or_init(|| self.wrong_call_site()).clone()
    }

    fn wrong_call_site(&self) -> Option<String> {
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
        let forms: Vec<_> = list.forms.iter().filter_map(|form| self.expected(form)).collect();
        let form = |&place: &u64| forms.iter().find(|form| self.has(form, place));
        let found: Vec<_> = places.iter().map(|place| (place, form(place))).collect();
        if found.iter().any(|(_, form)| form.is_some_and(|form| form.code.unchecked)) {
            return None;
        }
        let wrong = found.iter().find(|(_, form)| form.is_none()).map(|(place, _)| *place);
        let twice = places.iter().zip(places.iter().skip(1)).find(|(place, next)| place == next);
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

    /// A form with the address that it calls; `None` if it calls what the module does not import.
    fn expected(&self, code: &'static SiteForm) -> Option<Expected> {
        let Some(callee) = code.calls else { return Some(Expected { code, calls: None }) };
        let mut symbols = self.info.object.symbols.iter();
        let callee = symbols.find(|s| s.st_shndx == SHN_UNDEF && s.name == callee.as_bytes())?;
        Some(Expected { code, calls: Some(callee.st_value) })
    }

    /// Whether the code at a place has this form.
    fn has(&self, form: &Expected, place: u64) -> bool {
        let Expected { code: form, calls } = form;
        let Some(code) = self.memory.at(place.wrapping_sub(form.before)) else { return false };
        let Some(code) = code.get(..form.code.len()).filter(|code| form.matches(code)) else {
            return false;
        };
        let target = || {
            let branches = self.machine.instructions.branches(code);
            branches.first().map(|branch| place.wrapping_add_signed(branch.target))
        };
        calls.is_none_or(|callee| Some(callee) == target())
    }
}

/// What the kernel expects at a place.
#[derive(Debug)]
struct Expected {
    code: &'static SiteForm,
    /// The address that it calls, if the kernel looks.
    calls: Option<u64>,
}
