//! The names that the kernel scans, taken apart.

use serde::Serialize;

use crate::name;

#[derive(Serialize)]
pub(super) struct KlpSymbol<'a> {
    owner: &'a str,
    symbol: &'a str,
    position: u32,
}

impl<'a> From<&'a name::KlpSymbol> for KlpSymbol<'a> {
    fn from(klp: &'a name::KlpSymbol) -> Self {
        Self {
            owner: klp.owner.as_str(),
            symbol: klp.symbol.as_str(),
            position: klp.position.number(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct KlpSection<'a> {
    gate: &'a str,
    section: &'a str,
}

impl<'a> From<&'a name::KlpSection> for KlpSection<'a> {
    fn from(klp: &'a name::KlpSection) -> Self {
        Self { gate: klp.gate.as_str(), section: &klp.section }
    }
}
