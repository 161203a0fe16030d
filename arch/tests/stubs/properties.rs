//! Random modules: what is reserved is enough, and nothing else is written.

use klp_arch::object::{SHN_LIVEPATCH, Symbol};
use klp_arch::{Fault, Features, PPC64LE, Rela};
use proptest::prelude::*;

use super::module::*;

/// Symbols of all kinds; values of undefined ones coincide occasionally.
pub(crate) fn symbols() -> impl Strategy<Value = Vec<Symbol<'static>>> {
    let names: [&[u8]; 3] = [b"f", b"_mcount", b"ftrace_caller"];
    let section = prop_oneof![
        4 => Just(0),
        2 => Just(SHN_LIVEPATCH),
        2 => Just(TEXT as u16),
        1 => Just(PERCPU as u16),
    ];
    let symbol = (0..12_u64, section, prop::sample::select(names.to_vec())).prop_map(
        |(value, st_shndx, name)| {
            let local = usize::from(st_shndx) == TEXT;
            let base = if local { BASE } else { 0xc000_0000_0010_0000 };
            Symbol { st_shndx, ..undefined(name, base + value * 4) }
        },
    );
    prop::collection::vec(symbol, 1..8)
}

/// Tables in which each relocation has a place of its own.
pub(crate) fn tables() -> impl Strategy<Value = Vec<Vec<Rela>>> {
    let kinds: Vec<u32> = PPC64LE.rows.iter().map(|row| row.number).collect();
    let kind = prop_oneof![2 => Just(REL24), 1 => Just(116), 2 => prop::sample::select(kinds)];
    let rela = (1..8_u32, kind, -6..6_i64);
    let tables = prop::collection::vec(prop::collection::vec(rela, 0..12), 0..4);
    tables.prop_map(|tables| {
        let mut offset = 0;
        let mut place = |(symbol, kind, addend)| {
            offset += 16;
            Rela { offset: offset - 16, symbol, kind, addend: addend * 4 }
        };
        tables.into_iter().map(|table| table.into_iter().map(&mut place).collect()).collect()
    })
}

fn features() -> impl Strategy<Value = Features> {
    let versions = prop::sample::select(vec!["6.1", "6.12", "7.2"]);
    (versions, any::<bool>(), any::<bool>()).prop_map(|(version, pcrel, plain)| {
        let mut features = PPC64LE.features(version.parse().unwrap());
        features.set(Features::PCREL, pcrel);
        features.set(Features::PLAIN_FTRACE_CALLS, plain);
        features
    })
}

/// Tables that name these symbols only.
pub(crate) fn within(symbols: &[Symbol<'static>], tables: &[Vec<Rela>]) -> Vec<Vec<Rela>> {
    let limit = symbols.len() as u32;
    let within = |rela: &Rela| Rela { symbol: (rela.symbol - 1) % limit + 1, ..*rela };
    tables.iter().map(|table| table.iter().map(within).collect()).collect()
}

fn loading(symbols: &[Symbol<'static>], tables: &[Vec<Rela>], features: Features) -> Loading {
    let calls = tables.iter().map(Vec::len).sum::<usize>() + 1;
    let tables = within(symbols, tables);
    Loading::new(object(calls, symbols, &tables), &bare(features)).unwrap()
}

/// The memory without text and without what is reserved.
fn untouched(module: &Loading) -> Vec<u8> {
    let mut memory = module.memory.clone();
    for section in [TEXT, STUBS, GOT] {
        memory.bytes_mut(&module.extent(section)).fill(0);
    }
    memory.regions.remove(0).bytes
}

proptest! {
    #[test]
    fn the_reservation_is_enough_for_a_load(
        symbols in symbols(), tables in tables(), features in features(),
    ) {
        let mut module = loading(&symbols, &tables, features);
        let before = untouched(&module);
        for fault in module.apply_all() {
            prop_assert!(!matches!(fault, Fault::NoRoom { .. } | Fault::Missing(_)), "{fault}");
        }
        prop_assert_eq!(module.finish(), Ok(()));
        // What counts as used was written.
        let (used, _) = module.stubs();
        prop_assert!((0..used as usize).all(|slot| module.stub(slot) != [0; 10]));
        prop_assert_eq!(untouched(&module), before);
    }

    #[test]
    fn applying_twice_changes_nothing(
        symbols in symbols(), tables in tables(), features in features(),
    ) {
        let features = features.difference(Features::RESTORES_R2_ONCE);
        let mut module = loading(&symbols, &tables, features);
        let faults = module.apply_all();
        let (memory, stubs) = (module.memory.clone(), module.stubs());
        prop_assert_eq!(module.apply_all(), faults);
        prop_assert_eq!((&module.memory, module.stubs()), (&memory, stubs));
    }

    #[test]
    fn late_calls_stop_where_the_room_ends(
        symbols in symbols(), tables in tables(), features in features(), more in 1..40_u64,
    ) {
        let mut module = loading(&symbols, &tables, features);
        module.apply_all();
        prop_assert_eq!(module.finish(), Ok(()));
        let before = untouched(&module);
        let index = module.object.symbols.len() as u32;
        module.object.symbols.push(undefined(b"late", 0));
        // The last place of text, which nothing else uses.
        let place = module.extent(TEXT).size - 16;
        let room = module.linkage.stubs_left().unwrap();
        for count in 0..more {
            module.memory.regions[0].bytes[place..place + 8].copy_from_slice(&words(&[BL, NOP]));
            module.object.symbols[index as usize].st_value = 0xc008_0000_0100_0000 + count * 64;
            let reserved = module.reserved();
            let expected = if count < room { Ok(()) } else { Err(Fault::NoRoom { reserved }) };
            prop_assert_eq!(module.apply(call(index, place as u64, 0), true), expected);
        }
        prop_assert_eq!(untouched(&module), before);
    }

    #[test]
    fn tables_are_sorted_and_keep_their_entries(tables in tables(), features in features()) {
        let module = loading(&[undefined(b"f", 0)], &tables, features);
        for (index, table) in (TABLES..).zip(&tables) {
            let sorted: Vec<Rela> = module.object.relas(index).collect();
            prop_assert!(sorted.is_sorted_by(|x, y| (x.kind, x.addend) >= (y.kind, y.addend)));
            let mut offsets: Vec<u64> = sorted.iter().map(|rela| rela.offset).collect();
            offsets.sort_unstable();
            prop_assert!(offsets.into_iter().eq(table.iter().map(|rela| rela.offset)));
        }
    }
}
