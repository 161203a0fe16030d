//! What the ppc64le loader does that no row can express.

use super::call::{LD_TOC, NOP, word};
use super::*;
use crate::fault::Anchor;
use std::vec::Vec;

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn applied(
    number: u32,
    conditions: &Conditions<'_>,
    operands: &Operands,
    words: [u32; 2],
) -> Result<[u32; 2], Fault> {
    let mut site = bytes(&words);
    PPC64LE.apply(PPC64LE.row(number).unwrap(), conditions, operands, &mut site)?;
    Ok([word(&site, 0)?, word(&site, 1)?])
}

const EXTERNAL: Conditions<'_> = Conditions {
    symbol: b"printk",
    external: true,
    late: false,
    writable: false,
    features: Features::empty(),
};

#[test]
fn a_call_that_leaves_the_module_goes_to_its_stub_and_restores_r2() {
    let operands = Operands { s: 0x9_0000, p: 0x1000, plt: Some(0x2000), ..Operands::default() };
    let site = [0x4800_0001, NOP];
    assert_eq!(applied(REL24, &EXTERNAL, &operands, site), Ok([0x4800_1001, LD_TOC]));
    // Once more, as when the gate object is reloaded.
    let again = [0x4800_1001, LD_TOC];
    assert_eq!(applied(REL24, &EXTERNAL, &operands, again), Ok(again));
    let without = Operands { plt: None, ..operands };
    let missing = Err(Fault::Missing(Anchor::Plt));
    assert_eq!(applied(REL24, &EXTERNAL, &without, site), missing);
}

#[test]
fn a_call_that_leaves_the_module_needs_a_nop() {
    let operands = Operands { p: 0x1000, plt: Some(0x2000), ..Operands::default() };
    let found = 0x3860_0000;
    let fault = Fault::NoNopAfterCall { found };
    assert_eq!(applied(REL24, &EXTERNAL, &operands, [0x4800_0001, found]), Err(fault));
    let row = PPC64LE.row(REL24).unwrap();
    let section = bytes(&[0x4800_0001, found]);
    assert_eq!(PPC64LE.check_site(row, &EXTERNAL, &section, 0), Err(fault));
    let last = Fault::PlaceOutside { needed: 8, available: 4 };
    assert_eq!(PPC64LE.check_site(row, &EXTERNAL, &section[..4], 0), Err(last));
}

#[test]
fn no_nop_is_needed_where_r2_is_not_restored() {
    let row = PPC64LE.row(REL24).unwrap();
    let next = 0x3860_0000;
    let check = |conditions: &Conditions<'_>, word: u32| {
        PPC64LE.check_site(row, conditions, &bytes(&[word, next]), 0)
    };
    // A sibling call, an absolute call, a call inside of the module, ftrace, PCREL.
    assert_eq!(check(&EXTERNAL, 0x4800_0000), Ok(()));
    assert_eq!(check(&EXTERNAL, 0x4800_0003), Ok(()));
    assert_eq!(check(&Conditions { external: false, ..EXTERNAL }, 0x4800_0001), Ok(()));
    assert_eq!(check(&Conditions { symbol: b"_mcount", ..EXTERNAL }, 0x4800_0001), Ok(()));
    assert_eq!(check(&Conditions { features: Features::PCREL, ..EXTERNAL }, 0x4800_0001), Ok(()));
    // A conditional call is a call.
    assert!(check(&EXTERNAL, 0x4082_0001).is_err());
}

#[test]
fn a_call_inside_of_the_module_goes_to_the_local_entry() {
    let local = Conditions { external: false, ..EXTERNAL };
    let at = |other| Operands { s: 0x2000, p: 0x1000, other, ..Operands::default() };
    let site = [0x4800_0001, 0];
    assert_eq!(applied(REL24, &local, &at(0x00), site), Ok([0x4800_1001, 0]));
    assert_eq!(applied(REL24, &local, &at(0x20), site), Ok([0x4800_1001, 0]));
    assert_eq!(applied(REL24, &local, &at(0x60), site), Ok([0x4800_1009, 0]));
    assert_eq!(applied(REL24, &local, &at(0xe0), site), Ok([0x4800_1081, 0]));
}

