//! Valid livepatches of all machines, which load, and each with one fault, whose verdict is known: the mutator
//! says what the kernel does, not the program under test.
#![allow(clippy::panic, reason = "a property that does not hold has to stop the run")]

mod faults;
mod livepatch;

use klp_convert::check::{Conclusion, Verdict, check};
use klp_convert::options::Options;
use klp_convert::patch::PatchedObjects;
use klp_convert::symbols::{ProcKallsyms, Sources};

use crate::choices::Choices;
use faults::{FAULTS, Fault, Says};
use livepatch::{Livepatch, PATCHED};

/// Checks the property.
///
/// # Panics
/// When it does not hold.
pub fn run(data: &[u8]) {
    let mut choices = Choices::new(data);
    let fault = FAULTS.get(choices.below(FAULTS.len()));
    let mut livepatch = Livepatch::new(&mut choices);
    let valid = verdict(&livepatch);
    assert_eq!(valid.conclusion(), Conclusion::Loads, "valid: {}", said(&valid));
    let Some(fault) = fault.filter(|fault| (fault.put)(&mut livepatch)) else { return };
    judged(&livepatch, fault);
}

fn judged(livepatch: &Livepatch, fault: &Fault) {
    let Fault { what, conclusion, says, .. } = fault;
    let verdict = verdict(livepatch);
    let (machine, said) = (livepatch.machine.name, said(&verdict));
    assert_eq!(verdict.conclusion(), *conclusion, "{machine}, {what}: {said}");
    let is_said = match says {
        Says::Breaks(rule) => verdict.findings.iter().any(|found| found.rule() == Some(*rule)),
        Says::Words(words) => said.contains(words),
    };
    assert!(is_said, "{machine}, {what}: {says:?} is not said: {said}");
}

fn verdict(livepatch: &Livepatch) -> Verdict {
    let mut sources = Sources::new();
    sources.push(ProcKallsyms::from_bytes("kallsyms", livepatch.kallsyms()));
    let patched = PATCHED.parse().map(|object| PatchedObjects { objects: [object].into() });
    let options = Options { patched: patched.unwrap_or_default(), ..Options::default() };
    match check(&livepatch.file(), &sources, &options) {
        Ok(verdict) => verdict,
        Err(failure) => panic!("not judged: {failure}"),
    }
}

fn said(verdict: &Verdict) -> String {
    let diagnostics = verdict.diagnostics("input");
    let lines = diagnostics.iter().flat_map(|found| {
        std::iter::once(format!("{} {}", found.code, found.message)).chain(found.help.clone())
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use klp_arch::machines;

    #[test]
    fn the_property_holds_for_every_seed() {
        crate::replay("broken", run);
    }

    #[test]
    fn each_fault_is_found_on_each_machine_that_has_its_rule() {
        for (number, fault) in FAULTS.iter().enumerate() {
            let machines = 0..u8::try_from(machines().len()).unwrap();
            let put = machines.filter(|machine| {
                let choices = [*machine, 11, 0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0];
                let mut livepatch = Livepatch::new(&mut Choices::new(&choices));
                let is_put = (fault.put)(&mut livepatch);
                if is_put {
                    judged(&livepatch, fault);
                }
                is_put
            });
            assert_ne!(put.count(), 0, "{number}: {}", fault.what);
        }
    }
}
