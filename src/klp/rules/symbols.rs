//! Rules about klp symbols.

use bstr::ByteSlice;

use super::{Checker, Rule};
use crate::elf::SymbolSection;
use crate::klp::KlpSymbol;

/// How objtool calls the symbols that carry an original relocation through the link; nothing
/// resolves them.
const TOMBSTONE: &[u8] = b".klp.tombstone.";

pub(super) fn check(checker: &mut Checker<'_, '_>) {
    let module = checker.module;
    let marked = module.symbols().filter(|s| s.section == SymbolSection::Livepatch);
    for symbol in marked.filter(|s| !s.name.starts_with(TOMBSTONE)) {
        if let Err(error) = symbol.name.to_str_lossy().parse::<KlpSymbol>() {
            checker.broken(Rule::SymbolName, format!("symbol {}: {error}", symbol.index));
        }
    }
}
