//! Positions as the kernel counts them in a lookup, compared with our maps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use klp_convert::name::ObjectName;
use klp_convert::symbols::{Answer, BootImage, Candidate, Sources};

use super::{A, B, Story, fits};
use crate::case::Case;
use crate::failure::{Failure, same};
use crate::session::Session;

/// Every case of this kind.
pub(crate) fn all() -> Vec<Arc<dyn Case + Send>> {
    Story::cases(vec![
        Story {
            name: "positions/vmlinux",
            shows: "each name of vmlinux occurs in /proc/kallsyms as often as in the author's map, \
                    in the same order and at the same addresses",
            unfit: fits,
            run: |session| compare_vmlinux(session, &session.workshop.sources()),
        },
        Story {
            name: "positions/image",
            shows: "the same, with a map built from the boot image alone",
            unfit: fits,
            run: image,
        },
        Story {
            name: "positions/modules",
            shows: "each name of a live module has the position that the map of its file gives it",
            unfit: fits,
            run: modules,
        },
    ])
}

fn image(session: &mut Session<'_>) -> Result<(), Failure> {
    let mut sources = Sources::new();
    sources.push(BootImage::new(&session.workshop.kernel.image));
    compare_vmlinux(session, &sources)
}

fn modules(session: &mut Session<'_>) -> Result<(), Failure> {
    for object in [B, A] {
        session.insmod(object)?;
        let owner = object.parse()?;
        let theirs = session.memory.symbols.names(object);
        // Maps leave mapping symbols out.
        let theirs: BTreeSet<_> = theirs.filter(|name| !name.starts_with('$')).collect();
        let answer = session.workshop.sources().answer(&theirs.iter().copied().collect())?;
        let loaded = session.loaded(object)?;
        let sections: BTreeMap<_, _> =
            loaded.sections().map(|(name, _, address, _)| (name.to_vec(), address)).collect();
        for name in theirs {
            let live = answer.candidates_in(name, &owner).filter(|c| c.live_position.is_some());
            let address = |candidate: &Candidate| {
                let section = candidate.section.as_deref().unwrap_or_default();
                let start = sections.get(section.as_bytes()).copied();
                start.zip(candidate.address).map(|(start, offset)| start.wrapping_add(offset))
            };
            let ours: Vec<_> = live.map(address).collect();
            let theirs = session.memory.symbols.addresses(object, name);
            let theirs: Vec<_> = theirs.into_iter().map(Some).collect();
            same(&format!("where {name} of {object} is"), &theirs, &ours)?;
        }
    }
    Ok(())
}

/// Letters and addresses of a name in vmlinux, in the order of positions.
fn candidates(answer: &Answer, name: &str) -> Result<Vec<(Option<u8>, u64)>, Failure> {
    let address = |candidate: &Candidate| {
        let address = candidate.address.ok_or_else(|| format!("{name} has no address"))?;
        Ok((candidate.letter, address))
    };
    answer.candidates_in(name, &ObjectName::vmlinux()).map(address).collect()
}

fn compare_vmlinux(session: &Session<'_>, sources: &Sources) -> Result<(), Failure> {
    let running = &session.memory.symbols;
    let names: BTreeSet<_> = running.names("vmlinux").collect();
    let answer = sources.answer(&names.iter().copied().collect())?;
    // A kernel at a random address has all its symbols shifted by one distance, except those that
    // are not addresses.
    let start = candidates(&answer, "_stext")?;
    let shift =
        session.address("vmlinux", "_stext")?.wrapping_sub(start.first().map_or(0, |s| s.1));
    let (mut homonyms, mut wrong) = (0, Vec::new());
    for name in &names {
        let ours = candidates(&answer, name)?;
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
