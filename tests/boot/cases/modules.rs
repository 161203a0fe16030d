//! Livepatches of module A: with the module loaded before them, and reloaded after them.

use std::collections::BTreeSet;
use std::sync::Arc;

use klp_arch::KernelVersion;
use klp_convert::findings::Reload;
use scroll::Endian;

use super::text::filled;
use super::{A, B, SHOWS_A, SHOWS_B, Story, fits};
use crate::case::Case;
use crate::failure::{Failure, same};
use crate::kernel::{Machine, Release, TestKernel};
use crate::prediction;
use crate::session::Session;

/// Every case of this kind.
pub(crate) fn all() -> Vec<Arc<dyn Case + Send>> {
    let both = |value| [Arc::new(Early(value)) as Arc<dyn Case + Send>, Arc::new(Late(value)) as _];
    VALUES.iter().flat_map(both).chain(Story::cases(stories())).collect()
}

/// A livepatch and the output of the patched function of module A.
struct Value {
    name: &'static str,
    shows: &'static str,
    livepatch: &'static str,
    says: &'static str,
    unfit: fn(&TestKernel) -> Option<String>,
}

fn neighbours(kernel: &TestKernel) -> Option<String> {
    let why = "two set_is_seen are next to a set_root in this kernel";
    (kernel.version < KernelVersion::new(6, 13)).then(|| why.into())
}

fn dots(kernel: &TestKernel) -> Option<String> {
    if kernel.release == Release::Lto {
        return Some(
            "Clang numbers no variables of functions, but puts the function's name in front".into(),
        );
    }
    let other = kernel.version < KernelVersion::new(6, 13) && kernel.machine == Machine::S390x;
    other.then(|| "the compiler has called bootid_spinlock.0 otherwise in this kernel".into())
}

/// klp-convert refuses it there.
fn plain_stores(kernel: &TestKernel) -> Option<String> {
    let why = "KLP-E0306: the loader stores to data directly even after init, when this section is \
               read-only";
    (kernel.machine == Machine::Ppc64le).then(|| why.into())
}

static VALUES: [Value; 8] = [
    Value {
        name: "symbols",
        shows: "static, global and exported symbols of a module, and homonyms of it",
        livepatch: "lp_module_symbols",
        says: "lp_module_symbols: hidden 162 count 162 exported 163 163 homonym 2 161\n",
        unfit: fits,
    },
    Value {
        name: "homonyms",
        shows: "both homonyms of names of vmlinux and of a module, with different values",
        livepatch: "lp_homonym_values",
        says: "lp_homonym_values: 0 {vmlinux.trace_module_notify,1} \
               1 {vmlinux.trace_module_notify,2} 1 2 161 177\n",
        unfit: fits,
    },
    Value {
        name: "two-owners",
        shows: "one name in vmlinux and in a module",
        livepatch: "lp_two_owners",
        says: "lp_two_owners: livepatch 160\n",
        unfit: fits,
    },
    Value {
        name: "cross",
        shows: "symbols of module B used by code that patches module A",
        livepatch: "lp_cross_module",
        says: "lp_cross_module: 193 193\n",
        unfit: fits,
    },
    Value {
        name: "dotted-names",
        shows: "names with dots in vmlinux and in a module",
        livepatch: "lp_dotted_names",
        says: "lp_dotted_names: bootid_spinlock.0 {vmlinux.bootid_spinlock.0,1} \
               lock.1 {vmlinux.lock.1,2} A 12345 A 67890\n",
        unfit: dots,
    },
    Value {
        name: "selector-neighbour",
        shows: "homonyms of vmlinux and of a module chosen by their neighbours",
        livepatch: "lp_selector_neighbour",
        says: "lp_selector_neighbour: 1 2 a1\n",
        unfit: neighbours,
    },
    Value {
        name: "sections",
        shows: "a module's symbols from two text sections, .data and constant data of two objects",
        livepatch: "lp_late_sections",
        says: "lp_late_sections 1: 162 163 1 1 1\nlp_late_sections 2: 164 162 1 2\n",
        unfit: fits,
    },
    Value {
        name: "ro-after-init",
        shows: "a module's symbols from __ro_after_init",
        livepatch: "lp_late_ro_after_init",
        says: "lp_late_ro_after_init: 163 162\n",
        unfit: plain_stores,
    },
];

