//! A module that is inspected: its sections and names, and what the names mean.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use super::diagnostic::is_none;
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
    klp_sections: KlpSections<'a>,
    klp_symbols: &'a [Cow<'a, str>],
    tombstones: &'a [Cow<'a, str>],
    other_tools: Vec<OtherToolsSection<'a>>,
    unfinished: Option<&'a str>,
    recorded: Records<'a>,
    record_errors: &'a [String],
    annotations: &'a [String],
    annotation_errors: &'a [String],
    undefined: &'a [Cow<'a, str>],
    /// `null` where no kernel was asked.
    meanings: Option<Meanings<'a>>,
}

impl<'a> From<&'a inspect::Inspection<'a>> for Inspection<'a> {
    fn from(inspection: &'a inspect::Inspection<'a>) -> Self {
        Self {
            machine: inspection.machine.name,
            name: inspection.name.as_deref(),
            livepatch: inspection.livepatch,
            signature: inspection.signature,
            klp_sections: KlpSections(inspection),
            klp_symbols: &inspection.klp_symbols,
            tombstones: &inspection.tombstones,
            other_tools: inspection.other_tools.iter().map(Into::into).collect(),
            unfinished: inspection.unfinished.as_deref(),
            recorded: Records(inspection),
            record_errors: &inspection.record_errors,
            annotations: &inspection.annotations,
            annotation_errors: &inspection.annotation_errors,
            undefined: &inspection.undefined,
            meanings: inspection.meanings.as_deref().map(Meanings),
        }
    }
}

/// The klp sections, each made when it is printed.
struct KlpSections<'a>(&'a inspect::Inspection<'a>);

impl Serialize for KlpSections<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(inspection) = self;
        let sites = inspection.sites();
        let sections = inspection.klp_sections.iter().map(|section| KlpSection {
            name: &section.name,
            relocations: Relocations { inspection, sites: &sites, section },
        });
        serializer.collect_seq(sections)
    }
}

#[derive(Serialize)]
struct KlpSection<'a> {
    name: &'a str,
    relocations: Relocations<'a>,
}

/// The relocations of a section, each described when it is printed.
struct Relocations<'a> {
    inspection: &'a inspect::Inspection<'a>,
    sites: &'a site::Sites<'a, 'a>,
    section: &'a inspect::InspectedSection<'a>,
}

impl Serialize for Relocations<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { inspection, sites, section } = self;
        let all = inspection.relocations(sites, section);
        serializer.collect_seq(all.map(Described))
    }
}

/// The relocations that another tool has recorded, each described when it is printed.
struct Records<'a>(&'a inspect::Inspection<'a>);

impl Serialize for Records<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let sites = self.0.sites();
        let records = self.0.records(&sites);
        serializer.collect_seq(
            records.map(|(gate, site)| Record { gate: gate.to_string(), site: Described(site) }),
        )
    }
}

#[derive(Serialize)]
struct Record {
    gate: String,
    #[serde(flatten)]
    site: Described,
}

struct Described(site::Site);

impl Serialize for Described {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Site::from(&self.0).serialize(serializer)
    }
}

#[derive(Serialize)]
pub(super) struct Site<'a> {
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

impl<'a> From<&'a inspect::OtherToolsSection<'a>> for OtherToolsSection<'a> {
    fn from(section: &'a inspect::OtherToolsSection<'a>) -> Self {
        Self { name: &section.name, purpose: section.purpose }
    }
}

/// The meanings, each made when it is printed.
struct Meanings<'a>(&'a [inspect::Meaning<'a>]);

impl Serialize for Meanings<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Meaning::from))
    }
}

#[derive(Serialize)]
struct Meaning<'a> {
    name: &'a str,
    #[serde(flatten)]
    means: NameUse<'a>,
}

impl<'a> From<&'a inspect::Meaning<'a>> for Meaning<'a> {
    fn from(meaning: &'a inspect::Meaning<'a>) -> Self {
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
        /// How many further names of this code are left out.
        #[serde(skip_serializing_if = "is_none")]
        more: usize,
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
            inspect::NameUse::Unresolved { code, message, help, more } => {
                Self::Unresolved { code: code.into(), message, help, more: *more }
            }
        }
    }
}
