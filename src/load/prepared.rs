//! A module and what is known about its kernel: all that a simulated load needs.

use klp_arch::Machine;

use super::{
    Loaded, Loader, Placement, Record, Refused, SimulatedKernel, TargetKernel, exports, scan,
};
use crate::elf::{Module, SymbolSection};
use crate::findings::{Error, MODULE_LAYOUT};
use crate::options::Options;
use crate::patch::{self, Tables};
use crate::symbols::{Answer, Sources, Wanted};
use crate::target;

/// A module that can be loaded at any addresses, any number of times.
#[derive(Debug)]
pub struct Prepared<'data> {
    /// The module, read as the kernel reads it.
    pub module: Module<'data>,
    /// Its machine.
    pub machine: &'static Machine,
    /// Its kernel.
    pub kernel: TargetKernel,
    /// What the sources know about the names that the load looks up.
    pub answer: Answer,
}

/// Reads a module, and asks the sources about its kernel. Uses only the options `target` and
/// `allow_stale_map`.
///
/// # Errors
/// [`Error`]: the file is not a module, it is for another kernel, or a source cannot be read.
pub fn prepare<'data>(
    data: &'data [u8],
    sources: &Sources,
    options: &Options,
) -> Result<Prepared<'data>, Error> {
    let module = Module::parse_as_kernel(data)?;
    let machine = target::machine(&module)?;
    let names = Wanted::new(wanted(&module, machine));
    let answer = sources.answer(&names.of_release(target::built_for(&module)))?;
    match target::same_kernel(&module, machine, &answer, options) {
        // A module that is not a livepatch does not need it.
        Err(Error::NoLivepatching) => {}
        other => other?,
    }
    let kernel = TargetKernel::of(machine, options.target, &module, Some(&answer));
    Ok(Prepared { module, machine, kernel, answer })
}

/// The names that the sources must be asked about before a module can be loaded.
pub(crate) fn wanted<'m>(module: &Module<'m>, machine: &'static Machine) -> Vec<&'m str> {
    let mut wanted: Vec<&str> = TargetKernel::wanted(machine).chain([MODULE_LAYOUT]).collect();
    wanted.extend(patch::names(&Tables::of(module, machine)));
    for symbol in module.symbols().skip(1) {
        match symbol.section {
            SymbolSection::Undefined => wanted.extend(std::str::from_utf8(symbol.name)),
            SymbolSection::Livepatch => wanted.extend(scan::looked_for(symbol.name)),
            _ => {}
        }
    }
    wanted.extend(exports::names(module));
    wanted
}

impl Prepared<'_> {
    /// Where the kernel usually puts modules.
    #[must_use]
    pub fn usual_placement(&self) -> Placement {
        Placement::usual(self.machine, &self.kernel)
    }

    /// The simulated kernel that the module is loaded into and whose objects come and go.
    #[must_use]
    pub fn known(&self) -> SimulatedKernel<'_> {
        SimulatedKernel::of(&self.answer, self.machine, &self.kernel)
    }

    /// Loads the module up to the call of its init function, and records every relocation.
    ///
    /// # Errors
    /// [`Refused`], with what the kernel says.
    pub fn load(&self, placement: &Placement) -> Result<Loaded<'_>, Refused> {
        self.load_recording(placement, Record::Everything, true)
    }

    /// Loads the module like [`load`](Self::load), and records relocations as asked: a record takes ten times
    /// the memory of what it is about. So does a finding: of each kind the first and the last one are reported, or
    /// `all`.
    ///
    /// # Errors
    /// [`Refused`], with what the kernel says.
    pub fn load_recording(
        &self,
        placement: &Placement,
        record: Record,
        all: bool,
    ) -> Result<Loaded<'_>, Refused> {
        let (machine, kernel) = (self.machine, &self.kernel);
        let loader = Loader { machine, kernel, placement, record };
        let loaded = loader.load_reporting(&self.module, &self.known(), all)?;
        kernel.receive(&self.module)?;
        Ok(loaded)
    }
}
