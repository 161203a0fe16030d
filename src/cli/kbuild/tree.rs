//! `klp-convert kbuild --tree`: the livepatches of a kernel's own build, after kbuild.
//!
//! A kernel that is not patched with `kbuild/linux-*.patch` links livepatches like other modules. Each is
//! converted in place by the symbols of the tree it was built in, without those of livepatches, which no
//! livepatch patches.

use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::kept::Kept;
use super::{SYMVERS, finish_all, order};
use crate::cli::args::Kbuild;
use crate::cli::report::{Reporter, io_diagnostic};
use crate::cli::{Outcome, kernel_map};
use crate::diagnostic::Code;
use crate::symbols::{ModuleFile, Sources, SymbolError, SymbolErrorKind, Symvers, Vmlinux};
use crate::threads::on_all;

/// Which part of the tree a map is of.
const PART: &str = " without livepatches";

/// Converts and checks the livepatches of a tree.
pub(super) fn finish(tree: &Path, args: &Kbuild, reporter: &Reporter) -> Outcome {
    let modules = match order::modules(tree) {
        Ok(modules) => modules,
        Err(error) => {
            let diagnostic = io_diagnostic(Code::Read, &tree.join(order::ORDER), &error);
            return reporter.failure(&[diagnostic], Outcome::UsageOrIo);
        }
    };
    let look = |module: PathBuf| Ok((is_livepatch(&module)?, module));
    let read: Result<Vec<_>, _> = on_all(|| modules.into_par_iter().map(look).collect());
    let (livepatches, others): (Vec<_>, Vec<_>) = match read {
        Ok(read) => read.into_iter().partition(|(is_livepatch, _)| *is_livepatch),
        Err(error) => return reporter.symbols(&[error]),
    };
    let count = others.len();
    let mut sources = sources(tree, others.into_iter().map(|(_, module)| module));
    if livepatches.is_empty() {
        reporter.remark(&format!("{}: no livepatch among its {count} modules", tree.display()));
    } else {
        sources = match kernel_map::kept(tree, PART, sources, reporter) {
            Ok(sources) => sources,
            Err(error) => return reporter.symbols(&[error]),
        };
    }
    let kept: Vec<_> = livepatches.iter().map(|(_, module)| Kept::in_place(module)).collect();
    finish_all(&kept, sources, args, reporter)
}

/// Whether a module is a livepatch; one that was refused is only kept.
fn is_livepatch(module: &Path) -> Result<bool, SymbolError> {
    match ModuleFile::new(module).is_livepatch() {
        Err(SymbolError { kind: SymbolErrorKind::Io(error), .. })
            if error.kind() == io::ErrorKind::NotFound
                && Kept::in_place(module).original.is_file() =>
        {
            Ok(true)
        }
        other => other,
    }
}

/// The kernel, its exports and its modules.
fn sources(tree: &Path, modules: impl Iterator<Item = PathBuf>) -> Sources {
    let mut sources = Sources::new();
    sources.push(Vmlinux::new(tree.join("vmlinux")));
    let symvers = tree.join(SYMVERS);
    if symvers.is_file() {
        sources.push(Symvers::new(symvers));
    }
    modules.for_each(|module| sources.push(ModuleFile::new(module)));
    sources
}
