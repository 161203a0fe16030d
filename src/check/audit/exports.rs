//! What a module exports and another module does, too: only one of them can be loaded.
//!
//! Where the other is certainly there the simulated load refuses the module; here are those of which that
//! is not known. A module of the same name is the module itself, built another time. Source:
//! `kernel/module/main.c:verify_exported_symbols`.

use std::collections::BTreeMap;

use bstr::ByteSlice;

use super::told;
use crate::elf::Module;
use crate::findings::{Finding, Warning};
use crate::load;
use crate::name::ObjectName;
use crate::symbols::Answer;

/// Warns of each other module once.
pub(super) fn audit(module: &Module<'_>, answer: Option<&Answer>) -> Vec<Finding> {
    let Some(answer) = answer else { return Vec::new() };
    let name = module.name().and_then(|name| name.to_str_lossy().parse::<ObjectName>().ok());
    let mut twice: BTreeMap<&ObjectName, Vec<&str>> = BTreeMap::new();
    for exported in load::exported(module) {
        let others = answer.exports(exported).map(|export| &export.owner);
        for owner in others.filter(|owner| !owner.is_vmlinux() && Some(*owner) != name.as_ref()) {
            twice.entry(owner).or_default().push(exported);
        }
    }
    let warnings = twice.into_iter().filter_map(|(owner, exported)| {
        Some(Warning::ExportedTwice { names: told(&exported)?, owner: owner.clone() }.into())
    });
    warnings.collect()
}
