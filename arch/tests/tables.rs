//! Whole tables: the short way for plain rows writes what the long way writes, and stops where it
//! stops.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use klp_arch::object::{SHN_ABS, SHN_LIVEPATCH, Symbol};
use klp_arch::{
    Anchors, Applied, Extent, Facts, Features, Linkage, Machine, Memory, Region, Rela, Stopped,
    Table, Turn, machines,
};
use proptest::prelude::*;

const SYMBOLS: u32 = 6;
const BYTES: usize = 96;

#[derive(Debug, Clone)]
struct Entry {
    offset: u64,
    symbol: u32,
    /// Which of the machine's rows, or none of them.
    row: usize,
    addend: i64,
}

fn entry() -> impl Strategy<Value = Entry> {
    let near = -0x1_0000_i64..0x1_0000;
    let addend = prop_oneof![4 => near, 1 => any::<i64>()];
    // Some places lie at the end or behind it, some symbols do not exist.
    let fields = (0..BYTES as u64 + 4, 0..SYMBOLS + 1, any::<usize>(), addend);
    fields.prop_map(|(offset, symbol, row, addend)| Entry { offset, symbol, row, addend })
}

fn symbol() -> impl Strategy<Value = Symbol<'static>> {
    let near = (0u64..0x10_0000).prop_map(|distance| 0xffff_ffff_c000_0000 + distance);
    let value = prop_oneof![3 => near, 1 => 0u64..0x1_0000, 1 => any::<u64>()];
    let section = prop_oneof![Just(0), Just(1), Just(SHN_ABS), Just(SHN_LIVEPATCH)];
    (value, section).prop_map(|(st_value, st_shndx)| Symbol {
        name: b"x",
        st_value,
        st_shndx,
        ..Symbol::default()
    })
}

/// A module with a TOC and a GOT, and nothing that references go through.
#[derive(Debug, Clone, Copy)]
struct Anchored;

impl Linkage for Anchored {
    fn anchors(&self) -> Anchors {
        Anchors { toc: Some(0xffff_ffff_c000_8000), got: Some(0xffff_ffff_c000_0000) }
    }

    fn boxed_clone(&self) -> Box<dyn Linkage> {
        Box::new(*self)
    }
}

/// Applies the table to a copy of the memory, by the short way or by the long one.
fn apply(
    machine: &Machine,
    table: &Table<'_, '_>,
    memory: &Memory,
    watched: bool,
) -> (Memory, Option<Box<Stopped>>, usize) {
    let (mut memory, mut seen) = (memory.clone(), 0);
    let mut watch = |_: &Applied<'_>| seen += 1;
    let watch = watched.then_some(klp_arch::Watcher { only_cut: false, tell: &mut watch });
    let end = machine.loader.relocate(table, Turn::Apply, &mut Anchored, &mut memory, watch);
    (memory, end.err(), seen)
}

proptest! {
    #[test]
    fn the_short_way_writes_what_the_long_way_writes(
        entries in proptest::collection::vec(entry(), 1..24),
        symbols in proptest::collection::vec(symbol(), SYMBOLS as usize),
        base in prop_oneof![Just(0xffff_ffff_c000_0000_u64), any::<u64>()],
        bytes in prop_oneof![
            2 => Just(vec![0; BYTES]),
            1 => proptest::collection::vec(any::<u8>(), BYTES),
        ],
        (late, writable) in any::<(bool, bool)>(),
        features in 0u32..4,
    ) {
        for machine in machines() {
            let number = |row: usize| {
                let rows = machine.rows;
                // Mostly data, which has the plain rows; sometimes a number that is none.
                rows.get(row % (rows.len() + 1)).map_or(250, |row| row.number)
            };
            let entries: Vec<_> = entries.iter().map(|entry| {
                let Entry { offset, symbol, row, addend } = *entry;
                let rela = Rela { offset, symbol, kind: number(row), addend };
                rela.write(machine.endian)
            }).collect();
            let features = Features::from_bits_retain(features);
            let table = Table {
                entries: &entries,
                symbols: &symbols,
                target: Extent { region: 0, offset: 0, size: BYTES, address: base },
                init: false,
                facts: Facts { late, writable, features, ..Facts::default() },
            };
            let region = Region { base, bytes: bytes.clone() };
            let memory = Memory { regions: vec![region] };
            let (short, short_end, _) = apply(*machine, &table, &memory, false);
            let (long, long_end, seen) = apply(*machine, &table, &memory, true);
            prop_assert_eq!(&short, &long, "{}", machine.name);
            let place = |end: &Option<Box<Stopped>>| end.as_ref().map(|s| (s.entry, s.fault));
            prop_assert_eq!(place(&short_end), place(&long_end), "{}", machine.name);
            let applied = long_end.map_or(entries.len(), |stopped| stopped.entry);
            prop_assert!(seen <= applied);
        }
    }
}
