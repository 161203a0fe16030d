//! Makes Linux livepatch modules for x86_64, ppc64le, s390x and arm64, from any machine.

pub mod elf;
pub mod klp;
pub mod resolve;
pub mod symbols;
