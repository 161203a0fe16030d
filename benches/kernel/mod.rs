//! The kernel's own functions, from a source tree, as programs of this machine.
#![allow(dead_code, reason = "each benchmark needs one of them")]

pub(crate) mod kallsyms;
pub(crate) mod loader;
mod process;

use std::path::PathBuf;

/// A source tree of Linux 7.2.
const TREE: &str = "KLP_KERNEL_SOURCE";
const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/kernel");

fn tree() -> Option<PathBuf> {
    Some(PathBuf::from(std::env::var_os(TREE)?))
}
