//! What differs between two livepatches, whichever tools made them and whether or not they are finished.
//!
//! A module is turned into facts that do not depend on layout: what it replaces, what it looks up and where, and each
//! function and each variable with what its relocations mean. Records of another tool count as the klp relocations that they
//! become, so a module before its last step is the same as after it. Two modules differ where their facts do.

mod contents;
mod facts;
mod fingerprint;
mod labels;
mod written;

use std::collections::BTreeSet;
use std::fmt;

use crate::diagnostic::OneLine;
use crate::elf::Module;
use crate::findings::{Error, Finding, Refusal};
use crate::intermediate::Intermediate;
use crate::name::shown;
use crate::target::machine;

pub use facts::What;
use facts::{Facts, Value};
use labels::Labels;
use written::Written;

/// Something that only one of two livepatches has, or that is not the same in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What it is.
    pub what: What,
    /// Its name.
    pub name: String,
    /// What is known about it in the old one; `None` if that does not have it.
    pub old: Option<String>,
    /// The same in the new one.
    pub new: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, name) = (self.what, OneLine(&self.name));
        let about = |f: &mut fmt::Formatter<'_>, sign, text: &str| match text {
            "" => write!(f, "{sign} {what} {name}"),
            text => write!(f, "{sign} {what} {name}: {}", OneLine(text)),
        };
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => {
                write!(f, "~ {what} {name}: {} → {}", OneLine(old), OneLine(new))
            }
            (Some(old), None) => about(f, '-', old),
            (None, new) => about(f, '+', new.as_deref().unwrap_or_default()),
        }
    }
}

/// Every difference between two modules, by kind and name.
///
/// # Errors
/// [`Error`]: one of them is not a module of a known machine, or what another tool has recorded in it cannot be read.
pub fn compare(old: &[u8], new: &[u8]) -> Result<Vec<Difference>, Error> {
    let (old, new) = (Module::parse(old)?, Module::parse(new)?);
    let (old, new) = (facts(&old)?, facts(&new)?);
    let all: BTreeSet<_> = old.by_name.keys().chain(new.by_name.keys()).collect();
    let differences = all.into_iter().filter_map(|key| {
        let (old, new) = (old.by_name.get(key), new.by_name.get(key));
        if old == new {
            return None;
        }
        let text = |value: Option<&Value>| value.map(ToString::to_string);
        let (old_text, mut new_text) = (text(old), text(new));
        if old_text == new_text {
            new_text = new_text.map(|text| format!("{text}, not the same"));
        }
        let (what, name) = key.clone();
        Some(Difference { what, name, old: old_text, new: new_text })
    });
    Ok(differences.collect())
}

fn facts(module: &Module<'_>) -> Result<Facts, Error> {
    let machine = machine(module)?;
    let recorded = Intermediate::read(module, machine).map_err(|errors| {
        let refusals = errors.into_iter().map(Refusal::Record);
        Error::Refused(refusals.map(Finding::from).collect())
    })?;
    let recorded = recorded.unwrap_or_default();
    let mut facts = Facts::default();
    facts.text(What::Machine, "", machine.name);
    for (key, value) in module.modinfo() {
        facts.text(What::Modinfo, &shown(key), &shown(value));
    }
    facts.tables(module, machine);
    let written = Written::of(module, machine, &recorded);
    let labels = Labels::of(module, machine, &recorded, &written);
    facts.symbols(module, &recorded, &written);
    for (section, relocations) in &written.by_section {
        for (rela, gate) in relocations {
            let Some(gate) = gate else { continue };
            let place = labels.place(*section, rela.offset);
            let name = format!("{} in {place}, with {gate}", labels.symbol(rela.symbol));
            let kind = format!("{}{:+}", labels.kind(rela.kind), rela.addend);
            facts.count(What::KlpRelocations, name, kind);
        }
    }
    contents::read(module, &recorded, &written, &labels, &mut facts);
    facts.sort();
    Ok(facts)
}
