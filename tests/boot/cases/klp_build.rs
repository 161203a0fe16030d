//! A livepatch made by the kernel's own tools: `objtool klp diff` and `objtool klp post-link`.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use klp_convert::check::{self, Conclusion};
use klp_convert::convert::convert;
use klp_convert::diagnostic::{Code, Diagnostic};
use klp_convert::options::Options;

use super::{A, B, SHOWS_B};
use crate::case::Case;
use crate::failure::{Failure, same};
use crate::kernel::{Machine, REPOSITORY, Release, TestKernel};
use crate::session::Session;
use crate::workshop::{GuestFile, Workshop};

const FINISHED: &str = "klp_build";
const UNFINISHED: &str = "klp_build_unfinished";
/// The output of the patched function of module B.
const SAYS: &str = "klp_build: 193 193\n";

/// Every case of this kind.
pub(crate) fn all() -> Vec<Arc<dyn Case + Send>> {
    vec![Arc::new(KlpBuild)]
}

struct KlpBuild;

impl Case for KlpBuild {
    fn name(&self) -> String {
        "other-tools/klp-build".into()
    }

    fn shows(&self) -> String {
        "a livepatch of a module by the kernel's objtool: before it, after it, and again; refused by \
         convert and check before post-link"
            .into()
    }

    fn unfit(&self, kernel: &TestKernel) -> Option<String> {
        let here = kernel.machine == Machine::X86 && kernel.release == Release::Small72;
        (!here).then(|| {
            "objtool has 'klp' for x86_64 only, and since Linux 6.19; that of 7.2 is built".into()
        })
    }

    fn files(&self, workshop: &Workshop) -> Result<Vec<GuestFile>, Failure> {
        let made = tempfile::TempDir::new()?;
        let script = Path::new(REPOSITORY).join("tests/kernel/klp-build");
        let mut command = Command::new(script);
        let output = command.arg(&workshop.kernel.build).arg(made.path()).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        let read = |name: &str| std::fs::read(made.path().join(format!("{name}.ko")));
        let (finished, unfinished) = (read(FINISHED)?, read(UNFINISHED)?);
        let sources = workshop.map()?;
        let check = |bytes: &[u8]| check::check(bytes, &sources, &Options::default());
        same("check of a finished one", &check(&finished)?.conclusion(), &Conclusion::Loads)?;
        let verdict = check(&unfinished)?;
        same("check of an unfinished one", &verdict.conclusion(), &Conclusion::LoadsWrong)?;
        let code = |diagnostics: Vec<Diagnostic>| diagnostics.first().map(|first| first.code);
        let expected = Some(Code::UnfinishedKlpBuild);
        same("its code", &code(verdict.diagnostics(UNFINISHED)), &expected)?;
        let converted = convert(&unfinished, &sources, &Options::default());
        let refused = converted.err().map(|failure| failure.diagnostics(UNFINISHED));
        same("its conversion", &refused.and_then(code), &expected)?;
        Ok(vec![GuestFile { name: FINISHED.into(), bytes: finished }])
    }

    fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        session.targets_come()?;
        let before = session.read(SHOWS_B)?;
        session.patch(FINISHED)?;
        session.reads(SHOWS_B, SAYS)?;
        // Module A does not need B; it is unloaded first, as in other cases.
        session.rmmod(A)?;
        session.rmmod(B)?;
        session.lacks(SHOWS_B)?;
        session.insmod(B)?;
        session.reads(SHOWS_B, SAYS)?;
        session.unpatch(FINISHED)?;
        session.reads(SHOWS_B, &before)?;
        session.rmmod(B)?;
        session.patch(FINISHED)?;
        session.insmod(B)?;
        session.reads(SHOWS_B, SAYS)
    }
}
