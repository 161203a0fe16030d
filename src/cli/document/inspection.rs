//! A module that is inspected: its sections and names, and what the names mean.

use serde::Serialize;

use super::name::KlpSymbol;
use super::symbol::{Candidate, Export};
use crate::name::ObjectName;
use crate::{inspect, site};

/// What `inspect` prints.
#[derive(Serialize)]
pub(in crate::cli) struct Inspection<'a> {
    machine: &'static str,
    name: Option<&'a str>,
    livepatch: bool,
    /// Length of an appended signature, in bytes.
    signature: Option<usize>,
    klp_sections: Vec<KlpSection<'a>>,
    klp_symbols: &'a [String],
    tombstones: &'a [String],
    other_tools: Vec<OtherToolsSection<'a>>,
    unfinished: Option<&'a str>,
    annotations: &'a [String],
    annotation_errors: &'a [String],
    undefined: &'a [String],
    /// `null` where no kernel was asked.
    meanings: Option<Vec<Meaning<'a>>>,
}

impl<'a> From<&'a inspect::Inspection> for Inspection<'a> {
    fn from(inspection: &'a inspect::Inspection) -> Self {
        let meanings = inspection.meanings.as_ref();
        Self {
            machine: inspection.machine,
            name: inspection.name.as_deref(),
            livepatch: inspection.livepatch,
            signature: inspection.signature,
            klp_sections: inspection.klp_sections.iter().map(Into::into).collect(),
            klp_symbols: &inspection.klp_symbols,
            tombstones: &inspection.tombstones,
            other_tools: inspection.other_tools.iter().map(Into::into).collect(),
            unfinished: inspection.unfinished.as_deref(),
            annotations: &inspection.annotations,
            annotation_errors: &inspection.annotation_errors,
            undefined: &inspection.undefined,
            meanings: meanings.map(|all| all.iter().map(Into::into).collect()),
        }
    }
}

#[derive(Serialize)]
struct KlpSection<'a> {
    name: &'a str,
    relocations: Vec<Site<'a>>,
}

impl<'a> From<&'a inspect::InspectedSection> for KlpSection<'a> {
    fn from(section: &'a inspect::InspectedSection) -> Self {
        let relocations = section.relocations.iter().map(Into::into).collect();
        Self { name: &section.name, relocations }
    }
}

#[derive(Serialize)]
struct Site<'a> {
    rela_section: &'a str,
    entry: usize,
    section: &'a str,
    offset: u64,
    /// Function or object, and the offset in it.
    inside: Option<(&'a str, u64)>,
    relocation: &'a str,
    symbol: &'a str,
}

impl<'a> From<&'a site::Site> for Site<'a> {
    fn from(site: &'a site::Site) -> Self {
        Self {
            rela_section: &site.rela_section,
            entry: site.entry,
            section: &site.section,
            offset: site.offset,
            inside: site.inside.as_ref().map(|(name, offset)| (name.as_str(), *offset)),
            relocation: &site.relocation,
            symbol: &site.symbol,
        }
    }
}

#[derive(Serialize)]
struct OtherToolsSection<'a> {
    name: &'a str,
    purpose: &'static str,
}

impl<'a> From<&'a inspect::OtherToolsSection> for OtherToolsSection<'a> {
    fn from(section: &'a inspect::OtherToolsSection) -> Self {
        Self { name: &section.name, purpose: section.purpose }
    }
}

#[derive(Serialize)]
struct Meaning<'a> {
    name: &'a str,
    #[serde(flatten)]
    means: NameUse<'a>,
}

impl<'a> From<&'a inspect::Meaning> for Meaning<'a> {
    fn from(meaning: &'a inspect::Meaning) -> Self {
        Self { name: &meaning.name, means: NameUse::from(&meaning.means) }
    }
}

#[derive(Serialize)]
#[serde(tag = "means", rename_all = "kebab-case")]
enum NameUse<'a> {
    Klp {
        symbol: KlpSymbol<'a>,
        gate: Option<&'a str>,
        basis: String,
        candidate: Option<Box<Candidate<'a>>>,
    },
    Export(Export<'a>),
    Loader,
    WeakMissing,
    Unresolved {
        code: &'static str,
        message: &'a str,
        help: &'a [String],
    },
}

impl<'a> From<&'a inspect::NameUse> for NameUse<'a> {
    fn from(means: &'a inspect::NameUse) -> Self {
        match means {
            inspect::NameUse::Klp { symbol, gate, basis, candidate } => Self::Klp {
                symbol: symbol.into(),
                gate: gate.as_ref().map(ObjectName::as_str),
                basis: basis.to_string(),
                candidate: candidate.as_deref().map(|known| Box::new(known.into())),
            },
            inspect::NameUse::Export(export) => Self::Export(export.into()),
            inspect::NameUse::Loader => Self::Loader,
            inspect::NameUse::WeakMissing => Self::WeakMissing,
            inspect::NameUse::Unresolved { code, message, help } => {
                Self::Unresolved { code: code.into(), message, help }
            }
        }
    }
}
