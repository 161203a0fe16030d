//! Random modules, random edits: what is not edited is not changed.

use klp_convert::elf::{
    Edits, Module, Rela, Section as View, SectionIndex, SymbolIndex, SymbolSection, rewrite,
};
use object::elf::{SHT_PROGBITS, SHT_RELA};
use proptest::prelude::*;

use crate::builder::{self, Random};
use crate::sample::{named, section, symbol};

/// Edits, and what they touch.
#[derive(Debug, Default)]
struct Chosen {
    edits: Edits,
    gone: Vec<SectionIndex>,
    lost: Vec<SymbolIndex>,
    touched: Vec<SymbolIndex>,
    replaced: Vec<SectionIndex>,
    added: usize,
}

/// Random edits after which the module must still hold together.
fn random_edits(module: &Module<'_>, random: &mut Random) -> Chosen {
    let mut chosen = Chosen::default();
    let Chosen { edits, gone, lost, touched, replaced, added } = &mut chosen;
    let tables = module.symtab();
    if random.chance(70) {
        for view in module.sections().skip(1).filter(|view| view.index < tables) {
            let target = view.sh_type == SHT_RELA && gone.contains(&section(view.sh_info));
            if target || random.chance(20) {
                gone.push(view.index);
            }
        }
    }
    gone.iter().for_each(|&index| edits.remove_section(index));
    // Symbol 1 names groups.
    for view in module.symbols().skip(2) {
        let orphan = matches!(view.section, SymbolSection::Defined(place) if gone.contains(&place));
        if orphan || random.chance(10) {
            lost.push(view.index);
            edits.remove_symbol(view.index);
        } else if random.chance(15) {
            touched.push(view.index);
            edits.rename_symbol(view.index, random.pick(&["foo", "", "new,1"]).into());
        } else if random.chance(10) {
            touched.push(view.index);
            edits.set_symbol_section(view.index, SymbolSection::Livepatch);
        }
    }
    for rela in module.relocation_sections() {
        let kept = module.relocations(rela.index).filter(|rela| !lost.contains(&rela.symbol));
        if !lost.is_empty() || random.chance(20) {
            edits.set_relocations(rela.index, kept.collect());
        }
    }
    for view in module.sections().filter(|view| view.sh_type == SHT_PROGBITS) {
        if random.chance(20) {
            let length = usize::try_from(random.below(90)).unwrap();
            replaced.push(view.index);
            edits.set_body(view.index, vec![0xaa; length]);
        }
    }
    for _ in 0..random.below(3) {
        *added += 1;
        edits.add_section(named(random.pick(&[".new", ".text", "ew"])));
    }
    chosen
}

/// What of a header no edit of these tests touches.
fn fixed<'a>(view: &View<'a>) -> (&'a [u8], u32, u64, u64) {
    (view.name, view.sh_type.0, view.sh_addralign, view.sh_entsize)
}

proptest! {
    #[test]
    fn what_is_not_edited_is_not_changed(seed: u64) {
        let file = builder::random(seed).build();
        let old = Module::parse(&file).unwrap();
        let chosen = random_edits(&old, &mut Random(seed ^ 1));
        let out = rewrite(&old, &chosen.edits).unwrap();
        let new = Module::parse(&out).unwrap();

        let removed = |index| chosen.gone.contains(&index);
        let emptied = |view: &View<'_>| {
            let mut members = old.group_members(view.index).peekable();
            members.peek().is_some() && members.all(removed)
        };
        let kept: Vec<&View<'_>> =
            old.sections().filter(|view| !removed(view.index) && !emptied(view)).collect();
        prop_assert_eq!(new.sections().len(), kept.len() + chosen.added);
        let moved = |index: SectionIndex| -> SectionIndex {
            let at = kept.iter().position(|view| view.index == index).unwrap();
            section(u32::try_from(at).unwrap())
        };
        let kept_symbols: Vec<_> =
            old.symbols().filter(|view| !chosen.lost.contains(&view.index)).collect();
        let moved_symbol = |index: SymbolIndex| -> SymbolIndex {
            let at = kept_symbols.iter().position(|view| view.index == index).unwrap();
            symbol(u32::try_from(at).unwrap())
        };
        prop_assert_eq!(new.symbol_count(), kept_symbols.len());
        for (before, after) in kept_symbols.iter().zip(new.symbols()) {
            if !chosen.touched.contains(&before.index) {
                prop_assert_eq!(before.name, after.name);
                prop_assert_eq!(before.st_value, after.st_value);
                let expected = match before.section {
                    SymbolSection::Defined(index) => SymbolSection::Defined(moved(index)),
                    other => other,
                };
                prop_assert_eq!(expected, after.section);
            }
            prop_assert_eq!((before.bind, before.kind, before.st_size, before.st_other),
                (after.bind, after.kind, after.st_size, after.st_other));
        }
        for (before, after) in kept.iter().zip(new.sections()).skip(1) {
            prop_assert_eq!(fixed(before), fixed(after));
            prop_assert_eq!(moved(before.sh_link), after.sh_link);
            if before.sh_type == SHT_RELA {
                prop_assert_eq!(moved(section(before.sh_info)).get(), after.sh_info);
                let expected: Vec<Rela> = old
                    .relocations(before.index)
                    .filter(|rela| !chosen.lost.contains(&rela.symbol))
                    .map(|rela| Rela { symbol: moved_symbol(rela.symbol), ..rela })
                    .collect();
                prop_assert_eq!(new.relocations(after.index).collect::<Vec<_>>(), expected);
            }
            let members = old.group_members(before.index).filter(|&index| !removed(index));
            let members: Vec<_> = members.map(moved).collect();
            prop_assert_eq!(new.group_members(after.index).collect::<Vec<_>>(), members);
            if before.sh_type == SHT_PROGBITS && !chosen.replaced.contains(&before.index) {
                prop_assert_eq!(old.body(before.index), new.body(after.index));
            }
        }
        for view in new.sections().skip(kept.len()) {
            prop_assert_eq!(new.body(view.index), b"new");
            prop_assert!([&b".new"[..], b".text", b"ew"].contains(&view.name));
        }
        prop_assert_eq!(rewrite(&old, &chosen.edits).unwrap(), out);
    }
}
