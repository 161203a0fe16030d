//! Edits that are refused.

use klp_convert::elf::{ElfError, Module, NewSection, Rela, SymbolSection};

use crate::builder::{GROUP, NOBITS, RELA, SYMTAB, Section};
use crate::sample::{named, refused, sample, section, symbol};

#[test]
fn edits_that_fit_no_module_are_refused() {
    let mut builder = sample(false);
    builder.section(Section { name: "b".into(), sh_type: NOBITS, size: 9, ..Section::default() });
    let file = builder.build();
    let module = Module::parse(&file).unwrap();
    let symtab = module.symtab();
    for index in [0, 99] {
        let error = refused(&file, |edits| edits.remove_section(section(index)));
        assert!(matches!(error, ElfError::EditSection { .. }));
        let error = refused(&file, |edits| edits.rename_symbol(symbol(index), vec![]));
        assert!(matches!(error, ElfError::EditSymbol { .. }));
    }
    for index in [3, 5, symtab.get(), symtab.get() + 1, symtab.get() + 2] {
        let error = refused(&file, |edits| edits.set_body(section(index), vec![]));
        assert!(matches!(error, ElfError::EditBody(_)), "{index}");
    }
    for index in [symtab.get(), symtab.get() + 1, symtab.get() + 2] {
        let error = refused(&file, |edits| edits.remove_section(section(index)));
        assert!(matches!(error, ElfError::EditRequired(_)), "{index}");
    }
    let error = refused(&file, |edits| edits.set_relocations(section(1), vec![]));
    assert!(matches!(error, ElfError::EditRelocations(_)));
    let error = refused(&file, |edits| {
        edits.rename_symbol(symbol(1), b"a\0b".to_vec());
    });
    assert!(matches!(error, ElfError::EditName(_)));
    let to = SymbolSection::Reserved(0xffff);
    let error = refused(&file, |edits| edits.set_symbol_section(symbol(1), to));
    assert!(matches!(error, ElfError::EditReserved { .. }));
    let to = SymbolSection::Defined(section(99));
    let error = refused(&file, |edits| edits.set_symbol_section(symbol(1), to));
    assert!(matches!(error, ElfError::EditSection { .. }));
    let error = refused(&file, |edits| {
        let past = section(edits.next_section(&module).get() + 1);
        edits.add_section(NewSection { info: past, ..named("x") });
    });
    assert!(matches!(error, ElfError::EditSection { .. }));
    let error = refused(&file, |edits| {
        edits.add_section(NewSection { link: edits.next_section(&module), ..named("x") });
    });
    assert!(matches!(error, ElfError::EditSection { .. }), "only sh_info may be one that is added");
    let rela = Rela { offset: 0, symbol: symbol(4), kind: 1, addend: 0 };
    let error = refused(&file, |edits| edits.set_relocations(section(3), vec![rela]));
    assert!(matches!(error, ElfError::RelocationSymbol { entry: 0, count: 4, .. }));
    for sh_type in [SYMTAB, RELA, GROUP, NOBITS] {
        let sh_type = object::elf::SectionType(sh_type);
        let error = refused(&file, |edits| {
            edits.add_section(NewSection { sh_type, ..named("x") });
        });
        assert!(matches!(error, ElfError::EditNew { .. }));
    }
    let error = refused(&file, |edits| {
        edits.add_section(NewSection { sh_addralign: 3, ..named("x") });
    });
    assert!(matches!(error, ElfError::EditNew { align: 3, .. }));
}
