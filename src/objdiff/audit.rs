//! Whether a livepatch replaces what a change has changed, and nothing else.

use std::collections::BTreeSet;
use std::fmt;

use crate::diagnostic::{Code, Diagnose};
use crate::elf::Module;
use crate::findings::Error;
use crate::name::shown;
use crate::patch::Tables;
use crate::target::machine;

use super::{Change, ObjectPart, Verdict};

/// Something that a livepatch and a change do not agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audit {
    /// A function has changed, and still runs as it was.
    Missing(String),
    /// A function is replaced, and is the same in both objects, or in neither.
    Unchanged(String),
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => {
                write!(f, "'{name}' has changed, and the livepatch does not replace it")
            }
            Self::Unchanged(name) => write!(f, "replaces '{name}', which has not changed"),
        }
    }
}

impl Diagnose for Audit {
    fn code(&self) -> Code {
        match self {
            Self::Missing(_) => Code::ChangeNotReplaced,
            Self::Unchanged(_) => Code::ReplacedUnchanged,
        }
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::Missing(name) => {
                vec![format!("see why: klp-convert objdiff --explain {name} OLD.o NEW.o")]
            }
            Self::Unchanged(_) => Vec::new(),
        }
    }
}

/// Compares what a livepatch replaces with the changes of all objects that it patches.
///
/// A changed function need not be replaced if all that refers to it is: the livepatch has its own, as the part of a function
/// that is seldom executed.
///
/// # Errors
/// [`Error`]: the livepatch is not a module of a known machine.
pub fn audit<'c>(
    changes: impl Iterator<Item = &'c Change> + Clone,
    livepatch: &[u8],
) -> Result<Vec<Audit>, Error> {
    let module = Module::parse(livepatch)?;
    let tables = Tables::of(&module, machine(&module)?);
    let functions = tables.objects().iter().flat_map(|object| &object.functions);
    let replaced: BTreeSet<String> = functions
        .map(|function| shown(function.old_name.unwrap_or_default()).into_owned())
        .collect();
    let changed = changes
        .filter(|change| change.part == ObjectPart::Function && change.verdict == Verdict::Changed);
    let names = |change: &'c Change| std::iter::once(&change.name).chain(&change.aliases);
    let mut open: Vec<&Change> = changed
        .clone()
        .filter(|change| !names(change).any(|name| replaced.contains(name)))
        .collect();
    let mut covered: BTreeSet<&str> = replaced.iter().map(String::as_str).collect();
    loop {
        let is_covered = |change: &&Change| {
            let users = change.users.as_deref().unwrap_or_default();
            !users.is_empty() && users.iter().all(|user| covered.contains(user.as_str()))
        };
        let (done, rest): (Vec<&Change>, Vec<&Change>) = open.into_iter().partition(is_covered);
        open = rest;
        if done.is_empty() {
            break;
        }
        covered.extend(done.into_iter().map(|change| change.name.as_str()));
    }
    let known: BTreeSet<&String> = changed.flat_map(names).collect();
    let mut audits: Vec<_> =
        open.into_iter().map(|change| Audit::Missing(change.name.clone())).collect();
    audits.extend(
        replaced.iter().filter(|name| !known.contains(name)).cloned().map(Audit::Unchanged),
    );
    Ok(audits)
}
