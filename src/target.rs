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
pub fn machine(module: &Module<'_>) -> Result<&'static Machine, Error> {
    let e_machine = module.machine();
    let machine = klp_arch::for_machine(e_machine).filter(|m| m.endian == module.endian());
    machine.ok_or(Error::Machine(e_machine))
}

/// The release that the module is built for, from its vermagic.
pub fn built_for<'m>(module: &Module<'m>) -> Option<&'m str> {
    let mut fields = module.vermagic()?.split(u8::is_ascii_whitespace);
    fields.find(|field| !field.is_empty())?.to_str().ok()
}

/// Checks that what the sources know about their kernel fits the module.
///
/// # Errors
/// [`Error::OtherMachine`] and [`Error::OtherRelease`] if it does not, and
/// [`Error::NoLivepatching`].
pub(crate) fn same_kernel(
    module: &Module<'_>,
    machine: &Machine,
    answer: &Answer,
    options: &Options,
) -> Result<(), Error> {
    let KernelIdentity { machine: e_machine, endian, release, kallsyms_all } = answer.kernel();
    if *kallsyms_all == Some(false) {
        return Err(Error::NoLivepatching);
    }
    let differs = e_machine.is_some_and(|e_machine| e_machine != module.machine())
        || endian.is_some_and(|endian| endian != module.endian());
    if differs {
        let known = e_machine.and_then(klp_arch::for_machine);
        let known = known.filter(|m| endian.is_none_or(|endian| m.endian == endian));
        let kernel = known.map_or("an unknown machine", |m| m.name).to_owned();
        return Err(Error::OtherMachine { module: machine.name, kernel });
    }
    match (built_for(module), release) {
        (Some(module), Some(kernel)) if module != kernel && !options.allow_stale_map => {
            let module = module.to_owned();
            Err(Error::OtherRelease { module, kernel: kernel.clone() })
        }
        _ => Ok(()),
    }
}
