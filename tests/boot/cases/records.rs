//! Livepatches as objtool and kpatch leave them to their last step, finished by us: on four machines, of which objtool
//! has one.

use std::sync::Arc;

use klp_convert::convert::convert;
use klp_convert::options::Options;

use super::generator::{Generation, kpatch, objtool};
use super::{A, B, SHOWS_A};
use crate::case::Case;
use crate::failure::Failure;
use crate::session::Session;
use crate::workshop::{GuestFile, Workshop};

/// The livepatch that is taken apart, and what a function of module A says then.
const WHOLE: &str = "lp_module_symbols";
const SAYS: &str = "lp_module_symbols: hidden 162 count 162 exported 163 163 homonym 2 161\n";

/// Every case of this kind.
pub(crate) fn all() -> Vec<Arc<dyn Case + Send>> {
    ["objtool", "objtool-6.19", "kpatch"].map(|tool| Arc::new(Records(tool)) as _).into()
}

/// Of this tool.
struct Records(&'static str);

impl Records {
    fn file(&self) -> String {
        format!("records_{}", self.0)
    }
}

impl Case for Records {
    fn name(&self) -> String {
        format!("other-tools/records-{}", self.0)
    }

    fn shows(&self) -> String {
        format!("records of {} for symbols of a module, in the byte order of another host", self.0)
    }

    fn files(&self, workshop: &Workshop) -> Result<Vec<GuestFile>, Failure> {
        let finished = workshop.file(WHOLE)?;
        let machine = workshop.kernel.machine.backend();
        let big = !machine.endian.is_little();
        let intermediate = match self.0 {
            "objtool" => objtool(machine, finished, Generation::Gate, !big),
            "objtool-6.19" => objtool(machine, finished, Generation::Owner, !big),
            _ => kpatch(machine, finished, !big),
        };
        let converted = convert(&intermediate, &workshop.map()?, &Options::default())?;
        Ok(vec![GuestFile { name: self.file(), bytes: converted.bytes.into_owned() }])
    }

    fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        session.targets_come()?;
        let before = session.read(SHOWS_A)?;
        session.insmod(&self.file())?;
        session.enabled(WHOLE)?;
        session.reads(SHOWS_A, SAYS)?;
        session.unpatch(WHOLE)?;
        session.reads(SHOWS_A, &before)?;
        // Loaded anew, and the module comes after it: not each kernel lets a patched module come twice.
        session.rmmod(A)?;
        session.rmmod(B)?;
        session.insmod(&self.file())?;
        session.enabled(WHOLE)?;
        session.insmod(A)?;
        session.reads(SHOWS_A, SAYS)
    }
}
