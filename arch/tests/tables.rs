//! Whole tables: the fast path writes what the slow path writes, and stops where it stops.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test may stop at the first surprise"
)]

use klp_arch::object::{
    SHF_ALLOC, SHF_EXECINSTR, SHN_ABS, SHN_LIVEPATCH, SHT_RELA, SHT_SYMTAB, Section, Symbol,
};
use klp_arch::{
    Anchors, AppliedRelocation, Conditions, Configuration, Extent, FailedRelocation, Features,
    Linkage, Machine, Memory, Object, Operation, Region, Rela, RelocationTable, machines,
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
    (value, section, any::<u8>()).prop_map(|(st_value, st_shndx, st_other)| Symbol {
        name: b"x",
        st_value,
        st_shndx,
        st_other,
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
    linkage: &mut dyn Linkage,
    memory: &Memory,
    observed: bool,
) -> (Memory, Option<Box<FailedRelocation>>, usize) {
    let (mut memory, mut seen) = (memory.clone(), 0);
    let mut observe = |_: &AppliedRelocation<'_>| seen += 1;
    let observer =
        observed.then_some(klp_arch::Observer { only_truncated: false, observe: &mut observe });
    let end = machine.loader.relocate(table, Operation::Apply, linkage, &mut memory, observer);
    (memory, end.err(), seen)
}

/// The file's part of the module: a section to patch, a table for it, and what machines require.
fn object<'a>(machine: &Machine, entries: &'a [u8], symbols: &[Symbol<'a>]) -> Object<'a> {
    let section = |name: &'static str, sh_flags, sh_size| Section {
        name: name.as_bytes(),
        sh_flags,
        sh_size,
        sh_addralign: 8,
        ..Section::default()
    };
    let code = SHF_ALLOC | SHF_EXECINSTR;
    let text = section(".text", code, BYTES as u64);
    let table = Section {
        sh_type: SHT_RELA,
        sh_info: 1,
        sh_size: entries.len() as u64,
        body: entries.into(),
        ..section(".rela.text", 0, 0)
    };
    let symtab = Section { sh_type: SHT_SYMTAB, ..section(".symtab", 0, 0) };
    let names = machine.required_sections.iter().chain(&[
        ".toc",
        ".mygot",
        ".text.ftrace_trampoline",
        ".init.text.ftrace_trampoline",
    ]);
    let others = names.map(|name| section(name, code, 0));
    Object {
        big_endian: machine.endian == scroll::Endian::Big,
        sections: [Section::default(), text, table, symtab].into_iter().chain(others).collect(),
        symbols: symbols.to_vec(),
        ..Object::default()
    }
}

/// Places all, from this address on.
fn placed(object: &mut Object<'_>, base: u64) -> Memory {
    object.text_base = base;
    let mut end = object.text_start as usize;
    for section in object.sections.iter_mut().filter(|section| section.has(SHF_ALLOC)) {
        let (offset, size) = (end.next_multiple_of(8), section.sh_size as usize);
        let address = base.wrapping_add(offset as u64);
        section.extent = Some(Extent { region: 0, offset, size, address });
        end = offset + size;
    }
    Memory { regions: vec![Region { base, bytes: vec![0; end] }] }
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
            let (fast, fast_end, _) = apply(machine, &table, &mut Anchored, &memory, false);
            let (slow, slow_end, seen) = apply(machine, &table, &mut Anchored, &memory, true);
            prop_assert_eq!(&fast, &slow, "{}", machine.name);
            let stop = |end: &Option<Box<FailedRelocation>>| end.as_ref().map(|s| (s.entry, s.fault));
            prop_assert_eq!(stop(&fast_end), stop(&slow_end), "{}", machine.name);
            let applied = slow_end.map_or(entries.len(), |stopped| stopped.entry);
            prop_assert!(seen <= applied);
        }
    }

    #[test]
    fn slots_and_stubs_are_the_same_on_both_paths(
        entries in proptest::collection::vec(entry(), 1..64),
        symbols in proptest::collection::vec(symbol(), SYMBOLS as usize),
        again in proptest::collection::vec(symbol(), SYMBOLS as usize),
        // Among them ppc64le's bl, nop and ld r2,24(r1).
        words in proptest::collection::vec(
            prop::sample::select(vec![0_u32, 0x4800_0001, 0x6000_0000, 0x6000_0000, 0xe841_0018]),
            BYTES / 4,
        ),
        features in 0u32..4,
    ) {
        for machine in machines() {
            let base = 0xffff_ffff_c000_0000;
            let detours: Vec<_> = machine.rows.iter().filter(|row| row.calc.may_detour()).collect();
            let written: Vec<_> = entries.iter().map(|entry| {
                let Entry { offset, symbol, row, addend } = *entry;
                // Mostly calls and the like, at instructions, without an addend.
                let detour = detours.get(row % (detours.len() + 1)).copied();
                let kind = detour.unwrap_or(&machine.rows[row % machine.rows.len()]).number;
                let offset = if row / 64 % 4 == 0 { offset } else { offset & !3 };
                let addend = if row / 256 % 4 == 0 { addend } else { 0 };
                Rela { offset, symbol: symbol % SYMBOLS, kind, addend }.write(machine.endian)
            }).collect();
            let features = Features::from_bits_retain(features);
            let configuration = Configuration { features, ..Configuration::default() };
            let mut object = object(machine, written.as_flattened(), &symbols);
            let mut linkage = machine.loader.reserve(&mut object, &configuration).unwrap();
            let mut memory = placed(&mut object, base);
            if !machine.needs_untouched_place {
                let words: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
                memory.bytes_mut(&object.sections[1].extent.unwrap()).copy_from_slice(&words);
            }
            linkage.settle(&mut object, &memory).unwrap();
            let body = object.sections[2].body.clone();
            let target = object.sections[1].extent.unwrap();
            let mut states = [(memory.clone(), linkage.boxed_clone()), (memory, linkage)];
            // A second time, as when an object is reloaded at other addresses.
            for (symbols, late) in [(&object.symbols, false), (&again, true)] {
                let ends = [0, 1].map(|observed| {
                    let (memory, linkage) = &mut states[observed];
                    // All, also those after one that is refused.
                    let (mut rest, mut faults) = (body.as_chunks().0, Vec::new());
                    while !rest.is_empty() {
                        let table = RelocationTable {
                            entries: rest,
                            symbols,
                            target,
                            init: false,
                            conditions: Conditions { late, writable: true, features, ..Conditions::default() },
                        };
                        let (after, end, _) = apply(machine, &table, &mut **linkage, memory, observed == 1);
                        *memory = after;
                        let Some(stopped) = end else { break };
                        rest = &rest[stopped.entry + 1..];
                        faults.push((rest.len(), stopped.fault));
                    }
                    faults
                });
                prop_assert_eq!(&ends[0], &ends[1], "{}", machine.name);
                let [(fast, one), (slow, other)] = &states;
                prop_assert_eq!(fast, slow, "{}", machine.name);
                prop_assert_eq!(one.stale(), other.stale(), "{}", machine.name);
                prop_assert_eq!(one.stubs_left(), other.stubs_left(), "{}", machine.name);
            }
        }
    }
}
