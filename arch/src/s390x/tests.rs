//! Claims about what s390x rows, slots and messages come to.

use super::*;
use crate::fault::Anchor;
use crate::linkage::Relocation;
use crate::memory::{Memory, Region};
use crate::object::{Rela, SHT_RELA, Section, Symbol};
use crate::row::Features;
use proptest::prelude::*;
use std::boxed::Box;
use std::vec::Vec;

fn planned(number: u32, operands: &Operands) -> Result<i64, Fault> {
    let row = S390X.row(number).unwrap();
    S390X.loader.plan(row, &Conditions::default(), operands, &[]).map(|patch| patch.unwrap().value)
}

#[test]
fn a_far_branch_goes_through_the_plt_and_keeps_its_addend() {
    let near = Operands { s: 0x3000, a: 2, p: 0x1000, ..Operands::default() };
    assert_eq!(planned(20, &near), Ok(0x1001));
    let far = Operands { s: 0x3_0000_0000, plt: Some(0x1100), ..near };
    assert_eq!(planned(20, &far), Ok(0x81));
    assert_eq!(planned(20, &Operands { plt: None, ..far }), Err(Fault::Missing(Anchor::Plt)));
}

#[test]
fn both_windows_end_where_the_kernels_do() {
    let plt = Some(0x4_0000_1000);
    let at = |s: u64| Operands { s, a: 2, p: 0x4_0000_0000, plt, ..Operands::default() };
    // The distance is what the direct branch would have; L gives 0x801 half-words.
    assert_eq!(planned(20, &at(0x3_0000_0000)), Ok(0x801));
    assert_eq!(planned(20, &at(0x3_0000_0002)), Ok(-0x7fff_fffe));
    assert_eq!(planned(20, &at(0x5_0000_0000)), Ok(0x801));
    let odd = Operands { a: 1, plt: Some(0x4_0000_1001), ..at(0x4_001e_ffff) };
    assert_eq!(planned(18, &odd), Ok(0x801));
    let overflow = Fault::Overflow { value: 0x1e_fffe, min: -0x1_0000, max: 0xffff };
    assert_eq!(planned(18, &at(0x4_001e_fffc)), Err(overflow));
}

#[test]
fn a_negative_plt_distance_is_refused() {
    let operands = Operands { p: 0x2000, plt: Some(0x1000), ..Operands::default() };
    let overflow = Fault::Overflow { value: -0x1000, min: 0, max: 0xffff_ffff };
    assert_eq!(planned(8, &operands), Err(overflow));
}

#[test]
fn an_odd_distance_is_refused_where_half_words_are_counted() {
    let operands = Operands { s: 0x11, ..Operands::default() };
    assert_eq!(planned(19, &operands), Err(Fault::MisalignedValue { value: 0x11, align: 2 }));
}

/// A module with one table over `.text`, settled at an address.
fn settled(features: Features, relas: &[Rela]) -> (Object<'static>, Box<dyn Linkage>, Memory) {
    let body = relas.iter().flat_map(|rela| rela.write(Endian::Big)).collect();
    let table = Section { sh_type: SHT_RELA, sh_info: 1, body, ..Section::default() };
    let mut object = Object {
        big_endian: true,
        sections: std::vec![Section::default(), Section::default(), table],
        symbols: std::vec![Symbol::default(); 4],
        ..Object::default()
    };
    let configuration = Configuration { features, ..Configuration::default() };
    let mut linkage = S390X.loader.reserve(&mut object, &configuration).unwrap();
    let size = usize::try_from(object.text_start).unwrap() + 64;
    let bytes = std::vec![0x55; size];
    let memory = Memory { regions: std::vec![Region { base: BASE, bytes }] };
    object.text_base = BASE;
    linkage.settle(&mut object, &memory).unwrap();
    (object, linkage, memory)
}

const BASE: u64 = 0x3ff_8000_0000;

