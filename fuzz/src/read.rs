//! Arbitrary bytes: a module or an error; and a rewritten module is the same module.
#![allow(clippy::panic, reason = "a property that does not hold has to stop the run")]

use klp_convert::elf::{
    Edits, Module, NewBody, NewSection, Rela, Section, SectionFlags, SectionIndex, SymbolIndex,
    rewrite,
};
use object::elf::{SHT_NULL, SHT_PROGBITS, SHT_STRTAB};

/// Checks the property.
///
/// # Panics
/// When it does not hold.
pub fn run(data: &[u8]) {
    let Ok(module) = Module::parse(data) else {
        return;
    };
    walk(&module);
    assert_eq!(rewrite(&module, &Edits::new()).as_deref(), Ok(data), "no edits, other bytes");

    remove_one(&module);

    // One more section forces every header and body through the rewriter.
    let mut edits = Edits::new();
    edits.add_section(NewSection {
        name: b".fuzz".to_vec(),
        sh_type: SHT_PROGBITS,
        sh_flags: SectionFlags::empty(),
        link: SectionIndex::NULL,
        info: SectionIndex::NULL,
        sh_addralign: 1,
        sh_entsize: 0,
        body: NewBody::Bytes(b"fuzz".to_vec()),
    });
    let again = match rewrite(&module, &edits) {
        Ok(again) => again,
        Err(error) => panic!("a module is not written: {error}"),
    };
    match Module::parse(&again) {
        Ok(again) => same(&module, &again),
        Err(error) => panic!("a written module is not read: {error}"),
    }
}

/// Removes one section or one symbol, chosen by the bytes: unless refused, the module is one entry
/// shorter.
fn remove_one(module: &Module<'_>) {
    let choice = module.data().iter().fold(0_u32, |sum, &byte| sum.wrapping_add(byte.into()));
    let section = choice.checked_rem(u32::try_from(module.sections().len()).unwrap_or(0));
    let symbol = choice.checked_rem(u32::try_from(module.symbol_count()).unwrap_or(0));
    let mut without_section = Edits::new();
    without_section.remove_section(SectionIndex::new(section.unwrap_or(0)));
    let mut without_symbol = Edits::new();
    without_symbol.remove_symbol(SymbolIndex::new(symbol.unwrap_or(0)));
    for (edits, symbols) in [(without_section, 0), (without_symbol, 1)] {
        let Ok(shorter) = rewrite(module, &edits) else {
            continue;
        };
        match Module::parse(&shorter) {
            Ok(shorter) => {
                assert_eq!(shorter.symbol_count() + symbols, module.symbol_count());
                assert!(shorter.sections().len() <= module.sections().len());
            }
            Err(error) => panic!("{edits:?} leave no module: {error}"),
        }
    }
}

/// Follows everything that a module offers.
fn walk(module: &Module<'_>) {
    for section in module.sections() {
        assert!(module.body(section.index).len() <= module.data().len());
        assert!(module.sections_named(section.name).any(|named| named == section));
        assert!(module.relocations(section.index).len() <= module.data().len() / 24);
        assert!(module.group_members(section.index).count() <= module.data().len() / 4);
    }
    for symbol in module.symbols() {
        assert_eq!(module.symbol(symbol.index), Some(symbol));
    }
    assert!(module.modinfo().all(|(key, value)| key.len() + value.len() < module.data().len()));
    assert!(module.signature().is_none_or(|range| range.end == module.data().len()));
}

/// Panics unless the second module is the first one plus a section.
fn same(old: &Module<'_>, new: &Module<'_>) {
    assert_eq!(new.sections().len(), old.sections().len() + 1);
    assert!(old.symbols().eq(new.symbols()), "symbols differ");
    assert_eq!(
        (old.machine(), old.flags(), old.symtab()),
        (new.machine(), new.flags(), new.symtab())
    );
    for (before, after) in old.sections().zip(new.sections()).skip(1) {
        if before.sh_type == SHT_NULL {
            continue;
        }
        // String tables lose unused strings.
        if before.sh_type != SHT_STRTAB && before.index != old.symtab() {
            assert_eq!(before.sh_size, after.sh_size);
            assert_eq!(old.body(before.index), new.body(after.index));
        }
        let placed =
            Section { sh_offset: before.sh_offset, sh_size: before.sh_size, ..after.clone() };
        assert_eq!(*before, placed);
        let relocations: Vec<Rela> = old.relocations(before.index).collect();
        assert!(new.relocations(after.index).eq(relocations), "relocations differ");
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_property_holds_for_every_seed() {
        let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/seeds/read");
        let mut count = 0;
        for seed in std::fs::read_dir(seeds).unwrap() {
            super::run(&std::fs::read(seed.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "no seeds in {seeds}");
    }
}
