//! Exports that another module has, too: only one of the two can be loaded.
//!
//! If the other is certainly loaded, the simulated load refuses the module; here are those that may
//! not be loaded. A module of the same name is another build of this one. Source:
//! `kernel/module/main.c:verify_exported_symbols`.

use std::collections::BTreeMap;

use bstr::ByteSlice;

use super::first_few;
use crate::elf::Module;
use crate::findings::{Finding, Warning};
use crate::load;
use crate::name::ObjectName;
use crate::symbols::Answer;

/// Warns once about each other module.
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
        Some(Warning::ExportedTwice { names: first_few(&exported)?, owner: owner.clone() }.into())
    });
    warnings.collect()
}
