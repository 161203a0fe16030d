//! Kernels that cannot write a relocation twice refuse a patched module that comes again.

use std::sync::Arc;

use super::{A, B, SHOWS_A, Story};
use crate::case::Case;
use crate::failure::{Failure, same};
use crate::kernel::TestKernel;
use crate::session::Session;

/// Every case of this kind.
pub(crate) fn all() -> Vec<Arc<dyn Case + Send>> {
    Story::cases(vec![Story {
        name: "module/again",
        shows: "kernels that take no relocation back refuse a patched module that comes again, as our \
                load of the livepatch does",
        unfit,
        run,
    }])
}

fn unfit(kernel: &TestKernel) -> Option<String> {
    kernel.writes_again().then(|| "the kernel writes them again: see the cases of module/*".into())
}

fn run(session: &mut Session<'_>) -> Result<(), Failure> {
    session.targets_come()?;
    let before = session.read(SHOWS_A)?;
    session.targets_go()?;
    for livepatch in ["lp_module_symbols", "lp_late_sections"] {
        session.patch(livepatch)?;
        session.targets_come()?;
        same("patched", &(session.read(SHOWS_A)? != before), &true)?;
        session.targets_go()?;
        session.insmod(B)?;
        let refused = session.insmod_refused(A)?;
        let predicted = session.memory.refuses(livepatch, A)?;
        same("errno", &Some(refused.errno), &predicted.errno().map(|errno| errno.number().into()))?;
        let said: Vec<_> = refused.log.lines().map(without_addresses).collect();
        let messages = predicted.0.iter().filter_map(|error| error.kernel.as_ref());
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

/// A message without the place, which x86_64 scrambles, and the value, which depends on where the
/// module would have been.
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
