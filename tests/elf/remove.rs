//! What follows when sections and symbols go, and what may not go.

use klp_convert::elf::{
    Edits, ElfError, Module, NewBody, NewSection, Rela, SectionFlags, SymbolSection, rewrite,
};
use object::elf::{SHT_RELA, SHT_SYMTAB_SHNDX};

use crate::builder::{ADDRSIG, Builder, LINK_SYMTAB, Section};
use crate::sample::{contains, named, refused, sample, section, symbol};

#[test]
fn removed_sections_leave_no_trace() {
    let file = sample(false).build();
    let module = Module::parse(&file).unwrap();
    let mut edits = Edits::new();
    edits.remove_section(section(2));
    edits.remove_section(section(4));
    edits.remove_symbol(symbol(2));
    let out = rewrite(&module, &edits).unwrap();
    let new = Module::parse(&out).unwrap();
    assert!(!contains(&out, b".data") && !contains(&out, b"second"));
    assert_eq!(new.sections().len(), module.sections().len() - 2);
    assert_eq!(new.symtab(), section(3));
    let rela: Vec<_> = new.relocations(section(2)).map(|rela| rela.symbol.get()).collect();
    assert_eq!(rela, [2, 1]);
    assert_eq!(new.section(new.symtab()).unwrap().sh_info, 1);
}

#[test]
fn nothing_removed_may_still_be_named() {
    let mut builder = sample(false);
    let group = builder.group(3, &[1]);
    let (name, flags) = ("ordered".to_owned(), 0x80);
    builder.section(Section { name, sh_type: 1, flags, link: 2, ..Section::default() });
    let file = builder.build();
    let error = refused(&file, |edits| edits.remove_section(section(1)));
    assert_eq!(
        error.to_string(),
        "section 3 '.rela.text': sh_info names section 1 '.text', which is removed"
    );
    let error = refused(&file, |edits| {
        edits.remove_section(section(1));
        edits.remove_section(section(3));
    });
    assert_eq!(error.to_string(), "symbol 1 'first' is in section 1 '.text', which is removed");
    let error = refused(&file, |edits| {
        edits.remove_section(section(2));
        edits.remove_section(section(4));
    });
    assert!(matches!(error, ElfError::NamesRemovedSection { field: "sh_link", .. }));
    let error = refused(&file, |edits| edits.remove_symbol(symbol(1)));
    assert_eq!(
        error.to_string(),
        "section 3 '.rela.text': relocation 1 names symbol 1 'first', which is removed"
    );
    let error = refused(&file, |edits| {
        edits.remove_symbol(symbol(3));
        edits.set_relocations(section(3), Vec::new());
    });
    assert!(matches!(error, ElfError::GroupOfRemovedSymbol { section, .. }
        if section.index.get() == group));
    let error = refused(&file, |edits| {
        edits.remove_symbol(symbol(2));
        let rela = Rela { offset: 0, symbol: symbol(2), kind: 1, addend: 0 };
        edits.add_section(NewSection {
            sh_type: SHT_RELA,
            body: NewBody::Relocations(vec![rela]),
            ..named("r")
        });
    });
    assert!(matches!(error, ElfError::NamesRemovedSymbol { entry: 0, .. }));
    let error = refused(&file, |edits| {
        edits.remove_section(section(3));
        edits.add_section(NewSection { link: section(3), ..named("x") });
    });
    assert!(matches!(error, ElfError::NamesRemovedSection { .. }));
}

#[test]
fn groups_forget_removed_members_and_go_when_empty() {
    let mut builder = Builder::new(true);
    let members: Vec<u32> = ["a", "b", "c"].map(|name| builder.progbits(name, b"x")).to_vec();
    for section in &mut builder.sections {
        section.flags |= 0x200;
    }
    let name = builder.symbol("name", 0, 0);
    let two = builder.group(name, &members[..2]);
    let one = builder.group(name, &members[2..]);
    let file = builder.build();
    let module = Module::parse(&file).unwrap();

    let mut edits = Edits::new();
    edits.remove_section(section(members[0]));
    edits.remove_section(section(members[2]));
    let out = rewrite(&module, &edits).unwrap();
    let new = Module::parse(&out).unwrap();
    assert_eq!(new.sections_named(b".group").count(), 1);
    assert_eq!(new.group_members(section(two - 2)).collect::<Vec<_>>(), [section(1)]);

    let mut edits = Edits::new();
    edits.remove_section(section(two));
    let out = rewrite(&module, &edits).unwrap();
    let new = Module::parse(&out).unwrap();
    let grouped =
        |index| new.section(section(index)).unwrap().sh_flags.contains(SectionFlags::GROUP);
    assert!(!grouped(members[0]) && !grouped(members[1]) && grouped(members[2]));
    assert_eq!(new.group_members(section(one - 1)).collect::<Vec<_>>(), [section(3)]);
}

