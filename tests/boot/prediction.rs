//! The library's prediction of what a kernel does with a wrong module.
//!
//! It uses what an author has: the map of the kernel and of the patched modules, which prove its
//! properties. For a module of another release they prove nothing: its `TargetKernel::vermagic` is
//! that of a module that loads.

use klp_convert::check::{self, Conclusion, Judge};
use klp_convert::elf::Module;
use klp_convert::findings::Reload;
use klp_convert::load::{
    Loader, ObjectState, Placement, Record, Refused, SimulatedKernel, TargetKernel,
};
use klp_convert::name::ObjectName;
use klp_convert::options::Options;
use klp_convert::patch::PatchedObjects;
use klp_convert::symbols::Wanted;

use crate::failure::Failure;
use crate::workshop::Workshop;
use crate::wrong::Good;

/// Which other modules are loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// None that it patches.
    Alone,
    /// The modules that it patches.
    Enabled,
    /// The module, and then the one that it patches.
    Arriving,
}

/// The kernel's message and errno.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) errno: u32,
    pub(crate) lines: Vec<String>,
}

/// The result of `check`.
#[derive(Debug)]
pub(crate) struct Checked {
    /// `None`: it is not for this kernel at all.
    pub(crate) conclusion: Option<Conclusion>,
    /// All kernel messages.
    pub(crate) says: String,
}

/// The modules that relocations of a livepatch may wait for.
const TARGETS: [&str; 2] = ["klp_target_b", "klp_target_a"];

/// The kernel's message, if it refuses the module or the one that it patches.
pub(crate) fn words(
    workshop: &Workshop,
    good: &Good,
    bytes: &[u8],
    when: When,
) -> Result<Option<Words>, Failure> {
    let module = Module::parse_as_kernel(bytes)?;
    let backend = workshop.kernel.machine.backend();
    // A module of another machine has no names for this kernel.
    let wanted = Wanted::new(Judge::wanted(&module).unwrap_or_default());
    let answer = workshop.map()?.answer(&wanted)?;
    let mut kernel = TargetKernel::of(backend, Options::default().target, &module, Some(&answer));
    kernel.vermagic = Some(good.vermagic().to_owned());
    let in_state = |state| {
        let mut known = SimulatedKernel::new(&answer);
        TARGETS.iter().for_each(|target| known.set_state(object(target), state));
        known
    };
    let placement = Placement::usual(backend, &kernel);
    let record = Record::Nothing;
    let loader = Loader { machine: backend, kernel: &kernel, placement: &placement, record };
    let absent = if when == When::Enabled { ObjectState::Live } else { ObjectState::Absent };
    let [_, target] = TARGETS.map(object);
    let tried = loader.load(&module, &in_state(absent)).and_then(|mut loaded| {
        kernel.receive(&module)?;
        loaded.enable(&in_state(absent))?;
        match when {
            When::Alone => Ok(()),
            When::Enabled => loaded.gate_arrives(&target, &in_state(ObjectState::Live)),
            When::Arriving => {
                loaded.free_init();
                let mut known = in_state(ObjectState::Live);
                known.set_state(target.clone(), ObjectState::Coming);
                loaded.gate_arrives(&target, &known)
            }
        }
    });
    tried.err().map(|refused| in_words(&refused)).transpose()
}

fn in_words(refused: &Refused) -> Result<Words, Failure> {
    let errno = refused.errno().ok_or_else(|| format!("the kernel would not notice: {refused}"))?;
    let messages = refused.0.iter().filter_map(|error| error.kernel.as_ref());
    let lines = messages.flat_map(|kernel| kernel.message.lines().map(str::to_owned)).collect();
    Ok(Words { errno: errno.number().into(), lines })
}

/// Checks a livepatch of vmlinux and of module A.
pub(crate) fn check(workshop: &Workshop, bytes: &[u8]) -> Result<Checked, Failure> {
    let patched = PatchedObjects { objects: [object("klp_target_a")].into() };
    let options = Options { patched, ..Options::default() };
    Ok(match check::check(bytes, &workshop.map()?, &options) {
        Err(why) => Checked { conclusion: None, says: why.to_string() },
        Ok(verdict) => {
            let helps = verdict.diagnostics("").into_iter().flat_map(|diagnostic| diagnostic.help);
            let says: Vec<_> = helps.filter(|help| help.starts_with("the kernel says")).collect();
            Checked { conclusion: Some(verdict.conclusion()), says: says.join("\n") }
        }
    })
}

/// The reload warnings of `check` about the modules that a livepatch patches; the livepatch must
/// load.
pub(crate) fn reloads(workshop: &Workshop, livepatch: &str) -> Result<Vec<Reload>, Failure> {
    let bytes = workshop.file(livepatch)?;
    let verdict = check::check(bytes, &workshop.map()?, &Options::default())
        .map_err(|why| format!("{livepatch}: {why}"))?;
    match verdict.conclusion() {
        Conclusion::Loads => Ok(verdict.reloads().cloned().collect()),
        other => Err(format!("{livepatch}: check says {other}").into()),
    }
}

fn object(name: &str) -> ObjectName {
    name.parse().unwrap()
}
