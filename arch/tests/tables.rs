//! Whole tables: the fast path writes what the slow path writes, and stops where it stops.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use klp_arch::object::{SHN_ABS, SHN_LIVEPATCH, Symbol};
use klp_arch::{
    Anchors, AppliedRelocation, Conditions, Extent, FailedRelocation, Features, Linkage, Machine,
    Memory, Operation, Region, Rela, RelocationTable, machines,
};
use proptest::prelude::*;

const SYMBOLS: u32 = 6;
const BYTES: usize = 96;

#[derive(Debug, Clone)]
struct Entry {
    offset: u64,
    symbol: u32,
    /// Which of the machine's rows, or none.
    row: usize,
    addend: i64,
}

fn entry() -> impl Strategy<Value = Entry> {
    let near = -0x1_0000_i64..0x1_0000;
    let addend = prop_oneof![4 => near, 1 => any::<i64>()];
    // Some places are at or past the end, some symbols do not exist.
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

/// A module with a TOC and a GOT, and no slots, entries or stubs.
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

/// Applies the table to a copy of the memory, by the fast path or by the slow one.
fn apply(
    machine: &Machine,
    table: &RelocationTable<'_, '_>,
    memory: &Memory,
    observed: bool,
) -> (Memory, Option<Box<FailedRelocation>>, usize) {
    let (mut memory, mut seen) = (memory.clone(), 0);
    let mut observe = |_: &AppliedRelocation<'_>| seen += 1;
    let observer =
        observed.then_some(klp_arch::Observer { only_truncated: false, observe: &mut observe });
    let end =
        machine.loader.relocate(table, Operation::Apply, &mut Anchored, &mut memory, observer);
    (memory, end.err(), seen)
}

proptest! {
    #[test]
    fn the_fast_path_writes_what_the_slow_path_writes(
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
                // Mostly data, which has the plain rows; sometimes a number without a row.
                rows.get(row % (rows.len() + 1)).map_or(250, |row| row.number)
            };
            let entries: Vec<_> = entries.iter().map(|entry| {
                let Entry { offset, symbol, row, addend } = *entry;
                let rela = Rela { offset, symbol, kind: number(row), addend };
                rela.write(machine.endian)
            }).collect();
            let features = Features::from_bits_retain(features);
            let table = RelocationTable {
                entries: &entries,
                symbols: &symbols,
                target: Extent { region: 0, offset: 0, size: BYTES, address: base },
                init: false,
                conditions: Conditions { late, writable, features, ..Conditions::default() },
            };
            let region = Region { base, bytes: bytes.clone() };
            let memory = Memory { regions: vec![region] };
            let (fast, fast_end, _) = apply(machine, &table, &memory, false);
            let (slow, slow_end, seen) = apply(machine, &table, &memory, true);
            prop_assert_eq!(&fast, &slow, "{}", machine.name);
            let stop = |end: &Option<Box<FailedRelocation>>| end.as_ref().map(|s| (s.entry, s.fault));
            prop_assert_eq!(stop(&fast_end), stop(&slow_end), "{}", machine.name);
            let applied = slow_end.map_or(entries.len(), |stopped| stopped.entry);
            prop_assert!(seen <= applied);
        }
    }
}
