//! Symbols of a kernel, and exports.

use std::num::NonZeroU32;

use serde::Serialize;

use crate::symbols::{self, Binding, Kind, Order};

#[derive(Serialize)]
pub(in crate::cli) struct Candidate<'a> {
    object: &'a str,
    name: &'a str,
    position: NonZeroU32,
    homonyms: u32,
    live_position: Option<NonZeroU32>,
    address: Option<u64>,
    size: Option<u64>,
    file: Option<&'a str>,
    unit: Option<u32>,
    section: Option<&'a str>,
    binding: Option<&'static str>,
    kind: Option<&'static str>,
    letter: Option<char>,
    init: bool,
    untraceable: bool,
    order: &'static str,
    beside: Option<Beside<'a>>,
}

/// Names next to a symbol in memory, where its file is not known.
#[derive(Serialize)]
struct Beside<'a> {
    before: &'a [String],
    after: &'a [String],
}

impl<'a> From<&'a symbols::Candidate> for Candidate<'a> {
    fn from(candidate: &'a symbols::Candidate) -> Self {
        Self {
            object: candidate.object.as_str(),
            name: &candidate.name,
            position: candidate.position,
            homonyms: candidate.homonyms,
            live_position: candidate.live_position,
            address: candidate.address,
            size: candidate.size,
            file: candidate.file.as_deref(),
            unit: candidate.unit,
            section: candidate.section.as_deref(),
            binding: candidate.binding.map(binding),
            kind: candidate.kind.map(kind),
            letter: candidate.letter.map(char::from),
            init: candidate.init,
            untraceable: candidate.untraceable,
            order: order(candidate.order),
            beside: candidate
                .beside
                .get()
                .map(|beside| Beside { before: &beside.before, after: &beside.after }),
        }
    }
}

#[derive(Serialize)]
pub(in crate::cli) struct Export<'a> {
    owner: &'a str,
    gpl: Option<bool>,
    namespace: Option<&'a str>,
    crc: Option<u32>,
}

impl<'a> From<&'a symbols::Export> for Export<'a> {
    fn from(export: &'a symbols::Export) -> Self {
        Self {
            owner: export.owner.as_str(),
            gpl: export.gpl,
            namespace: export.namespace.as_deref(),
            crc: export.crc,
        }
    }
}

fn binding(binding: Binding) -> &'static str {
    match binding {
        Binding::Local => "local",
        Binding::Global => "global",
        Binding::Weak => "weak",
        Binding::Other => "other",
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Function => "function",
        Kind::Object => "object",
        Kind::Label => "label",
        Kind::Marker => "marker",
        Kind::Other => "other",
    }
}

fn order(order: Order) -> &'static str {
    match order {
        Order::Alphabetical => "alphabetical",
        Order::Loaded => "loaded",
        Order::Proven => "proven",
    }
}
