//! Rules about klp symbols.

use bstr::ByteSlice;
use klp_arch::KernelVersion;
use rustc_hash::FxHashSet;

use super::Checker;
use crate::elf::{SymbolIndex, SymbolSection};
use crate::findings::Rule;
use crate::name::{KlpSymbol, symbol_name_max};

pub(super) fn check(checker: &mut Checker<'_, '_>) {
    let module = checker.module;
    // The kernel looks up what an entry of a klp section names; objtool marks others, too.
    let klp = checker.klp_sections().flat_map(|table| module.relocations(table.index));
    let looked_up: FxHashSet<_> = klp.map(|rela| rela.symbol).collect();
    let marked = module.symbols_in(SymbolSection::Livepatch);
    for symbol in marked.filter(|symbol| looked_up.contains(&symbol.index)) {
        match symbol.name.to_str_lossy().parse::<KlpSymbol>() {
            Ok(klp) => length(checker, symbol.index, &klp),
            Err(error) => {
                let detail = format!("symbol {}: {error}", symbol.index);
                checker.broken_by(Rule::SymbolName, symbol.index, detail);
            }
        }
    }
}

fn length(checker: &mut Checker<'_, '_>, index: SymbolIndex, klp: &KlpSymbol) {
    let target = checker.target.unwrap_or(KernelVersion::NEWEST);
    let (length, max) = (klp.symbol.as_str().len(), symbol_name_max(target));
    if length > max {
        let detail = format!("'{klp}': {length} bytes of name, the target kernel scans {max}");
        checker.broken_by(Rule::SymbolLength, index, detail);
    }
}
