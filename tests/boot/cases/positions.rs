//! What the kernel counts when it looks a name up, against what our maps count.

use std::collections::BTreeSet;
use std::sync::Arc;

use klp_convert::symbols::{Answer, BootImage, Sources};

use crate::case::Case;
use crate::failure::{Failure, same};
use crate::session::Session;

/// Every case of this kind.
pub(crate) fn all() -> Vec<Arc<dyn Case + Send>> {
    vec![Arc::new(Vmlinux), Arc::new(Image), Arc::new(Modules)]
}

/// The author's sources.
struct Vmlinux;

impl Case for Vmlinux {
    fn name(&self) -> String {
        "positions/vmlinux".into()
    }

    fn shows(&self) -> String {
        "each name of vmlinux in /proc/kallsyms is as often, in the order and at the addresses of the author's map".into()
    }

    fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        compare_vmlinux(session, &session.workshop.sources())
    }
}

/// The boot image alone.
struct Image;

impl Case for Image {
    fn name(&self) -> String {
        "positions/image".into()
    }

    fn shows(&self) -> String {
        "the same, with a map made of the boot image alone".into()
    }

    fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let mut sources = Sources::new();
        sources.push(BootImage::new(&session.workshop.kernel.image));
        compare_vmlinux(session, &sources)
    }
}

/// The modules that livepatches patch.
struct Modules;

impl Case for Modules {
    fn name(&self) -> String {
        "positions/modules".into()
    }

    fn shows(&self) -> String {
        "the same of live modules".into()
    }

    fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        for object in ["klp_target_b", "klp_target_a"] {
            session.insmod(object)?;
            let theirs = session.memory.symbols.names(object);
            // Mapping symbols are nobody's; maps leave them out.
            let theirs: BTreeSet<_> = theirs.filter(|name| !name.starts_with('$')).collect();
            let answer = session.workshop.sources().answer(&theirs.iter().copied().collect())?;
            for name in theirs {
                let ours = candidates(&answer, object, name, |c| c.live_position.is_some())?;
                let addresses = session.memory.symbols.addresses(object, name);
                same(&format!("how many {name} of {object}"), &addresses.len(), &ours.len())?;
            }
        }
        Ok(())
    }
}

/// Addresses of a name in an object, in the order of positions.
fn candidates(
    answer: &Answer,
    object: &str,
    name: &str,
    wanted: impl Fn(&klp_convert::symbols::Candidate) -> bool,
) -> Result<Vec<(Option<u8>, u64)>, Failure> {
    let object = object.parse()?;
    let candidates = answer.candidates_in(name, &object).filter(|candidate| wanted(candidate));
    candidates
        .map(|candidate| {
            let address = candidate.address.ok_or_else(|| format!("{name} has no address"))?;
            Ok((candidate.letter, address))
        })
        .collect()
}

fn compare_vmlinux(session: &Session<'_>, sources: &Sources) -> Result<(), Failure> {
    let running = &session.memory.symbols;
    let names: BTreeSet<_> = running.names("vmlinux").collect();
    let answer = sources.answer(&names.iter().copied().collect())?;
    // A kernel that lies at a random address has all of its symbols moved by one distance, but for
    // what is no address.
    let start = candidates(&answer, "vmlinux", "_stext", |_| true)?;
    let shift =
        session.address("vmlinux", "_stext")?.wrapping_sub(start.first().map_or(0, |s| s.1));
    let (mut homonyms, mut wrong) = (0, Vec::new());
    for name in &names {
        let ours = candidates(&answer, "vmlinux", name, |_| true)?;
        let moved = |&(letter, address): &(Option<u8>, u64)| match letter {
            Some(b'A' | b'a') => address,
            _ => address.wrapping_add(shift),
        };
        let ours: Vec<_> = ours.iter().map(moved).collect();
        let theirs = running.addresses("vmlinux", name);
        homonyms += usize::from(theirs.len() > 1);
        if ours != theirs {
            wrong.push(format!("{name}: {ours:x?}, the kernel has {theirs:x?}"));
        }
    }
    // Fewer would be no proof.
    same("whether there are 200 homonyms", &(homonyms >= 200), &true)?;
    same(
        &format!(
            "how many of {} names differ: {}",
            names.len(),
            wrong[..wrong.len().min(5)].join("; ")
        ),
        &wrong.len(),
        &0,
    )
}
