//! A small module to edit, and shorthands for what tests say about it.

use klp_convert::elf::{
    Edits, ElfError, Module, NewBody, NewSection, SectionFlags, SectionIndex, SymbolIndex, rewrite,
};
use object::elf::SHT_PROGBITS;

use crate::builder::Builder;

pub(crate) const fn section(number: u32) -> SectionIndex {
    SectionIndex::new(number)
}

pub(crate) const fn symbol(number: u32) -> SymbolIndex {
    SymbolIndex::new(number)
}

pub(crate) fn named(name: &str) -> NewSection {
    NewSection {
        name: name.as_bytes().to_vec(),
        sh_type: SHT_PROGBITS,
        sh_flags: SectionFlags::from_bits_retain(0x8000_0002),
        link: SectionIndex::NULL,
        info: SectionIndex::NULL,
        sh_addralign: 16,
        sh_entsize: 0,
        body: NewBody::Bytes(b"new".to_vec()),
    }
}

pub(crate) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// `.text` 1, `.data` 2, `.rela.text` 3, `.rela.data` 4; symbols `first` 1 in `.text`, `second` 2
/// in `.data`, `third` 3 undefined.
pub(crate) fn sample(big: bool) -> Builder {
    let mut builder = Builder::new(big);
    let text = builder.progbits(".text", &[0x90; 16]);
    let data = builder.progbits(".data", &[7; 8]);
    builder.symbol("first", text, 4);
    builder.symbol("second", data, 8);
    builder.symbol("third", 0, 16);
    builder.rela(".rela.text", text, &[(1, 3, 2, -4), (5, 1, 2, 0)]);
    builder.rela(".rela.data", data, &[(0, 1, 1, 7)]);
    builder
}

pub(crate) fn refused(file: &[u8], edit: impl FnOnce(&mut Edits)) -> ElfError {
    let module = Module::parse(file).unwrap();
    let mut edits = Edits::new();
    edit(&mut edits);
    rewrite(&module, &edits).unwrap_err()
}
