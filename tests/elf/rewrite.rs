//! What a rewritten module keeps, and how what was asked for shows in it.

use std::borrow::Cow;

use klp_convert::elf::{
    Edits, ElfError, Module, NewBody, NewSection, NewSymbol, Rela, SectionFlags, SymbolSection,
    rewrite,
};
use object::elf::{SHT_RELA, STB_GLOBAL, STB_LOCAL, STB_WEAK, STT_FUNC};

use crate::builder::{Builder, LINK_STRTAB, Section};
use crate::sample::{contains, named, refused, sample, section, symbol};

#[test]
fn without_edits_the_input_itself_comes_back() {
    let mut file = sample(true).build();
    file.extend(b"trailing bytes");
    let module = Module::parse(&file).unwrap();
    let out = rewrite(&module, &Edits::new()).unwrap();
    assert!(matches!(out, Cow::Borrowed(bytes) if std::ptr::eq(bytes, &*file)));
}

#[test]
fn a_conversion_shows_and_nothing_else_changes() {
    for big in [false, true] {
        let file = sample(big).build();
        let module = Module::parse(&file).unwrap();
        let mut edits = Edits::new();
        let all: Vec<Rela> = module.relocations(section(3)).collect();
        edits.set_relocations(section(3), vec![all[1]]);
        edits.add_section(NewSection {
            name: b".klp.rela.vmlinux..text".to_vec(),
            sh_type: SHT_RELA,
            sh_flags: SectionFlags::ALLOC | SectionFlags::RELA_LIVEPATCH,
            link: module.symtab(),
            info: section(1),
            sh_addralign: 8,
            sh_entsize: 24,
            body: NewBody::Relocations(vec![all[0]]),
        });
        edits.rename_symbol(symbol(3), b".klp.sym.vmlinux.third,0".to_vec());
        edits.set_symbol_section(symbol(3), SymbolSection::Livepatch);
        let out = rewrite(&module, &edits).unwrap();
        let new = Module::parse(&out).unwrap();

        let klp = new.sections().last().unwrap();
        assert_eq!(klp.index.get() as usize, module.sections().len());
        assert_eq!(klp.name, b".klp.rela.vmlinux..text");
        assert_eq!((klp.sh_link, klp.sh_info), (module.symtab(), 1));
        assert_eq!(new.relocations(klp.index).collect::<Vec<_>>(), [all[0]]);
        assert_eq!(new.relocations(section(3)).collect::<Vec<_>>(), [all[1]]);
        let third = new.symbol(symbol(3)).unwrap();
        assert_eq!(third.name, b".klp.sym.vmlinux.third,0");
        assert_eq!((third.section, third.st_value), (SymbolSection::Livepatch, 0));
        assert!(!contains(&out, b"\0third\0"));
        for index in [1, 2, 4].map(section) {
            assert_eq!(new.body(index), module.body(index));
        }
        assert!(new.symbols().take(3).eq(module.symbols().take(3)));
        assert_eq!((new.flags(), new.machine()), (module.flags(), module.machine()));
    }
}

#[test]
fn the_section_header_table_is_last_and_aligned() {
    let file = sample(false).build();
    let module = Module::parse(&file).unwrap();
    let mut edits = Edits::new();
    edits.set_body(section(2), vec![1; 13]);
    edits.add_section(named(".new"));
    let out = rewrite(&module, &edits).unwrap();
    let new = Module::parse(&out).unwrap();
    let table = u64::from_le_bytes(out[40..48].try_into().unwrap());
    assert_eq!(table % 8, 0);
    assert_eq!(usize::try_from(table).unwrap() + new.sections().len() * 64, out.len());
    let offsets: Vec<u64> = new.sections().map(|section| section.sh_offset).collect();
    assert!(offsets.is_sorted(), "{offsets:?}");
    assert!(new.sections().all(|s| s.sh_offset % s.sh_addralign.max(1) == 0));
}

#[test]
fn bodies_keep_their_order_in_the_file() {
    let mut builder = Builder::new(false);
    builder.progbits(".first", b"AAAA");
    builder.progbits(".second", b"BBBB");
    let mut file = builder.build();
    // Swap the two bodies in the file and the offsets in the headers.
    let table = usize::try_from(u64::from_le_bytes(file[40..48].try_into().unwrap())).unwrap();
    file[64..72].copy_from_slice(b"BBBBAAAA");
    file[table + 64 + 24] = 68;
    file[table + 128 + 24] = 64;
    let module = Module::parse(&file).unwrap();
    assert_eq!(module.body(section(1)), b"AAAA");
    let mut edits = Edits::new();
    edits.add_section(named(".new"));
    let out = rewrite(&module, &edits).unwrap();
    assert_eq!(out[64..72], *b"BBBBAAAA");
    assert_eq!(Module::parse(&out).unwrap().body(section(1)), b"AAAA");
}