/// The modules are loaded before the livepatch.
struct Early(&'static Value);

impl Case for Early {
    fn name(&self) -> String {
        format!("module/{}/before", self.0.name)
    }

    fn shows(&self) -> String {
        format!("{}; the modules are loaded before the livepatch", self.0.shows)
    }

    fn unfit(&self, kernel: &TestKernel) -> Option<String> {
        (self.0.unfit)(kernel)
    }

    fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        session.targets_come()?;
        let before = session.read(SHOWS_A)?;
        let says = filled(self.0.says, session)?;
        for _ in 0..2 {
            session.patch(self.0.livepatch)?;
            session.reads(SHOWS_A, &says)?;
            session.disable(self.0.livepatch)?;
            session.reads(SHOWS_A, &before)?;
            session.rmmod(self.0.livepatch)?;
            session.reads(SHOWS_A, &before)?;
        }
        session.targets_go()
    }
}

/// The modules are loaded after the livepatch, and reloaded if the kernel allows it.
struct Late(&'static Value);

impl Case for Late {
    fn name(&self) -> String {
        format!("module/{}/after", self.0.name)
    }

    fn shows(&self) -> String {
        format!("{}; the modules are loaded after the livepatch, and reloaded", self.0.shows)
    }

    fn unfit(&self, kernel: &TestKernel) -> Option<String> {
        (self.0.unfit)(kernel)
    }

    fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        session.targets_come()?;
        let before = session.read(SHOWS_A)?;
        session.targets_go()?;
        session.patch(self.0.livepatch)?;
        let says = filled(self.0.says, session)?;
        session.lacks(SHOWS_A)?;
        session.targets_come()?;
        session.reads(SHOWS_A, &says)?;
        // Other kernels refuse the reload: see module/again.
        if session.workshop.kernel.writes_again() {
            session.rmmod(A)?;
            session.lacks(SHOWS_A)?;
            session.insmod(A)?;
            current(session, self.0.livepatch)?;
            session.reads(SHOWS_A, &says)?;
            session.targets_go()?;
            session.targets_come()?;
            current(session, self.0.livepatch)?;
            session.reads(SHOWS_A, &says)?;
        }
        session.disable(self.0.livepatch)?;
        session.reads(SHOWS_A, &before)?;
        session.rmmod(self.0.livepatch)?;
        session.reads(SHOWS_A, &before)?;
        session.targets_go()
    }
}

/// Fails if the kernel left an old address in a slot, which must not be followed.
fn current(session: &Session<'_>, livepatch: &str) -> Result<(), Failure> {
    same("slots that keep an old address", &stale_slots(session, livepatch)?, &0)
}

/// Slots with another address than their symbol's.
fn stale_slots(session: &Session<'_>, livepatch: &str) -> Result<usize, Failure> {
    let loaded = session.loaded(livepatch)?;
    let endian = session.workshop.kernel.machine.backend().endian;
    let holds = |slot| {
        let bytes = *loaded.bytes_at(slot)?.first_chunk()?;
        let big = endian == Endian::Big;
        Some(if big { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) })
    };
    // The last write to each location is its current contents.
    let mut seen = BTreeSet::new();
    let now = loaded.relocations().iter().rev().filter(|r| seen.insert(r.inputs.p));
    let slots = now.filter_map(|r| r.inputs.got_slot.and_then(holds).zip(Some(r.inputs.s)));
    Ok(slots.filter(|(held, address)| held != address).count())
}

fn stories() -> Vec<Story> {
    vec![
        Story {
            name: "module/two-targets",
            shows: "vmlinux, module A and module B patched at once, A and B loaded and unloaded in \
                    turn",
            unfit: fits,
            run: two_targets,
        },
        Story {
            name: "module/moved",
            shows: "module A reloaded at another address; slots of s390x keep the old one, as \
                    KLP-W0814 warns, and are not followed here",
            unfit: returns_not,
            run: moved,
        },
        Story {
            name: "module/owner-missing",
            shows: "module A is refused while module B, whose symbols its patch needs, is not \
                    loaded",
            unfit: fits,
            run: owner_missing,
        },
    ]
}

