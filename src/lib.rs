//! Makes Linux livepatch modules for x86_64, ppc64le, s390x and arm64, from any machine.
//!
//! Code in a livepatch uses kernel symbols that are not exported; their relocations must become
//! *klp relocations*, which the kernel's livepatch core resolves. The flow, whose arrows never turn
//! back: [`elf`] reads a module, [`annotation`] what its author wrote, [`symbols`] what the kernel
//! has, [`resolve`] brings them together, [`mod@convert`] plans, rewrites and proves, [`load`] does
//! what the kernel's loader would do, and [`mod@check`] says what comes of it. What a relocation
//! type means on a machine is the business of `klp_arch`.

pub mod annotation;
mod btf;
pub mod c_source;
pub mod check;
#[cfg(feature = "cli")]
pub mod cli;
pub mod comparison;
pub mod convert;
pub mod diagnostic;
pub mod draft;
pub mod elf;
pub mod findings;
pub mod inspect;
pub mod intermediate;
mod kmod;
pub mod load;
pub mod name;
pub mod objdiff;
pub mod options;
pub mod patch;
mod path_text;
pub mod resolve;
pub mod rules;
pub mod run_pre;
pub mod site;
pub mod stats;
pub mod symbols;
pub mod target;
mod threads;