#[test]
fn a_huge_alignment_does_not_make_a_huge_file() {
    let mut builder = Builder::new(false);
    builder.progbits(".text", &[1; 4]);
    let mut file = builder.build();
    let table = usize::try_from(u64::from_le_bytes(file[40..48].try_into().unwrap())).unwrap();
    file[table + 64 + 48..table + 64 + 56].copy_from_slice(&(1_u64 << 62).to_le_bytes());
    let module = Module::parse(&file).unwrap();
    let mut edits = Edits::new();
    edits.set_body(section(1), vec![2; 4]);
    let out = rewrite(&module, &edits).unwrap();
    assert_eq!(out.len(), file.len());
    assert_eq!(Module::parse(&out).unwrap().section(section(1)).unwrap().sh_addralign, 1 << 62);
}

#[test]
fn emptied_relocations_leave_an_empty_section() {
    let file = sample(false).build();
    let module = Module::parse(&file).unwrap();
    let mut edits = Edits::new();
    edits.set_relocations(section(4), Vec::new());
    let out = rewrite(&module, &edits).unwrap();
    let new = Module::parse(&out).unwrap();
    assert_eq!(new.sections().len(), module.sections().len());
    assert_eq!(new.section(section(4)).unwrap().sh_size, 0);
}

#[test]
fn a_suffix_of_a_renamed_symbol_stays_what_it_was() {
    let mut builder = Builder::new(false);
    let text = builder.progbits(".text", b"");
    for name in ["get_value", "value", "e", "other"] {
        builder.symbol(name, text, 0);
    }
    let file = builder.build();
    let module = Module::parse(&file).unwrap();
    let mut edits = Edits::new();
    edits.rename_symbol(symbol(1), b"renamed".to_vec());
    let out = rewrite(&module, &edits).unwrap();
    let new = Module::parse(&out).unwrap();
    let names: Vec<&[u8]> = new.symbols().map(|symbol| symbol.name).collect();
    assert_eq!(names, [&b""[..], b"renamed", b"value", b"e", b"other"]);
    let strtab = new.sections_named(b".strtab").next().unwrap().index;
    assert_eq!(new.body(strtab), b"\0value\0other\0renamed\0");
}

#[test]
fn a_string_table_whose_names_do_not_change_keeps_its_bytes() {
    let mut builder = sample(false);
    builder.shared_strings = false;
    let file = builder.build();
    let module = Module::parse(&file).unwrap();
    let mut edits = Edits::new();
    edits.rename_symbol(symbol(1), b"x".to_vec());
    let out = rewrite(&module, &edits).unwrap();
    let new = Module::parse(&out).unwrap();
    let table = module.sections_named(b".shstrtab").next().unwrap().index;
    assert_eq!(new.body(table), module.body(table));
}

#[test]
fn a_shared_string_table_is_rebuilt_for_both_readers() {
    let mut builder = sample(true);
    builder.shared_strings = true;
    let file = builder.build();
    let module = Module::parse(&file).unwrap();
    let mut edits = Edits::new();
    edits.rename_symbol(symbol(1), b"renamed".to_vec());
    edits.add_section(named(".renamed"));
    let out = rewrite(&module, &edits).unwrap();
    let new = Module::parse(&out).unwrap();
    let names = |module: &Module<'_>| -> Vec<Vec<u8>> {
        module.sections().map(|section| section.name.to_vec()).collect()
    };
    assert_eq!(names(&new)[..module.sections().len()], names(&module));
    assert_eq!(names(&new).last().unwrap(), b".renamed");
    assert!(!contains(&out, b"first"));
}

#[test]
fn a_shared_string_table_takes_a_new_section_alone() {
    let mut builder = sample(false);
    builder.shared_strings = true;
    let file = builder.build();
    let module = Module::parse(&file).unwrap();
    let mut edits = Edits::new();
    edits.add_section(named(".new"));
    let out = rewrite(&module, &edits).unwrap();
    let new = Module::parse(&out).unwrap();
    assert_eq!(new.sections().last().unwrap().name, b".new");
    assert!(new.symbols().eq(module.symbols()));
}

#[test]
fn a_string_table_with_unknown_readers_is_only_appended_to() {
    let mut builder = sample(false);
    builder.section(Section {
        name: ".reads".to_owned(),
        sh_type: 0x7000_0001,
        link: LINK_STRTAB,
        body: vec![1, 0, 0, 0],
        ..Section::default()
    });
    let file = builder.build();
    let module = Module::parse(&file).unwrap();
    let strtab = module.sections_named(b".strtab").next().unwrap().index;
    let mut edits = Edits::new();
    edits.rename_symbol(symbol(1), b"renamed".to_vec());
    let out = rewrite(&module, &edits).unwrap();
    let new = Module::parse(&out).unwrap();
    let expected = [module.body(strtab), b"renamed\0"].concat();
    assert_eq!(new.body(strtab), expected);
    assert_eq!(new.symbol(symbol(1)).unwrap().name, b"renamed");
}

