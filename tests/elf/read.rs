//! What a file is read as, whatever its bytes.

use klp_convert::elf::{
    ElfError, Module, SHN_LIVEPATCH, SIGNATURE_MARKER, SectionIndex, SymbolIndex, SymbolSection,
};
use proptest::prelude::*;

use crate::builder::{self, Builder};
use crate::refuse_files::{put, sample};

#[test]
fn both_byte_orders_read_the_same() {
    for big in [false, true] {
        let (_, file) = sample(big);
        let module = Module::parse(&file).unwrap();
        assert_eq!(module.endian() == scroll::Endian::Big, big);
        assert_eq!((module.machine(), module.file_type(), module.flags()), (62, 1, 0x1234));
        assert_eq!(module.data(), file);
        assert_eq!(module.symtab(), SectionIndex::new(6));
        assert_eq!(module.body(SectionIndex::new(1)), [0x90; 16]);
        assert_eq!(module.body(SectionIndex::new(4)), b"");
        assert_eq!(module.body(SectionIndex::new(99)), b"");
        let symbol = module.symbol(SymbolIndex::new(1)).unwrap();
        assert_eq!((symbol.name, symbol.st_value), (&b"f"[..], 4));
        assert_eq!(symbol.section, SymbolSection::Defined(SectionIndex::new(1)));
        let rela = module.relocations(SectionIndex::new(2)).nth(1).unwrap();
        assert_eq!((rela.offset, rela.symbol.get(), rela.kind, rela.addend), (9, 1, 4, 1 << 40));
        assert_eq!(module.relocations(SectionIndex::new(1)).len(), 0);
        let members: Vec<_> = module.group_members(SectionIndex::new(3)).collect();
        assert_eq!(members, [SectionIndex::new(1)]);
        let livepatch = module.modinfo().find(|(key, _)| *key == b"livepatch");
        assert_eq!(livepatch, Some((&b"livepatch"[..], &b"Y"[..])));
    }
}

#[test]
fn reserved_section_indices_are_told_apart() {
    let mut builder = Builder::new(false);
    for index in [0, 0xfff1, 0xfff2, u32::from(SHN_LIVEPATCH), 0xff05] {
        builder.reserved_symbol("s", index);
    }
    let file = builder.build();
    let module = Module::parse(&file).unwrap();
    let sections: Vec<_> = module.symbols().skip(1).map(|symbol| symbol.section).collect();
    assert_eq!(
        sections,
        [
            SymbolSection::Undefined,
            SymbolSection::Absolute,
            SymbolSection::Common,
            SymbolSection::Livepatch,
            SymbolSection::Reserved(0xff05),
        ]
    );
}

#[test]
fn a_signature_is_found_and_kept_out_of_the_view() {
    let (_, mut file) = sample(false);
    let len = file.len();
    file.extend([0x30; 20]);
    file.extend([0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 20]);
    file.extend(SIGNATURE_MARKER);
    assert_eq!(Module::parse(&file).unwrap().signature(), Some(len..file.len()));
    let at = len + 20 + 8;
    put(&mut file, at, &[0x7f]);
    assert!(matches!(Module::parse(&file), Err(ElfError::Signature { .. })));
}

proptest! {
    #[test]
    fn any_bytes_give_a_module_or_an_error(bytes: Vec<u8>) {
        prop_assert!(Module::parse(&bytes).is_err());
    }

    #[test]
    fn a_damaged_file_gives_a_module_or_an_error(
        seed: u64,
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 1..6),
        keep in 0_usize..20_000,
    ) {
        let mut file = builder::random(seed).build();
        for (at, bit) in flips {
            let at = at.index(file.len());
            file[at] ^= 1 << bit;
        }
        file.truncate(keep);
        if let Ok(module) = Module::parse(&file) {
            let names: usize = module.symbols().map(|symbol| symbol.name.len()).sum();
            prop_assert!(names <= file.len() * module.symbol_count());
            for section in module.relocation_sections() {
                for rela in module.relocations(section.index) {
                    prop_assert!(module.symbol(rela.symbol).is_some());
                }
            }
        }
    }
}
