//! A livepatch made by the kernel's own tools: `objtool klp diff`, and `objtool klp post-link` or ours.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use klp_convert::check::{self, Conclusion};
use klp_convert::convert::convert;
use klp_convert::diagnostic::{Code, Diagnostic};
use klp_convert::elf::{Module, Rela, SectionFlags, SymbolSection};
use klp_convert::options::Options;

use super::{A, B, SHOWS_B};
use crate::case::Case;
use crate::failure::{Failure, same};
use crate::kernel::{Machine, REPOSITORY, Release, TestKernel};
use crate::session::Session;
use crate::workshop::{GuestFile, Workshop};

const FINISHED: &str = "klp_build";
const UNFINISHED: &str = "klp_build_unfinished";
const OURS: &str = "klp_build_ours";
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
        "a livepatch of a module by the kernel's objtool, finished by it and by us with the same klp \
         relocations: before the module, after it, and again; refused by check before that"
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
        let ours = convert(&unfinished, &sources, &Options::default())?.bytes.into_owned();
        same("klp relocations", &klp_relocations(&ours)?, &klp_relocations(&finished)?)?;
        same("check of ours", &check(&ours)?.conclusion(), &Conclusion::Loads)?;
        let keep = Options { keep_intermediates: true, ..Options::default() };
        let kept = convert(&unfinished, &sources, &keep)?.bytes.into_owned();
        same("symbols, if we keep what objtool keeps", &symbols(&kept)?, &symbols(&finished)?)?;
        let files = [(FINISHED, finished), (OURS, ours)];
        Ok(files.map(|(name, bytes)| GuestFile { name: name.into(), bytes }).into())
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
        session.insmod(OURS)?;
        session.enabled(FINISHED)?;
        session.insmod(B)?;
        session.reads(SHOWS_B, SAYS)
    }
}

/// Section, location, type, symbol and addend of each klp relocation.
fn klp_relocations(bytes: &[u8]) -> Result<Vec<String>, Failure> {
    let module = Module::parse(bytes)?;
    let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    let mut all = Vec::new();
    for table in module.relocation_sections() {
        if !table.sh_flags.contains(SectionFlags::RELA_LIVEPATCH) {
            continue;
        }
        for Rela { offset, symbol, kind, addend } in module.relocations(table.index) {
            let symbol = module.symbol(symbol).map(|symbol| text(symbol.name));
            all.push(format!("{} {offset:#x} {kind} {symbol:?} {addend}", text(table.name)));
        }
    }
    Ok(all)
}

/// Every symbol and where it is defined.
fn symbols(bytes: &[u8]) -> Result<Vec<String>, Failure> {
    let module = Module::parse(bytes)?;
    let section = |section| match section {
        SymbolSection::Defined(index) => {
            let section = module.section(index).map(|section| section.name);
            String::from_utf8_lossy(section.unwrap_or_default()).into_owned()
        }
        other => format!("{other:?}"),
    };
    // objcopy has removed one from what objtool gets.
    let symbols = module
        .symbols()
        .map(|symbol| (String::from_utf8_lossy(symbol.name).into_owned(), section(symbol.section)));
    let symbols = symbols.filter(|(_, section)| section != ".BTF");
    let mut symbols: Vec<_> = symbols.map(|(name, section)| format!("{name} {section}")).collect();
    symbols.sort();
    Ok(symbols)
}
