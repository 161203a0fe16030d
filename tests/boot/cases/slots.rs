//! Stubs, PLT entries and GOT slots that klp relocations go through.

use std::sync::Arc;

use klp_arch::Calc;
use klp_convert::elf::SectionIndex;
use klp_convert::load::Relocated;

use super::text::filled;
use super::{CMDLINE, SHOWS_A, Story, fits};
use crate::case::Case;
use crate::failure::{Failure, same};
use crate::kernel::{Machine, TestKernel};
use crate::session::Session;

/// Every case of this kind.
pub(crate) fn all() -> Vec<Arc<dyn Case + Send>> {
    Story::cases(vec![
        Story {
            name: "slots/usual",
            shows: "calls from the usual module addresses: through stubs on ppc64le, through PLT \
                    entries \
                    where vmlinux is out of a branch's range, otherwise direct",
            unfit: fits,
            run: usual,
        },
        Story {
            name: "slots/plt",
            shows: "calls through PLT entries: of a module that is too far away (arm64), by the \
                    address of the entry (s390x)",
            unfit: without_plt,
            run: plt,
        },
    ])
}

fn without_plt(kernel: &TestKernel) -> Option<String> {
    match kernel.machine {
        Machine::X86 => Some(
            "the loader has no PLT: a branch reaches 2 GiB, and modules are never farther away"
                .into(),
        ),
        Machine::Ppc64le => Some("every call goes through a stub: see slots/usual".into()),
        Machine::S390x | Machine::Arm64 => None,
    }
}

/// The klp relocations of a loaded livepatch, from our load.
pub(crate) fn klp_relocations<'s>(
    session: &'s Session<'_>,
    livepatch: &str,
) -> Result<Vec<&'s Relocated>, Failure> {
    let module = session.workshop.module(livepatch)?;
    let is_klp = |r: &&Relocated| {
        let section = u32::try_from(r.section).ok().map(SectionIndex::new);
        let section = section.and_then(|section| module.section(section));
        section.is_some_and(|section| section.name.starts_with(b".klp.rela."))
    };
    Ok(session.loaded(livepatch)?.relocations().iter().filter(is_klp).collect())
}

/// How many klp relocations lead to the symbol's stub or PLT entry, rather than to the symbol.
fn through(session: &Session<'_>, livepatch: &str) -> Result<usize, Failure> {
    // The low bits decide; above a branch's there may be the next instruction.
    let leads = |r: &&&Relocated| {
        let distance =
            r.inputs.plt.map(|plt| plt.wrapping_add_signed(r.inputs.a).wrapping_sub(r.inputs.p));
        let distance = distance.map(|distance| distance >> r.row.shift & 0xffff);
        distance.is_some() && distance == r.patch.map(|p| p.value.cast_unsigned() & 0xffff)
    };
    Ok(klp_relocations(session, livepatch)?.iter().filter(leads).count())
}

/// Reach of a branch in bytes; 0 if all of them go through stubs.
fn reach(machine: Machine) -> u64 {
    match machine {
        Machine::Ppc64le => 0,
        Machine::Arm64 => 1 << 27,
        Machine::X86 => 1 << 31,
        Machine::S390x => 1 << 32,
    }
}

fn usual(session: &mut Session<'_>) -> Result<(), Failure> {
    session.patch("lp_many_sections")?;
    session.reads(CMDLINE, "lp_many_sections: 1\n")?;
    let reach = reach(session.workshop.kernel.machine);
    let relocations = klp_relocations(session, "lp_many_sections")?;
    // Apart from one pointer in data there are only calls.
    let calls: Vec<_> = relocations.iter().filter(|r| r.row.calc != Calc::Absolute).collect();
    let far = calls.iter().filter(|r| r.inputs.s.abs_diff(r.inputs.p) >= reach).count();
    same("whether it has calls", &calls.is_empty(), &false)?;
    same("calls through an entry", &through(session, "lp_many_sections")?, &far)?;
    session.unpatch("lp_many_sections")
}

fn plt(session: &mut Session<'_>) -> Result<(), Failure> {
    if session.workshop.kernel.machine == Machine::S390x {
        by_address(session)
    } else {
        far(session)
    }
}

/// s390x: the branch is direct, but data hold the distance to the entry.
fn by_address(session: &mut Session<'_>) -> Result<(), Failure> {
    session.patch("lp_plt")?;
    same("whether data lead to the entry", &(through(session, "lp_plt")? > 0), &true)?;
    let entries: Vec<_> =
        klp_relocations(session, "lp_plt")?.iter().filter_map(|r| r.inputs.plt).collect();
    let entry = entries.first().copied().ok_or("no PLT entry")?;
    let says = filled(&format!("lp_plt: {entry:016x} {{vmlinux.nr_processes,1}} 1\n"), session)?;
    session.reads(CMDLINE, &says)?;
    session.unpatch("lp_plt")
}

/// arm64: nearby memory is used up, so livepatches and their targets lie beyond reach.
fn far(session: &mut Session<'_>) -> Result<(), Failure> {
    let says = filled("lp_vmlinux_inferred: 1 {/proc/cmdline}\n", session)?;
    session.insmod("lp_window")?;
    session.write("/sys/module/lp_window/parameters/taken", "1")?;
    session.patch("lp_vmlinux_inferred")?;
    session.reads(CMDLINE, &says)?;
    same("calls through PLT entries", &through(session, "lp_vmlinux_inferred")?, &1)?;
    session.unpatch("lp_vmlinux_inferred")?;
    session.patch("lp_thousand")?;
    let calls = through(session, "lp_thousand")?;
    same("256 calls through PLT entries", &(calls >= 256), &true)?;
    session.unpatch("lp_thousand")?;
    session.patch("lp_module_symbols")?;
    for _ in 0..3 {
        session.targets_come()?;
        session.reads(
            SHOWS_A,
            "lp_module_symbols: hidden 162 count 162 exported 163 163 homonym 2 161\n",
        )?;
        session.targets_go()?;
    }
    session.unpatch("lp_module_symbols")?;
    session.rmmod("lp_window")
}
