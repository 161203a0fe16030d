//! Makes intermediate modules as objtool and kpatch do, from finished ones: each klp relocation becomes a record.

use std::collections::BTreeMap;

use klp_arch::{Calc, Field, Machine};
use klp_convert::elf::{
    Edits, Module, NewBody, NewSection, NewSymbol, Rela, SHT_RELA, SectionFlags, SectionIndex,
    SymbolIndex, SymbolSection, rewrite,
};
use klp_convert::name::{KlpSection, KlpSymbol};
use object::elf::{
    SHT_PROGBITS, STB_GLOBAL, STB_LOCAL, STB_WEAK, STT_FUNC, STT_NOTYPE, STT_SECTION,
};

/// The relocation of a pointer.
pub(crate) fn pointer(machine: &Machine) -> u32 {
    let rows = machine.rows.iter();
    let mut pointers = rows.filter(|row| row.calc == Calc::Absolute && row.field == Field::BITS64);
    pointers.next().unwrap().number
}

/// The forms of objtool's modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generation {
    /// Linux 6.19 to 7.1: one section, and plain relocations name the symbol itself.
    Owner,
    /// Since Linux 7.2: a section for each gate, and tombstones.
    Gate,
}

/// A klp relocation of a finished module.
struct Klp {
    gate: String,
    target: SectionIndex,
    rela: Rela,
    symbol: KlpSymbol,
}

fn klp(module: &Module<'_>) -> Vec<Klp> {
    let tables = module.relocation_sections();
    let tables = tables.filter(|s| s.sh_flags.contains(SectionFlags::RELA_LIVEPATCH));
    let all = tables.flat_map(|table| {
        let name: KlpSection = String::from_utf8_lossy(table.name).parse().unwrap();
        module.relocations(table.index).map(move |rela| {
            let symbol = module.symbol(rela.symbol).unwrap();
            let symbol = String::from_utf8_lossy(symbol.name).parse().unwrap();
            let target = SectionIndex::new(table.sh_info);
            Klp { gate: name.gate.to_string(), target, rela, symbol }
        })
    });
    let all: Vec<_> = all.collect();
    assert!(!all.is_empty(), "the premise");
    all
}

fn section(name: &str, body: NewBody) -> NewSection {
    NewSection {
        name: name.as_bytes().to_vec(),
        sh_type: SHT_PROGBITS,
        sh_flags: SectionFlags::ALLOC,
        link: SectionIndex::NULL,
        info: SectionIndex::NULL,
        sh_addralign: 8,
        sh_entsize: 0,
        body,
    }
}

fn relocations_of(module: &Module<'_>, name: &str, body: Vec<Rela>) -> NewSection {
    NewSection {
        sh_type: SHT_RELA,
        link: module.symtab(),
        info: module.sections_named(name.as_bytes()).next().unwrap().index,
        sh_flags: SectionFlags::INFO_LINK,
        sh_entsize: 24,
        ..section(&format!(".rela{name}"), NewBody::Relocations(body))
    }
}

/// Adds sections, and a section symbol for each and for each section that is a target.
fn with_sections(
    module: &Module<'_>,
    mut edits: Edits,
    sections: Vec<NewSection>,
    targets: &[SectionIndex],
) -> Vec<u8> {
    let names: Vec<_> = sections.iter().map(|section| section.name.clone()).collect();
    sections.into_iter().for_each(|section| edits.add_section(section));
    // Removed sections come before the targets in none of the fixtures.
    let bytes = rewrite(module, &edits).unwrap().into_owned();
    let module = Module::parse(&bytes).unwrap();
    let mut edits = Edits::new();
    let new = names.iter().map(|name| module.sections_named(name).next().unwrap().index);
    for section in new.chain(targets.iter().copied()) {
        let (name, section) = (Vec::new(), SymbolSection::Defined(section));
        edits.add_symbol(NewSymbol { name, bind: STB_LOCAL, kind: STT_SECTION, section });
    }
    rewrite(&module, &edits).unwrap().into_owned()
}