fn rela(symbol: u32, kind: u32) -> Rela {
    Rela { offset: 0, symbol, kind, addend: 2 }
}

/// What a relocation goes through.
fn provided(
    linkage: &mut dyn Linkage,
    memory: &mut Memory,
    rela: Rela,
    s: u64,
) -> Result<Operands, Fault> {
    let conditions = Conditions::default();
    let row = S390X.row(rela.kind).unwrap();
    let mut operands = Operands { s, a: rela.addend, p: BASE + 0x1000, ..Operands::default() };
    let relocation = Relocation { row, conditions: &conditions, rela, init: false };
    linkage.provide(&relocation, &mut operands, memory).map(|()| operands)
}

/// The cases of `check_rela`.
#[test]
fn room_is_reserved_for_the_types_that_the_kernel_counts() {
    let got = [6, 7, 15, 24, 26, 29, 30, 31, 32, 33, 58, 59];
    let plt = [8, 18, 20, 25, 34, 35, 36];
    for number in 0..70 {
        let (object, _, _) = settled(Features::empty(), &[rela(1, number)]);
        let expected = match number {
            _ if got.contains(&number) => 8,
            _ if plt.contains(&number) => 22,
            _ => 0,
        };
        assert_eq!(object.text_start, expected, "{number}");
    }
}

#[test]
fn slots_are_in_the_order_in_which_tables_name_symbols() {
    let relas = [rela(3, 20), rela(2, 26), rela(3, 36), rela(1, 24), rela(3, 26), rela(1, 21)];
    let (object, mut linkage, mut memory) = settled(Features::EXPOLINE, &relas);
    assert_eq!(object.text_start, 3 * 8 + 22 + 22);
    let mut slot = |symbol, kind| {
        let operands = provided(&mut *linkage, &mut memory, rela(symbol, kind), 0x10).unwrap();
        operands.got_slot.or(operands.plt).unwrap() - BASE
    };
    assert_eq!([slot(2, 26), slot(1, 24), slot(3, 26), slot(3, 20)], [0, 8, 16, 24]);
    assert_eq!(linkage.anchors().got, Some(BASE));
}

// The words are those of GNU as: basr, lg, brcl (to the thunk) or br; exrl, j, br.
#[test]
fn an_entry_and_the_thunk_are_the_kernels_instructions() {
    let s = 0x1122_3344_5566_7788;
    let literal = [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88];
    let load = [0x0d, 0x10, 0xe3, 0x10, 0x10, 0x0c, 0x00, 0x04];
    let relas = [rela(1, 20), rela(2, 20)];
    let (object, mut linkage, mut memory) = settled(Features::EXPOLINE, &relas);
    provided(&mut *linkage, &mut memory, relas[0], s).unwrap();
    linkage.finish(&object, &mut memory).unwrap();
    let bytes = &memory.regions[0].bytes;
    // From byte 8 of the entry to the thunk at 44: 36 bytes are 18 half-words.
    assert_eq!(bytes[..22], [&load[..], &[0xc0, 0xf4, 0, 0, 0, 0x12], &literal].concat());
    assert_eq!(bytes[44..56], [0xc6, 0, 0, 0, 0, 5, 0xa7, 0xf4, 0, 0, 0x07, 0xf1]);
    assert!(linkage.indeterminate().is_empty());

    let (_, mut linkage, mut memory) = settled(Features::empty(), &relas);
    provided(&mut *linkage, &mut memory, relas[1], s).unwrap();
    let bytes = &memory.regions[0].bytes;
    assert_eq!(bytes[22..44], [&load[..], &[0x07, 0xf1, 0, 0, 0, 0], &literal].concat());
    let stack = BASE + 34..BASE + 36;
    assert_eq!(linkage.indeterminate(), std::slice::from_ref(&stack));
}