fn two_targets(session: &mut Session<'_>) -> Result<(), Failure> {
    const LIVEPATCH: &str = "lp_two_targets";
    const SAYS: [(&str, &str); 3] = [
        (super::CMDLINE, "lp_two_targets: vmlinux 1\n"),
        (SHOWS_A, "lp_two_targets: A 1 163 162\n"),
        (SHOWS_B, "lp_two_targets: B 1 193 193\n"),
    ];
    session.targets_come()?;
    let mut before = Vec::new();
    for (path, _) in SAYS {
        before.push(session.read(path)?);
    }
    session.patch(LIVEPATCH)?;
    SAYS.iter().try_for_each(|(path, says)| session.reads(path, says))?;
    session.unpatch(LIVEPATCH)?;
    session.targets_go()?;

    session.patch(LIVEPATCH)?;
    // The module that is loaded or unloaded.
    let turns: &[_] = if session.workshop.kernel.writes_again() {
        &[A, B, A, A, B, B, A, B, A, B]
    } else {
        &[B, A]
    };
    for (step, &module) in turns.iter().enumerate() {
        if session.guest.run(&format!("[ -e /sys/module/{module} ]"))?.status == 0 {
            session.rmmod(module)?;
        } else {
            session.insmod(module)?;
        }
        current(session, LIVEPATCH)?;
        for (path, says) in SAYS {
            if session.guest.run(&format!("[ -e {path} ]"))?.status == 0 {
                session.reads(path, says).map_err(|why| why.during(format!("step {step}")))?;
            }
        }
    }
    session.unpatch(LIVEPATCH)?;
    for ((path, _), before) in SAYS.iter().zip(&before) {
        session.reads(path, before)?;
    }
    session.targets_go()
}

fn returns_not(kernel: &TestKernel) -> Option<String> {
    let why = "the kernel refuses a patched module that is reloaded: see module/again";
    (!kernel.writes_again()).then(|| why.into())
}

fn moved(session: &mut Session<'_>) -> Result<(), Failure> {
    const LIVEPATCH: &str = "lp_two_owners";
    const SAYS: &str = "lp_two_owners: livepatch 160\n";
    session.patch(LIVEPATCH)?;
    session.targets_come()?;
    session.reads(SHOWS_A, SAYS)?;
    let before = session.address(A, "klp_target_a_show")?;
    session.targets_go()?;
    session.insmod(A)?;
    // Until others occupy its old address.
    for other in [B, "lp_many_sections", "lp_function_pointers", "lp_thousand"] {
        if session.address(A, "klp_target_a_show")? == before {
            session.rmmod(A)?;
            session.insmod(other)?;
            session.insmod(A)?;
        }
    }
    same("moved", &(session.address(A, "klp_target_a_show")? != before), &true)?;
    let stale = stale_slots(session, LIVEPATCH)?;
    let reloads = prediction::reloads(session.workshop, LIVEPATCH)?;
    let warns = |reload: &Reload| reload.survives == 0 && reload.object.as_str() == A;
    same("whether check warns of it", &reloads.iter().any(warns), &(stale > 0))?;
    if session.workshop.kernel.machine == Machine::S390x {
        same("whether slots keep the old address", &(stale > 0), &true)?;
    } else {
        same("slots that keep the old address", &stale, &0)?;
        session.reads(SHOWS_A, SAYS)?;
    }
    session.unpatch(LIVEPATCH)?;
    session.rmmod(A)
}

fn owner_missing(session: &mut Session<'_>) -> Result<(), Failure> {
    session.patch("lp_cross_module")?;
    let refused = session.insmod_refused(A)?;
    same("errno", &refused.errno, &22)?;
    let says = "patch 'lp_cross_module' failed for module 'klp_target_a', refusing to load module";
    same("the kernel says so", &refused.log.contains(says), &true)?;
    session.lacks(SHOWS_A)?;
    session.targets_come()?;
    session.reads(SHOWS_A, "lp_cross_module: 193 193\n")?;
    session.targets_go()?;
    session.unpatch("lp_cross_module")
}