/// The last section symbol of a section.
fn symbol_of(module: &Module<'_>, section: SectionIndex) -> SymbolIndex {
    let symbols = module.symbols_in(SymbolSection::Defined(section));
    symbols.filter(|symbol| symbol.kind == STT_SECTION).last().unwrap().index
}

fn named(module: &Module<'_>, name: &str) -> SymbolIndex {
    let mut symbols = module.symbols();
    symbols.find(|symbol| symbol.name == name.as_bytes()).unwrap().index
}

fn targets(all: &[Klp]) -> Vec<SectionIndex> {
    let mut targets: Vec<_> = all.iter().map(|klp| klp.target).collect();
    targets.sort_unstable();
    targets.dedup();
    targets
}

fn in_order(number: u32, big: bool) -> [u8; 4] {
    if big { number.to_be_bytes() } else { number.to_le_bytes() }
}

fn in_order_64(number: u64, big: bool) -> [u8; 8] {
    if big { number.to_be_bytes() } else { number.to_le_bytes() }
}

/// Removes the klp sections and symbols of a finished module. The sections come last, so no other index changes.
fn without_klp(module: &Module<'_>) -> Edits {
    let mut edits = Edits::new();
    for table in module.relocation_sections() {
        if table.sh_flags.contains(SectionFlags::RELA_LIVEPATCH) {
            edits.remove_section(table.index);
        }
    }
    for symbol in module.symbols_in(SymbolSection::Livepatch) {
        edits.remove_symbol(symbol.index);
    }
    edits
}

/// What `objtool klp diff` and the link leave of a module that post-link would make this one. `big`: numbers in the records.
pub(crate) fn objtool(
    machine: &Machine,
    finished: &[u8],
    generation: Generation,
    big: bool,
) -> Vec<u8> {
    let module = Module::parse(finished).unwrap();
    let all = klp(&module);
    let shadow = |klp: &Klp| match generation {
        Generation::Owner => klp.symbol.symbol.to_string(),
        Generation::Gate => format!(".klp.tombstone.{}", klp.symbol.symbol),
    };
    let records = |klp: &Klp| match generation {
        Generation::Owner => "__klp_relocs".to_owned(),
        Generation::Gate => format!("__klp_relocs.{}", klp.gate),
    };
    let mut by_section: BTreeMap<String, Vec<&Klp>> = BTreeMap::new();
    for klp in &all {
        by_section.entry(records(klp)).or_default().push(klp);
    }
    let mut edits = without_klp(&module);
    let mut shadows: Vec<_> = all.iter().map(shadow).collect();
    shadows.sort_unstable();
    shadows.dedup();
    let mut symbols: Vec<_> = all.iter().map(|klp| klp.symbol.to_string()).collect();
    symbols.sort_unstable();
    symbols.dedup();
    for name in shadows.iter().chain(&symbols) {
        let (name, section) = (name.clone().into_bytes(), SymbolSection::Undefined);
        edits.add_symbol(NewSymbol { name, bind: STB_WEAK, kind: STT_NOTYPE, section });
    }
    let sections = by_section.iter().map(|(name, records)| {
        let body = records
            .iter()
            .flat_map(|klp| [&[0; 16][..], &in_order(klp.rela.kind, big), &[0; 4]].concat());
        section(name, NewBody::Bytes(body.collect()))
    });
    let sections = sections.collect();
    let bytes = with_sections(&module, edits, sections, &targets(&all));
    let module = Module::parse(&bytes).unwrap();
    let mut edits = Edits::new();
    let kind = pointer(machine);
    for (name, records) in &by_section {
        let pointers = records.iter().zip(0_u64..).flat_map(|(klp, at)| {
            let place = Rela {
                offset: at * 24,
                symbol: symbol_of(&module, klp.target),
                kind,
                addend: klp.rela.offset.cast_signed(),
            };
            let symbol = named(&module, &klp.symbol.to_string());
            [place, Rela { offset: at * 24 + 8, symbol, kind, addend: klp.rela.addend }]
        });
        edits.add_section(relocations_of(&module, name, pointers.collect()));
    }
    for target in targets(&all) {
        let mut tables = module.relocation_sections();
        let table = tables.find(|table| table.sh_info == target.get()).unwrap();
        let klp = all.iter().filter(|klp| klp.target == target);
        let plain = klp.map(|klp| Rela { symbol: named(&module, &shadow(klp)), ..klp.rela });
        let mut relocations: Vec<_> = module.relocations(table.index).chain(plain).collect();
        relocations.sort_by_key(|rela| rela.offset);
        edits.set_relocations(table.index, relocations);
    }
    rewrite(&module, &edits).unwrap().into_owned()
}