#[test]
fn address_significance_follows_symbols() {
    let mut builder = Builder::new(false);
    for number in 1..=200 {
        builder.symbol(&format!("s{number}"), 0, 0);
    }
    // Symbols 1, 3 and 130.
    let (sh_type, link, body) = (ADDRSIG, LINK_SYMTAB, vec![1, 3, 0x82, 0x01]);
    builder.section(Section { name: "a".into(), sh_type, link, body, ..Section::default() });
    let file = builder.build();
    let module = Module::parse(&file).unwrap();
    let mut edits = Edits::new();
    edits.remove_symbol(symbol(1));
    edits.remove_symbol(symbol(2));
    edits.remove_symbol(symbol(100));
    let out = rewrite(&module, &edits).unwrap();
    assert_eq!(Module::parse(&out).unwrap().body(section(1)), [1, 127]);

    builder.sections[0].body = vec![1, 0x80];
    let error = refused(&builder.build(), |edits| edits.remove_symbol(symbol(5)));
    assert!(matches!(error, ElfError::AddressSignificance { offset: 1, .. }));
}

#[test]
fn seventy_thousand_sections_are_numbered_and_renumbered() {
    for big in [false, true] {
        let mut builder = Builder::new(big);
        for number in 0..70_000_u32 {
            builder.progbits(if number % 2 == 0 { ".text.a" } else { ".text.b" }, b"x");
        }
        builder.symbol("low", 1, 1);
        builder.symbol("high", 69_999, 2);
        builder.rela(".rela", 69_999, &[(0, 2, 1, 0)]);
        let file = builder.build();
        let module = Module::parse(&file).unwrap();
        assert_eq!(
            module.symbol(symbol(2)).unwrap().section,
            SymbolSection::Defined(section(69_999))
        );

        let mut edits = Edits::new();
        edits.remove_section(section(2));
        let out = rewrite(&module, &edits).unwrap();
        let new = Module::parse(&out).unwrap();
        assert_eq!(new.sections().len(), module.sections().len() - 1);
        assert_eq!(new.symbol(symbol(2)).unwrap().section, SymbolSection::Defined(section(69_998)));
        assert_eq!(new.symbol(symbol(1)).unwrap().section, SymbolSection::Defined(section(1)));
        let rela = new.sections_named(b".rela").next().unwrap();
        assert_eq!(rela.sh_info, 69_998);
        assert_eq!(rela.sh_link, new.symtab());

        // Down to few sections the counts move back into the file header.
        let mut edits = Edits::new();
        (2..69_990).for_each(|index| edits.remove_section(section(index)));
        let out = rewrite(&module, &edits).unwrap();
        let new = Module::parse(&out).unwrap();
        assert_ne!(out[60..62], [0, 0]);
        assert_eq!(new.symbol(symbol(2)).unwrap().section, SymbolSection::Defined(section(11)));
    }
}

#[test]
fn the_extended_table_is_added_when_a_symbol_needs_it() {
    let mut builder = Builder::new(true);
    for _ in 0..66_000 {
        builder.progbits(".text", b"");
    }
    builder.symbol("moves", 1, 1);
    let file = builder.build();
    let module = Module::parse(&file).unwrap();
    let mut edits = Edits::new();
    edits.set_symbol_section(symbol(1), SymbolSection::Defined(section(65_999)));
    let out = rewrite(&module, &edits).unwrap();
    let new = Module::parse(&out).unwrap();
    assert_eq!(new.symbol(symbol(1)).unwrap().section, SymbolSection::Defined(section(65_999)));
    let table = new.sections().last().unwrap();
    assert_eq!((table.name, table.sh_type), (&b".symtab_shndx"[..], SHT_SYMTAB_SHNDX));
}