#[test]
fn relocations_that_are_added_can_be_for_a_section_that_is_added() {
    let file = sample(false).build();
    let module = Module::parse(&file).unwrap();
    let mut edits = Edits::new();
    edits.add_section(named(".before"));
    let target = edits.next_section(&module);
    edits.add_section(named(".target"));
    // All others move up.
    edits.set_relocations(section(3), Vec::new());
    edits.remove_section(section(3));
    let rela = Rela { offset: 0, symbol: symbol(1), kind: 2, addend: 3 };
    edits.add_section(NewSection {
        sh_type: SHT_RELA,
        sh_entsize: 24,
        link: module.symtab(),
        info: target,
        body: NewBody::Relocations(vec![rela]),
        ..named(".rela.target")
    });
    let out = rewrite(&module, &edits).unwrap();
    let new = Module::parse(&out).unwrap();
    let table = new.sections_named(b".rela.target").next().unwrap();
    assert_eq!(new.section(section(table.sh_info)).unwrap().name, b".target");
    assert!(new.relocations(table.index).eq([rela]));
}

#[test]
fn a_new_symbol_comes_after_the_others_of_its_binding() {
    for big in [false, true] {
        let mut builder = sample(big);
        builder.locals = 2;
        builder.symbols[0].info = 0;
        let file = builder.build();
        let module = Module::parse(&file).unwrap();
        for removes in [false, true] {
            let new = |name: &str, bind| NewSymbol {
                name: name.as_bytes().to_vec(),
                bind,
                kind: STT_FUNC,
                section: SymbolSection::Livepatch,
            };
            let mut edits = Edits::new();
            edits.add_symbol(new("global", STB_GLOBAL));
            edits.add_symbol(new("local", STB_LOCAL));
            edits.add_symbol(new("weak", STB_WEAK));
            if removes {
                edits.remove_symbol(symbol(2));
            }
            let added =
                |number: u32| Rela { offset: 1, symbol: symbol(number), kind: 2, addend: 3 };
            let body = NewBody::Relocations([4, 5, 6, 3, 1].map(added).into());
            edits.add_section(NewSection {
                sh_type: SHT_RELA,
                sh_entsize: 24,
                link: module.symtab(),
                info: section(1),
                body,
                ..named("more")
            });
            let out = rewrite(&module, &edits).unwrap();
            let written = Module::parse(&out).unwrap();
            let names: Vec<_> =
                written.symbols().map(|s| String::from_utf8_lossy(s.name)).collect();
            let second: &[&str] = if removes { &[] } else { &["second"] };
            let expected = [&["", "first", "local"], second, &["third", "global", "weak"]].concat();
            assert_eq!(names, expected);
            assert_eq!(written.section(written.symtab()).unwrap().sh_info, 3);
            let named = |name: &str| written.symbols().find(|s| s.name == name.as_bytes()).unwrap();
            for (name, bind) in [("global", STB_GLOBAL), ("local", STB_LOCAL), ("weak", STB_WEAK)] {
                let symbol = named(name);
                assert_eq!((symbol.bind, symbol.kind), (bind, STT_FUNC));
                assert_eq!((symbol.section, symbol.st_value), (SymbolSection::Livepatch, 0));
            }
            let more = written.sections_named(b"more").next().unwrap().index;
            let symbols =
                written.relocations(more).map(|rela| written.symbol(rela.symbol).unwrap());
            let symbols: Vec<_> = symbols.map(|s| String::from_utf8_lossy(s.name)).collect();
            assert_eq!(symbols, ["global", "local", "weak", "third", "first"]);
            let old =
                written.relocations(section(3)).map(|rela| written.symbol(rela.symbol).unwrap());
            let old: Vec<_> = old.map(|s| String::from_utf8_lossy(s.name)).collect();
            assert_eq!(old, ["third", "first"]);
        }
    }
}

#[test]
fn a_relocation_of_a_symbol_that_nobody_adds_is_refused() {
    let file = sample(false).build();
    let error = refused(&file, |edits| {
        let (name, undefined) = (b"new".to_vec(), SymbolSection::Undefined);
        let (bind, kind) = (STB_GLOBAL, STT_FUNC);
        edits.add_symbol(NewSymbol { name, bind, kind, section: undefined });
        let rela = Rela { offset: 0, symbol: symbol(5), kind: 1, addend: 0 };
        edits.set_relocations(section(3), vec![rela]);
    });
    assert!(matches!(error, ElfError::RelocationSymbol { count: 5, .. }), "{error}");
    let error = refused(&file, |edits| {
        let (name, section) = (b"a\0b".to_vec(), SymbolSection::Undefined);
        edits.add_symbol(NewSymbol { name, bind: STB_GLOBAL, kind: STT_FUNC, section });
    });
    assert!(matches!(error, ElfError::EditName(_)), "{error}");
}
