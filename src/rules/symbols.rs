//! Rules about klp symbols.

use std::cell::LazyCell;

use bstr::ByteSlice;
use klp_arch::KernelVersion;
use rustc_hash::FxHashSet;

use super::Checker;
use crate::elf::{SectionFlags, SymbolIndex, SymbolSection};
use crate::findings::Rule;
use crate::name::{KlpSymbol, symbol_name_max};

pub(super) fn check(checker: &mut Checker<'_, '_>) {
    let module = checker.module;
    // The kernel looks up what an entry of a klp section names; objtool marks others, too.
    let looked_up: LazyCell<FxHashSet<_>, _> = LazyCell::new(|| {
        let klp = module.relocation_sections();
        let klp = klp.filter(|table| table.sh_flags.contains(SectionFlags::RELA_LIVEPATCH));
        klp.flat_map(|table| module.relocations(table.index)).map(|rela| rela.symbol).collect()
    });
    for symbol in module.symbols_in(SymbolSection::Livepatch) {
        match symbol.name.to_str_lossy().parse::<KlpSymbol>() {
            Ok(klp) => length(checker, symbol.index, &klp),
            Err(error) if looked_up.contains(&symbol.index) => {
                let detail = format!("symbol {}: {error}", symbol.index);
                checker.broken_by(Rule::SymbolName, symbol.index, detail);
            }
            Err(_) => {}
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
