//! The same kernel while a module is being loaded.

use crate::load::{Bind, ExportedSymbol, Lookup};
use crate::name::{KlpSymbol, ObjectName};

/// The kernel while `object` is being loaded: symbols of its init part count.
pub(super) struct Loading<'a> {
    pub(super) known: &'a dyn Bind,
    pub(super) object: &'a ObjectName,
}

impl Bind for Loading<'_> {
    fn export(&self, name: &str) -> Option<ExportedSymbol> {
        self.known.export(name)
    }

    fn exporters(&self, name: &str) -> Vec<ObjectName> {
        self.known.exporters(name)
    }

    fn find(&self, symbol: &KlpSymbol) -> Lookup {
        let coming = symbol.owner == *self.object;
        if coming { self.known.find_coming(symbol) } else { self.known.find(symbol) }
    }

    fn is_traceable(&self, symbol: &KlpSymbol) -> Option<bool> {
        self.known.is_traceable(symbol)
    }
}
