//! Source files that no boot image has, from objects that are proven to be the kernel's: `symbols build --match`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use klp_arch::KernelVersion;
use klp_convert::convert::convert;
use klp_convert::diagnostic::Code;
use klp_convert::options::Options;
use klp_convert::symbols::{Map, Sources};
use serde_json::Value;
use tempfile::TempDir;

use super::CMDLINE;
use super::text::filled;
use crate::build;
use crate::case::Case;
use crate::failure::{Failure, same};
use crate::kernel::{Release, TestKernel, said};
use crate::session::Session;
use crate::workshop::{GuestFile, Workshop};

/// Its selectors name source files.
const LIVEPATCH: &str = "lp_selector_file";
/// The same in the guest, where the workshop's has files from vmlinux's symbol table.
const MATCHED: &str = "matched_selector_file";
/// Only ucount.c's function says that it has the set of a user namespace.
const SAYS: &str = "lp_selector_file: {vmlinux.set_is_seen,1} 0 {vmlinux.set_is_seen,2} 1 \
                    {vmlinux.set_root,2}\n";
/// Each symbol of its homonyms, in the order of positions: name and source file.
const FILES: [(&str, &str); 4] = [
    ("set_is_seen", "kernel/pid.c"),
    ("set_is_seen", "kernel/ucount.c"),
    ("set_root", "fs/namei.c"),
    ("set_root", "kernel/ucount.c"),
];

/// Every case of this kind.
pub(crate) fn all() -> Vec<Arc<dyn Case + Send>> {
    vec![Arc::new(Matched)]
}

struct Matched;

impl Case for Matched {
    fn name(&self) -> String {
        "match/selector-file".into()
    }

    fn shows(&self) -> String {
        "homonyms chosen by source files that a map of the boot image has from the build tree's objects; \
         without them `symbols lookup` shows none, and the livepatch is refused"
            .into()
    }

    fn unfit(&self, kernel: &TestKernel) -> Option<String> {
        let why = if kernel.modules.is_some() {
            "nobody here has its objects"
        } else if kernel.release == Release::Lto {
            "the objects of Clang's LTO are not code yet"
        } else if kernel.version < KernelVersion::new(6, 13) {
            "the homonyms are from other files in this kernel"
        } else {
            return None;
        };
        Some(why.into())
    }

    fn files(&self, workshop: &Workshop) -> Result<Vec<GuestFile>, Failure> {
        let (kernel, made) = (&workshop.kernel, TempDir::new()?);
        let (plain, matched) = (made.path().join("plain.map"), made.path().join("matched.map"));
        said(symbols("build").arg("--image").arg(&kernel.image).arg("-o").arg(&plain))?;
        let mut build = symbols("build");
        build.arg("--image").arg(&kernel.image).arg("--match").arg(&kernel.build);
        said(build.arg("-o").arg(&matched))?;
        let all = |known: bool| {
            FILES.map(|(name, file)| (name.to_owned(), known.then(|| file.to_owned()))).to_vec()
        };
        same("files of a boot image", &looked_up(&plain)?, &all(false))?;
        same("files with objects", &looked_up(&matched)?, &all(true))?;

        let livepatch = build::modules(kernel)?.join(LIVEPATCH).with_extension("ko");
        let livepatch = fs::read(livepatch)?;
        let options = Options::default();
        let Err(refused) = convert(&livepatch, &sources(&plain)?, &options) else {
            return Err("it is converted without source files".into());
        };
        let codes = refused.diagnostics(LIVEPATCH).into_iter().map(|diagnostic| diagnostic.code);
        same("why it is refused", &codes.collect(), &BTreeSet::from([Code::FilesUnknown]))?;
        let converted = convert(&livepatch, &sources(&matched)?, &options)?;
        let bytes = workshop.in_guest(converted.bytes.into_owned());
        Ok(vec![GuestFile { name: MATCHED.into(), bytes }])
    }

    fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let before = session.read(CMDLINE)?;
        let says = filled(SAYS, session)?;
        session.insmod(MATCHED)?;
        session.enabled(LIVEPATCH)?;
        session.reads(CMDLINE, &says)?;
        session.unpatch(LIVEPATCH)?;
        session.reads(CMDLINE, &before)
    }
}

/// A command about symbols.
fn symbols(command: &str) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_klp-convert"));
    program.args(["symbols", command, "--quiet"]);
    program
}

/// What `symbols lookup` shows of the homonyms: names and source files, in the order of positions.
fn looked_up(map: &Path) -> Result<Vec<(String, Option<String>)>, Failure> {
    let names: BTreeSet<_> = FILES.iter().map(|(name, _)| name).collect();
    let mut lookup = symbols("lookup");
    let text = said(lookup.arg("-s").arg(map).args(["--format", "json"]).args(names))?;
    let all: Value = serde_json::from_str(&text)?;
    let all = all.as_array().into_iter().flatten();
    let candidates = all.filter_map(|name| name["candidates"].as_array()).flatten();
    let pair = |candidate: &Value| {
        let text = |key: &str| candidate[key].as_str().map(str::to_owned);
        (text("name").unwrap_or_default(), text("file"))
    };
    Ok(candidates.map(pair).collect())
}

/// A map file as the only source.
fn sources(map: &Path) -> Result<Sources, Failure> {
    let mut sources = Sources::new();
    sources.push(Map::open(map)?);
    Ok(sources)
}