#[test]
fn a_prologue_is_rewritten_only_if_it_is_one_and_the_toc_is_near() {
    let conditions = Conditions::default();
    let prologue = [0xe84c_fff8, 0x7c42_6214];
    let at = |toc| Operands { p: 0x1_0000, toc: Some(toc), ..Operands::default() };
    let near = applied(ENTRY, &conditions, &at(0x3_8004), prologue);
    assert_eq!(near, Ok([0x3c4c_0003, 0x3842_8004]));
    assert_eq!(applied(ENTRY, &conditions, &at(0x1_8000_0000), prologue), Ok(prologue));
    let other = [0xe84c_fff8, NOP];
    assert_eq!(applied(ENTRY, &conditions, &at(0x3_8004), other), Ok(other));
}

#[test]
fn a_per_cpu_symbol_out_of_reach_is_loaded_from_its_slot() {
    let conditions = Conditions { features: Features::PCREL, ..Conditions::default() };
    let far = Operands { s: 0x8_0000_0000, p: 0x1000, ..Operands::default() };
    let pla = [0x0610_0000, 0x3860_0000];
    assert!(matches!(applied(PCREL34, &conditions, &far, pla), Err(Fault::Overflow { .. })));
    let slot = Operands { got_slot: Some(0x2_3000), ..far };
    assert_eq!(applied(PCREL34, &conditions, &slot, pla), Ok([0x0410_0002, 0xe460_2000]));
}

#[test]
fn types_follow_the_kernels_configuration() {
    let pcrel = Conditions { features: Features::PCREL, ..Conditions::default() };
    let missing = Err(Fault::NotOnThisKernel { number: 50 });
    assert_eq!(PPC64LE.known_row(50, &pcrel), missing);
    assert!(PPC64LE.known_row(PCREL34, &pcrel).is_ok());
    assert!(PPC64LE.known_row(PCREL34, &Conditions::default()).is_err());
    let unknown = Err(Fault::UnknownType { number: 0 });
    assert_eq!(PPC64LE.known_row(0, &Conditions::default()), unknown);
}

#[test]
fn a_late_plain_store_needs_a_writable_section() {
    let row = PPC64LE.row(38).unwrap();
    let late = Conditions { late: true, ..Conditions::default() };
    assert_eq!(PPC64LE.check_site(row, &late, &[0; 8], 0), Err(Fault::ReadOnly));
    let writable = Conditions { writable: true, ..late };
    assert_eq!(PPC64LE.check_site(row, &writable, &[0; 8], 0), Ok(()));
    let call = Conditions { late: true, ..EXTERNAL };
    let section = bytes(&[0x4800_0001, NOP]);
    assert_eq!(PPC64LE.check_site(PPC64LE.row(REL24).unwrap(), &call, &section, 0), Ok(()));
}

#[test]
fn only_the_second_abi_is_loaded() {
    assert_eq!(PPC64LE.check_header(2), Ok(()));
    assert_eq!(PPC64LE.check_header(1), Err(Fault::WrongAbi { flags: 1 }));
    assert_eq!(PPC64LE.check_header(0), Err(Fault::WrongAbi { flags: 0 }));
}

#[test]
fn the_ftrace_entry_points_are_the_names_that_calls_are_checked_for() {
    let known = |symbol: &&LoaderSymbol| symbol.rule == NameRule::KnownByName;
    for symbol in PPC64LE.loader_symbols {
        assert_eq!(
            call::is_ftrace_entry(symbol.name.as_bytes()),
            known(&symbol),
            "{}",
            symbol.name
        );
    }
    assert_eq!(PPC64LE.loader_symbols.iter().filter(known).count(), 3);
}
