//! The kernel that a module is for: its machine and release, compared with the sources'.

use bstr::ByteSlice;
use klp_arch::Machine;

use crate::elf::Module;
use crate::findings::Error;
use crate::options::Options;
use crate::symbols::{Answer, KernelIdentity};

/// A module's machine.
///
/// # Errors
/// [`Error::Machine`] if it is not supported.
pub fn backend(module: &Module<'_>) -> Result<&'static Machine, Error> {
    let machine = module.machine();
    let backend = klp_arch::for_machine(machine).filter(|b| b.endian == module.endian());
    backend.ok_or(Error::Machine(machine))
}

/// The release that the module is built for, from its vermagic.
pub fn built_for<'m>(module: &Module<'m>) -> Option<&'m str> {
    module.vermagic()?.fields().next()?.to_str().ok()
}

/// Checks that what the sources know about their kernel fits the module.
///
/// # Errors
/// [`Error::OtherMachine`] and [`Error::OtherRelease`] if it does not, and
/// [`Error::NoLivepatching`].
pub(crate) fn same_kernel(
    module: &Module<'_>,
    backend: &Machine,
    answer: &Answer,
    options: &Options,
) -> Result<(), Error> {
    let KernelIdentity { machine, endian, release, kallsyms_all } = answer.kernel();
    if *kallsyms_all == Some(false) {
        return Err(Error::NoLivepatching);
    }
    let differs = machine.is_some_and(|machine| machine != module.machine())
        || endian.is_some_and(|endian| endian != module.endian());
    if differs {
        let known = machine.and_then(klp_arch::for_machine);
        let known = known.filter(|b| endian.is_none_or(|endian| b.endian == endian));
        let kernel = known.map_or("an unknown machine", |b| b.name).to_owned();
        return Err(Error::OtherMachine { module: backend.name, kernel });
    }
    match (built_for(module), release) {
        (Some(module), Some(kernel)) if module != kernel && !options.allow_stale_map => {
            let module = module.to_owned();
            Err(Error::OtherRelease { module, kernel: kernel.clone() })
        }
        _ => Ok(()),
    }
}
