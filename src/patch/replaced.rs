//! The functions that a livepatch replaces, and which the kernel cannot patch.
//!
//! Source: `kernel/livepatch/core.c:klp_init_func`, `kernel/livepatch/patch.c:klp_patch_func`.

use std::fmt;

use bstr::ByteSlice;

use super::{TableFunction, Tables};
use crate::name::ObjectName;
use crate::symbols::{Candidate, Kind};

/// A function of the kernel that a livepatch replaces.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Replaced {
    /// The object that has it.
    pub object: ObjectName,
    /// `old_name`, lossily decoded.
    pub name: String,
    /// `old_sympos`.
    pub position: u64,
}

impl Replaced {
    /// The function that an entry of an object's table replaces.
    pub(crate) fn of(object: &ObjectName, function: &TableFunction<'_>) -> Self {
        let name = function.old_name.unwrap_or_default().to_str_lossy().into_owned();
        Self { object: object.clone(), name, position: function.old_sympos }
    }
}

impl fmt::Display for Replaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' of '{}'", self.name, self.object)
    }
}

/// Why the kernel would not patch a function that it finds, or would not look for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unpatchable {
    /// It is data.
    #[error("is not a function")]
    Data,
    /// It is freed before a livepatch is loaded.
    #[error("lies in init memory, which is freed before a livepatch runs")]
    Init,
    /// `new_func` is NULL.
    #[error("has no new_func")]
    NoReplacement,
    /// The name is longer than `KSYM_NAME_LEN`.
    #[error("has a name that is too long for the kernel")]
    LongName,
    /// Its replacement is freed before it is called.
    #[error("its replacement lies in init memory, which is freed")]
    InitReplacement,
    /// ftrace has no call site in it.
    #[error("has no call site that ftrace can hook")]
    Untraceable,
    /// The object has it twice at one position.
    #[error("it occurs twice, at one position")]
    Twice,
}

/// Names that the kernel looks up for these tables.
pub(crate) fn names<'data>(tables: &Tables<'data>) -> impl Iterator<Item = &'data str> {
    let functions = tables.objects().iter().flat_map(|object| &object.functions);
    let names: Vec<_> = functions.filter_map(|function| function.old_name?.to_str().ok()).collect();
    names.into_iter()
}

/// Why the kernel cannot trace a function, judging by its symbol.
#[must_use]
pub(crate) fn unpatchable(candidate: &Candidate) -> Option<Unpatchable> {
    let text = |letter: u8| matches!(letter, b't' | b'T' | b'w' | b'W');
    let data = candidate.kind == Some(Kind::Object)
        || candidate.letter.is_some_and(|letter| !text(letter));
    if data {
        return Some(Unpatchable::Data);
    }
    if candidate.untraceable {
        return Some(Unpatchable::Untraceable);
    }
    // A module's init functions exist while it is loaded, and are patched then.
    (candidate.init && candidate.object.is_vmlinux()).then_some(Unpatchable::Init)
}