/// What kpatch's `create-diff-object` and the link leave of a module that `create-klp-module` would make this one.
pub(crate) fn kpatch(machine: &Machine, finished: &[u8], big: bool) -> Vec<u8> {
    let module = Module::parse(finished).unwrap();
    let all = klp(&module);
    let edits = without_klp(&module);
    let mut strings = vec![0];
    let mut string = |text: &str| {
        let at = strings.len();
        strings.extend(text.as_bytes());
        strings.push(0);
        i64::try_from(at).unwrap()
    };
    let mut texts = Vec::new();
    let (mut relocations, mut symbols) = (Vec::new(), Vec::new());
    for klp in &all {
        let KlpSymbol { owner, symbol, position } = &klp.symbol;
        texts.push([string(&klp.gate), string(symbol.as_str()), string(owner.as_str())]);
        relocations.extend([0; 8]);
        relocations.extend(in_order(klp.rela.kind, big));
        relocations.extend([0; 4]);
        relocations.extend(in_order_64(klp.rela.addend.cast_unsigned(), big));
        relocations.extend([0; 16]);
        symbols.extend([0; 8]);
        symbols.extend(in_order_64(position.number().into(), big));
        // As kpatch records a static function and a global one.
        let local = klp.symbol.symbol.as_str().len() % 2 == 0;
        let bind = if local { STB_LOCAL } else { STB_GLOBAL };
        symbols.extend([bind.0, STT_FUNC.0, 0, 0, 0, 0, 0, 0]);
        symbols.extend([0; 16]);
    }
    let sections = [
        (".kpatch.strings", strings),
        (".kpatch.symbols", symbols),
        (".kpatch.relocations", relocations),
    ];
    let sections = sections.map(|(name, body)| section(name, NewBody::Bytes(body)));
    let bytes = with_sections(&module, edits, sections.into(), &targets(&all));
    let module = Module::parse(&bytes).unwrap();
    let mut edits = Edits::new();
    let index = |name: &str| module.sections_named(name.as_bytes()).next().unwrap().index;
    let kind = pointer(machine);
    let to = |offset, section, addend| {
        let symbol = symbol_of(&module, section);
        Rela { offset, symbol, kind, addend }
    };
    let (strings, symbols) = (index(".kpatch.strings"), index(".kpatch.symbols"));
    let records = || all.iter().zip(&texts).zip(0_u64..);
    let pointers = records().flat_map(|((klp, [gate, ..]), at)| {
        let start = at * 40;
        let symbol = to(start + 32, symbols, i64::try_from(start).unwrap());
        let place = to(start, klp.target, klp.rela.offset.cast_signed());
        [place, to(start + 24, strings, *gate), symbol]
    });
    edits.add_section(relocations_of(&module, ".kpatch.relocations", pointers.collect()));
    let pointers = records().flat_map(|((_, [_, name, owner]), at)| {
        [to(at * 40 + 24, strings, *name), to(at * 40 + 32, strings, *owner)]
    });
    edits.add_section(relocations_of(&module, ".kpatch.symbols", pointers.collect()));
    rewrite(&module, &edits).unwrap().into_owned()
}
