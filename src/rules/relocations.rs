//! Rules about single relocations, plain and klp.

use std::cell::LazyCell;

use bstr::ByteSlice;
use klp_arch::Conditions;

use super::{Checker, gate_timing, other_tools};
use crate::elf::{Rela, Section, SectionFlags, SectionIndex, Symbol, SymbolSection};
use crate::findings::{Consequence, Rule};
use crate::name::{KlpSection, KlpSymbol, VMLINUX};

pub(super) fn check(checker: &mut Checker<'_, '_>) {
    let module = checker.module;
    for section in module.relocation_sections() {
        let target = SectionIndex::new(section.sh_info);
        let Some(patched) = module.section(target).filter(|s| Checker::is_loaded(s)) else {
            continue;
        };
        let klp = section.sh_flags.contains(SectionFlags::RELA_LIVEPATCH);
        let gate = klp.then(|| section.name.to_str_lossy().parse::<KlpSection>().ok()).flatten();
        let gate = gate.as_ref().map(|klp| &klp.gate);
        let facts = gate_timing::facts(patched, gate, b"");
        let body = module.body(patched.index);
        let unread = LazyCell::new(|| other_tools::is_unread(module, patched));
        for (entry, rela) in module.relocations(section.index).enumerate() {
            let symbol = checker.outside.get(&rela.symbol).copied();
            // No machine treats a local symbol specially.
            let name = symbol.map_or(&b""[..], |s| s.name);
            let facts = Conditions { external: symbol.is_some(), symbol: name, ..facts };
            if let Some((rule, what)) = names(klp, rela, symbol, &facts)
                && !(rule == Rule::PlainRelocation && *unread)
            {
                checker.broken_at(rule, rule.consequence(), (section.index, entry, rela), what);
            }
            place(checker, section, body, entry, rela, &facts);
        }
    }
}

/// Checks the symbol of a relocation.
fn names(
    klp: bool,
    rela: Rela,
    symbol: Option<Symbol<'_>>,
    facts: &Conditions<'_>,
) -> Option<(Rule, String)> {
    let marked = symbol.filter(|s| s.section == SymbolSection::Livepatch);
    match (klp, marked) {
        (true, None) => Some((Rule::SymbolMarked, "the symbol is not SHN_LIVEPATCH".into())),
        (true, Some(symbol)) if facts.late => {
            let name = symbol.name.to_str_lossy();
            let of_vmlinux = name.parse::<KlpSymbol>().is_ok_and(|klp| klp.owner.is_vmlinux());
            let what = || format!("a {VMLINUX} symbol in a section gated by a module");
            of_vmlinux.then(|| (Rule::VmlinuxSymbol, what()))
        }
        // Type 0 writes nothing if the loader accepts it; objtool leaves such entries.
        (false, Some(_)) if rela.kind != 0 => {
            let what = "a plain relocation would write a klp symbol's unset value";
            Some((Rule::PlainRelocation, what.into()))
        }
        _ => None,
    }
}

/// Checks that the loader knows the relocation and accepts its location.
fn place(
    checker: &mut Checker<'_, '_>,
    section: &Section<'_>,
    body: &[u8],
    entry: usize,
    rela: Rela,
    facts: &Conditions<'_>,
) {
    let machine = checker.machine;
    let (rule, consequence, what) = match machine.row(rela.kind) {
        None => {
            let what = "the kernel's module loader does not know this relocation";
            (Rule::RelocationType, Consequence::Refused, what.to_owned())
        }
        Some(row) => match machine.check_site(row, facts, body, rela.offset) {
            Ok(()) => return,
            Err(fault) => (Rule::Place, Consequence::of(&fault), fault.to_string()),
        },
    };
    checker.broken_at(rule, consequence, (section.index, entry, rela), what);
}
