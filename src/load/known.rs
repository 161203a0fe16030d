//! What the sources of symbols know, as the running kernel would answer.

use super::{Bind, ExportedSymbol, Lookup};
use crate::klp::{KlpSymbol, ObjectName, Position};
use crate::symbols::{Answer, Candidate};

/// An [`Answer`] at the addresses of the linked kernel; modules lie at bases of their own.
#[derive(Debug)]
pub struct Known<'a> {
    answer: &'a Answer,
}

impl<'a> Known<'a> {
    /// The answer must have been asked about every name that the module leaves undefined.
    #[must_use]
    pub fn new(answer: &'a Answer) -> Self {
        Self { answer }
    }

    fn address(candidate: &Candidate) -> Option<u64> {
        candidate.address
    }
}

impl Bind for Known<'_> {
    fn export(&self, name: &str) -> Option<ExportedSymbol> {
        let export = self.answer.export(name)?;
        let address = self.answer.candidates_in(name, &export.owner).find_map(Self::address);
        Some(ExportedSymbol {
            address: address.unwrap_or_default(),
            owner: export.owner.clone(),
            gpl: export.gpl,
            namespace: export.namespace.clone(),
            crc: export.crc,
        })
    }

    fn find(&self, symbol: &KlpSymbol) -> Lookup {
        let name = symbol.symbol.as_str();
        let owner: &ObjectName = &symbol.owner;
        let mut candidates = self.answer.candidates_in(name, owner);
        let found = match symbol.position {
            Position::Unique => candidates.next(),
            Position::Nth(position) => candidates.find(|c| c.position == position),
        };
        found.and_then(Self::address).map_or(Lookup::NotFound, Lookup::Found)
    }
}