#[test]
fn a_slot_keeps_its_first_address_and_is_reported_as_stale() {
    let relas = [rela(1, 26), rela(2, 20)];
    let (_, mut linkage, mut memory) = settled(Features::empty(), &relas);
    provided(&mut *linkage, &mut memory, relas[0], 0x1000).unwrap();
    provided(&mut *linkage, &mut memory, relas[1], 0x2000).unwrap();
    assert!(linkage.stale().is_empty());
    provided(&mut *linkage, &mut memory, relas[0], 0x3000).unwrap();
    // This one reaches directly: the contents of its entry do not matter.
    provided(&mut *linkage, &mut memory, relas[1], BASE).unwrap();
    assert_eq!(memory.regions[0].bytes[..8], 0x1000_u64.to_be_bytes());
    assert_eq!(linkage.stale(), [1]);
    provided(&mut *linkage, &mut memory, relas[0], 0x1000).unwrap();
    assert!(linkage.stale().is_empty());
}

#[test]
fn a_symbol_that_no_table_names_has_no_slot() {
    let (_, mut linkage, mut memory) = settled(Features::empty(), &[rela(1, 20)]);
    let no_room = Fault::NoRoom { reserved: 22 };
    let asked = provided(&mut *linkage, &mut memory, rela(2, 20), 0).unwrap_err();
    assert_eq!(asked, no_room);
    let asked = provided(&mut *linkage, &mut memory, rela(9, 20), 0).unwrap_err();
    assert_eq!(asked, Fault::NoSymbol { index: 9 });
}

#[test]
fn messages_are_the_kernels() {
    let at = RelocationContext {
        module: "m",
        section: 3,
        entry: 1,
        kind: 19,
        symbol: b"f",
        place: 0,
        next_word: None,
        value: 0,
        operands: Operands::default(),
        features: Features::empty(),
    };
    let said = |fault| S390X.loader.kernel_error(&at, &fault).message;
    let odd = Fault::MisalignedValue { value: -1, align: 2 };
    let expected = "module m: relocation error for symbol f (r_type 19, value 0xffffffffffffffff)";
    assert_eq!(said(odd), expected);
    assert_eq!(said(Fault::UnknownType { number: 10 }), "");
    assert_eq!(said(Fault::UnknownType { number: 62 }), "module m: unknown relocation: 62");
}

proptest! {
    #[test]
    fn nothing_is_written_outside_of_the_reserved_bytes_and_nothing_twice(
        expolines: bool,
        uses in prop::collection::vec((0_u32..4, 0_usize..S390X.rows.len(), any::<u64>()), 0..40),
    ) {
        let asks = |kind: &Rela| S390X.row(kind.kind).unwrap().calc.may_detour();
        let relas: Vec<_> =
            uses.iter().map(|&(symbol, row, _)| rela(symbol, S390X.rows[row].number)).collect();
        let features = if expolines { Features::EXPOLINE } else { Features::empty() };
        let (object, mut linkage, mut memory) = settled(features, &relas);
        let mut given = Vec::new();
        for (rela, (_, _, s)) in relas.iter().zip(&uses).filter(|(rela, _)| asks(rela)) {
            given.push(provided(&mut *linkage, &mut memory, *rela, *s).unwrap());
        }
        linkage.finish(&object, &mut memory).unwrap();
        let end = usize::try_from(object.text_start).unwrap();
        prop_assert!(memory.regions[0].bytes[end..].iter().all(|byte| *byte == 0x55));
        // Nothing is left as it was, but for ten bytes after the thunk.
        let tables = &memory.regions[0].bytes[..end];
        let tables = tables.strip_suffix(&[0x55; 10]).unwrap_or(tables);
        prop_assert!(tables.windows(8).all(|slot| slot != [0x55; 8]));
        let before = memory.clone();
        for (rela, operands) in relas.iter().filter(|rela| asks(rela)).zip(&given) {
            let again = provided(&mut *linkage, &mut memory, *rela, operands.s).unwrap();
            prop_assert_eq!((again.got_slot, again.plt), (operands.got_slot, operands.plt));
        }
        prop_assert_eq!(before, memory);
    }
}
