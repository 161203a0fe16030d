//! Reloads of patched modules: kernels that cannot write a relocation twice refuse the first one,
//! kernels with stubs a later one. `check` predicts which, and the message.

use std::sync::Arc;

use klp_convert::findings::{Aftermath, Reload};

use super::{A, B, SHOWS_A, Story};
use crate::case::Case;
use crate::failure::{Failure, same};
use crate::kernel::{Machine, TestKernel};
use crate::prediction;
use crate::session::Session;

/// Every case of this kind.
pub(crate) fn all() -> Vec<Arc<dyn Case + Send>> {
    Story::cases(vec![
        Story {
            name: "module/again",
            shows: "kernels that cannot clear relocations refuse a patched module that is \
                    reloaded, as our load of the livepatch does and as check says",
            unfit,
            run,
        },
        Story {
            name: "module/stubs",
            shows: "a patched module is reloaded at new addresses as often as check says, and is \
                    then refused because no stubs are left",
            unfit: without_stubs,
            run: stubs,
        },
    ])
}

/// Older kernels print CPU and process first.
fn is_warning(line: &str) -> bool {
    line.contains("WARNING: ") && line.contains("arch/powerpc/kernel/module_64.c")
}

fn without_stubs(kernel: &TestKernel) -> Option<String> {
    if kernel.machine != Machine::Ppc64le {
        return Some("relocations that are written late use no stubs".into());
    }
    (!kernel.writes_again()).then(|| "the first reload is refused: see module/again".into())
}

fn stubs(session: &mut Session<'_>) -> Result<(), Failure> {
    const LIVEPATCH: &str = "lp_module_symbols";
    let predicted = prediction::reloads(session.workshop, LIVEPATCH)?;
    let [Reload { survives, then: Aftermath::Refused(kernel), .. }] = &predicted[..] else {
        return Err(format!("check says {predicted:?}").into());
    };
    session.expect_alarm("module_64.c");
    session.patch(LIVEPATCH)?;
    session.targets_come()?;
    let mut addresses = vec![session.address(A, "klp_target_a_show")?];
    // Each occupies the module's old address.
    for other in ["lp_many_sections", "lp_function_pointers", "lp_two_pointers", "lp_thousand"] {
        session.rmmod(A)?;
        session.insmod(other)?;
        if let Some(refused) = session.try_insmod(A)? {
            let reloads = u64::try_from(addresses.len()).unwrap() - 1;
            same("reloads at new addresses", &reloads, survives)?;
            same("errno", &refused.errno, &kernel.errno.number().into())?;
            for line in kernel.message.lines().filter(|line| !line.starts_with("WARNING: ")) {
                same(&format!("whether {line:?} is said"), &refused.log.contains(line), &true)?;
            }
            same("a warning", &refused.log.lines().any(is_warning), &true)?;
            return session.unpatch(LIVEPATCH);
        }
        let address = session.address(A, "klp_target_a_show")?;
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Err(format!("never refused, at {addresses:x?}").into())
}

fn unfit(kernel: &TestKernel) -> Option<String> {
    kernel.writes_again().then(|| "the kernel writes them again: see the cases of module/*".into())
}

fn run(session: &mut Session<'_>) -> Result<(), Failure> {
    session.targets_come()?;
    let before = session.read(SHOWS_A)?;
    session.targets_go()?;
    for livepatch in ["lp_module_symbols", "lp_late_sections"] {
        let reloads = prediction::reloads(session.workshop, livepatch)?;
        let [Reload { object, survives: 0, then: Aftermath::Refused(kernel) }] = &reloads[..]
        else {
            return Err(format!("check says {reloads:?}").into());
        };
        same("the reload of which check warns", &object.as_str(), &A)?;
        session.patch(livepatch)?;
        session.targets_come()?;
        same("patched", &(session.read(SHOWS_A)? != before), &true)?;
        session.targets_go()?;
        session.insmod(B)?;
        let refused = session.insmod_refused(A)?;
        let predicted = session.memory.refuses(livepatch, A)?;
        same("errno", &Some(refused.errno), &predicted.errno().map(|errno| errno.number().into()))?;
        let said: Vec<_> = refused.log.lines().map(without_addresses).collect();
        same("errno of check", &kernel.errno.number().into(), &refused.errno)?;
        let messages = predicted.0.iter().filter_map(|error| error.kernel.as_ref());
        let messages = messages.chain([kernel]);
        for line in messages.flat_map(|kernel| kernel.message.lines()).map(without_addresses) {
            same(&format!("whether one of {said:?} is {line:?}"), &said.contains(&line), &true)?;
        }
        session.lacks(SHOWS_A)?;
        session.unpatch(livepatch)?;
        session.insmod(A)?;
        session.reads(SHOWS_A, &before)?;
        session.targets_go()?;
    }
    Ok(())
}

/// A message without the location, which x86_64 hashes, and the value, which depends on the
/// module's address.
fn without_addresses(line: &str) -> String {
    let mut words = line.split(' ').peekable();
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        kept.push(word);
        if (word == "loc" || word == "val") && words.next().is_some() {
            kept.push("*");
        }
    }
    kept.join(" ")
}
