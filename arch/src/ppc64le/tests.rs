//! What the ppc64le loader does that no row can say.

use super::call::{LD_TOC, NOP, word};
use super::*;
use crate::fault::Anchor;
use std::vec::Vec;

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn applied(
    number: u32,
    facts: &Facts<'_>,
    inputs: &Inputs,
    words: [u32; 2],
) -> Result<[u32; 2], Fault> {
    let mut site = bytes(&words);
    PPC64LE.apply(PPC64LE.row(number).unwrap(), facts, inputs, &mut site)?;
    Ok([word(&site, 0)?, word(&site, 1)?])
}

const EXTERNAL: Facts<'_> = Facts {
    symbol: b"printk",
    external: true,
    late: false,
    writable: false,
    features: Features::empty(),
};

#[test]
fn a_call_that_leaves_the_module_goes_to_its_stub_and_restores_r2() {
    let inputs = Inputs { s: 0x9_0000, p: 0x1000, plt: Some(0x2000), ..Inputs::default() };
    let site = [0x4800_0001, NOP];
    assert_eq!(applied(REL24, &EXTERNAL, &inputs, site), Ok([0x4800_1001, LD_TOC]));
    // Once more, as when the gate object comes back.
    let again = [0x4800_1001, LD_TOC];
    assert_eq!(applied(REL24, &EXTERNAL, &inputs, again), Ok(again));
    let without = Inputs { plt: None, ..inputs };
    let missing = Err(Fault::Missing(Anchor::Plt));
    assert_eq!(applied(REL24, &EXTERNAL, &without, site), missing);
}

#[test]
fn a_call_that_leaves_the_module_needs_a_nop() {
    let inputs = Inputs { p: 0x1000, plt: Some(0x2000), ..Inputs::default() };
    let found = 0x3860_0000;
    let fault = Fault::NoNopAfterCall { found };
    assert_eq!(applied(REL24, &EXTERNAL, &inputs, [0x4800_0001, found]), Err(fault));
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
    let check =
        |facts: &Facts<'_>, word: u32| PPC64LE.check_site(row, facts, &bytes(&[word, next]), 0);
    // A sibling call, an absolute call, a call inside of the module, ftrace, PCREL.
    assert_eq!(check(&EXTERNAL, 0x4800_0000), Ok(()));
    assert_eq!(check(&EXTERNAL, 0x4800_0003), Ok(()));
    assert_eq!(check(&Facts { external: false, ..EXTERNAL }, 0x4800_0001), Ok(()));
    assert_eq!(check(&Facts { symbol: b"_mcount", ..EXTERNAL }, 0x4800_0001), Ok(()));
    assert_eq!(check(&Facts { features: Features::PCREL, ..EXTERNAL }, 0x4800_0001), Ok(()));
    // A conditional call is a call.
    assert!(check(&EXTERNAL, 0x4082_0001).is_err());
}

#[test]
fn a_call_inside_of_the_module_goes_to_the_local_entry() {
    let local = Facts { external: false, ..EXTERNAL };
    let at = |other| Inputs { s: 0x2000, p: 0x1000, other, ..Inputs::default() };
    let site = [0x4800_0001, 0];
    assert_eq!(applied(REL24, &local, &at(0x00), site), Ok([0x4800_1001, 0]));
    assert_eq!(applied(REL24, &local, &at(0x20), site), Ok([0x4800_1001, 0]));
    assert_eq!(applied(REL24, &local, &at(0x60), site), Ok([0x4800_1009, 0]));
    assert_eq!(applied(REL24, &local, &at(0xe0), site), Ok([0x4800_1081, 0]));
}

#[test]
fn a_prologue_is_rewritten_only_if_it_is_one_and_the_toc_is_near() {
    let facts = Facts::default();
    let prologue = [0xe84c_fff8, 0x7c42_6214];
    let at = |toc| Inputs { p: 0x1_0000, toc: Some(toc), ..Inputs::default() };
    let near = applied(ENTRY, &facts, &at(0x3_8004), prologue);
    assert_eq!(near, Ok([0x3c4c_0003, 0x3842_8004]));
    assert_eq!(applied(ENTRY, &facts, &at(0x1_8000_0000), prologue), Ok(prologue));
    let other = [0xe84c_fff8, NOP];
    assert_eq!(applied(ENTRY, &facts, &at(0x3_8004), other), Ok(other));
}

#[test]
fn a_per_cpu_symbol_out_of_reach_is_loaded_from_its_slot() {
    let facts = Facts { features: Features::PCREL, ..Facts::default() };
    let far = Inputs { s: 0x8_0000_0000, p: 0x1000, ..Inputs::default() };
    let pla = [0x0610_0000, 0x3860_0000];
    assert!(matches!(applied(PCREL34, &facts, &far, pla), Err(Fault::Overflow { .. })));
    let slot = Inputs { got_slot: Some(0x2_3000), ..far };
    assert_eq!(applied(PCREL34, &facts, &slot, pla), Ok([0x0410_0002, 0xe460_2000]));
}

#[test]
fn types_follow_the_kernels_configuration() {
    let pcrel = Facts { features: Features::PCREL, ..Facts::default() };
    let missing = Err(Fault::NotOnThisKernel { number: 50 });
    assert_eq!(PPC64LE.known_row(50, &pcrel), missing);
    assert!(PPC64LE.known_row(PCREL34, &pcrel).is_ok());
    assert!(PPC64LE.known_row(PCREL34, &Facts::default()).is_err());
    let unknown = Err(Fault::UnknownType { number: 0 });
    assert_eq!(PPC64LE.known_row(0, &Facts::default()), unknown);
}

#[test]
fn a_late_plain_store_needs_a_writable_section() {
    let row = PPC64LE.row(38).unwrap();
    let late = Facts { late: true, ..Facts::default() };
    assert_eq!(PPC64LE.check_site(row, &late, &[0; 8], 0), Err(Fault::ReadOnly));
    let writable = Facts { writable: true, ..late };
    assert_eq!(PPC64LE.check_site(row, &writable, &[0; 8], 0), Ok(()));
    let call = Facts { late: true, ..EXTERNAL };
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
fn the_entries_of_ftrace_are_the_names_that_calls_are_looked_at_for() {
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
