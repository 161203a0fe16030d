//! Properties of every row of every machine: what is written reads back, a second write changes
//! nothing, bits outside of the mask survive, the check ends at its bounds, nothing panics.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod solve;

use klp_arch::{Calc, Conditions, Fault, Features, Machine, Operands, Row, When, machines};
use proptest::prelude::*;
use solve::{grain, operands_for, representable};

/// Conditions under which the target kernel knows the row.
fn conditions_for(row: &Row) -> Conditions<'static> {
    let features = if let When::With(needed) = row.when { needed } else { Features::empty() };
    Conditions { features, ..Conditions::default() }
}

/// Rows whose field takes the calculated value: all but R_PPC64_ENTRY, which writes
/// instructions (its tests are with its code).
fn plain_rows() -> impl Iterator<Item = (&'static Machine, &'static Row)> {
    let rows = |&machine: &&'static Machine| {
        machine.rows.iter().map(move |row| (machine, row)).collect::<Vec<_>>()
    };
    machines().iter().flat_map(rows).filter(|(_, row)| row.name != "R_PPC64_ENTRY")
}

/// A site that the loader accepts: zeros for x86_64, else any bytes.
fn prepared(machine: &Machine, row: &Row, mut site: [u8; 16]) -> [u8; 16] {
    if machine.name == "x86_64" {
        site[..row.field.size()].fill(0);
    }
    site
}

/// The value that the bytes hold, in the scale of the calculation: bits that the row shifts out are
/// zero, and a bias is not subtracted.
fn read_back(machine: &Machine, row: &Row, site: &[u8]) -> i64 {
    let value = row.field.load(site, row.check.is_signed(), machine.endian).unwrap();
    value.unbounded_shl(u32::from(row.shift))
}

proptest! {
    #[test]
    fn what_is_written_reads_back(raw: i64, a: i64, p: u64, site: [u8; 16]) {
        for (machine, row) in plain_rows() {
            let value = representable(row, raw);
            let operands = operands_for(row, value, &Operands { a, p, ..Operands::default() });
            let mut site = prepared(machine, row, site);
            let result = machine.apply(row, &conditions_for(row), &operands, &mut site);
            prop_assert_eq!(result, Ok(()), "{}", row.name);
            let kept = value.wrapping_add(row.bias) >> row.shift << row.shift;
            let written = if row.field.size() == 0 { 0 } else { kept };
            prop_assert_eq!(read_back(machine, row, &site), written, "{}", row.name);
        }
    }

    #[test]
    fn apply_clear_apply_writes_what_apply_wrote(raw: i64, a: i64, p: u64, site: [u8; 16]) {
        for (machine, row) in plain_rows() {
            let (conditions, value) = (conditions_for(row), representable(row, raw));
            let operands = operands_for(row, value, &Operands { a, p, ..Operands::default() });
            let before = prepared(machine, row, site);
            let mut once = before;
            machine.apply(row, &conditions, &operands, &mut once).unwrap();
            let mut again = once;
            machine.loader.clear(row, &conditions, &operands, &mut again).unwrap();
            let cleared = if machine.name == "x86_64" { before } else { once };
            prop_assert_eq!(again, cleared, "{}", row.name);
            machine.apply(row, &conditions, &operands, &mut again).unwrap();
            prop_assert_eq!(again, once, "{}", row.name);
        }
    }

    #[test]
    fn bits_outside_of_the_mask_survive(raw: i64, p: u64, site: [u8; 16]) {
        for (machine, row) in plain_rows() {
            let value = representable(row, raw);
            let operands = operands_for(row, value, &Operands { p, ..Operands::default() });
            let before = prepared(machine, row, site);
            let mut after = before;
            machine.apply(row, &conditions_for(row), &operands, &mut after).unwrap();
            let word_size = usize::from(row.field.word);
            for (index, pair) in before.chunks(word_size).zip(after.chunks(word_size)).enumerate() {
                let index = u8::try_from(index).unwrap();
                let mask = if index < row.field.words { row.field.mask(index) } else { 0 };
                let mut bytes = mask.to_le_bytes();
                if machine.endian == scroll::Endian::Big {
                    bytes[..word_size].reverse();
                }
                for ((old, new), mask) in pair.0.iter().zip(pair.1).zip(bytes) {
                    prop_assert_eq!(old & !mask, new & !mask, "{}", row.name);
                }
            }
        }
    }

    #[test]
    fn any_bytes_and_addresses_give_a_result_and_a_refusal_writes_nothing(
        bytes in proptest::collection::vec(any::<u8>(), 0..20),
        words: [u64; 6],
        given: [bool; 4],
        features in 0u32..4,
        flags: [bool; 3],
        a: i64,
        other: u8,
    ) {
        let optional = |index: usize| given[index].then_some(words[index + 2]);
        let operands = Operands {
            s: words[0],
            p: words[1],
            a,
            other,
            toc: optional(0),
            got: optional(1),
            got_slot: optional(2),
            plt: optional(3),
        };
        let conditions = Conditions {
            symbol: b"x",
            external: flags[0],
            late: flags[1],
            writable: flags[2],
            features: Features::from_bits_retain(features),
        };
        for machine in machines() {
            for row in machine.rows {
                let mut site = bytes.clone();
                if machine.apply(row, &conditions, &operands, &mut site).is_err() {
                    prop_assert_eq!(&site, &bytes, "{}", row.name);
                } else {
                    prop_assert!(machine.check_site(row, &conditions, &bytes, 0).is_ok());
                }
                let cleared = machine.loader.clear(row, &conditions, &operands, &mut site);
                prop_assert!(cleared.is_ok() || !cleared.unwrap_err().to_string().is_empty());
                prop_assert!(machine.check_site(row, &conditions, &bytes, u64::MAX).is_err()
                    || row.field.size() == 0);
            }
        }
    }
}

#[test]
fn a_check_admits_both_ends_and_refuses_what_lies_beyond() {
    for (machine, row) in plain_rows() {
        let Some((min, max)) = row.check.range() else { continue };
        let step = grain(row);
        let apply = |value: i64| {
            let base = Operands { p: 0x4_0000_0000, ..Operands::default() };
            let operands = operands_for(row, value, &base);
            machine.apply(row, &conditions_for(row), &operands, &mut [0; 16])
        };
        let last = max & -step;
        assert_eq!(apply(min), Ok(()), "{}", row.name);
        assert_eq!(apply(last), Ok(()), "{}", row.name);
        for beyond in [min - step, last + step] {
            let overflow = Err(Fault::Overflow { value: beyond, min, max });
            assert_eq!(apply(beyond), overflow, "{}", row.name);
        }
    }
}

#[test]
fn a_required_alignment_is_checked_and_no_other() {
    for (machine, row) in plain_rows().filter(|(_, row)| row.field.size() != 0) {
        let align = i64::from(row.align);
        let operands = operands_for(row, 1, &Operands { p: 0x1000, ..Operands::default() });
        let result = machine.apply(row, &conditions_for(row), &operands, &mut [0; 16]);
        let misaligned = Fault::MisalignedValue { value: 1, align: align.cast_unsigned() };
        let expected = if align == 1 { Ok(()) } else { Err(misaligned) };
        assert_eq!(result, expected, "{}", row.name);
    }
}

#[test]
fn an_address_that_is_not_given_is_a_fault() {
    let mut missing = Vec::new();
    for (machine, row) in plain_rows() {
        let result = machine.apply(row, &conditions_for(row), &Operands::default(), &mut [0; 16]);
        match result {
            Err(Fault::Missing(_)) => missing.push(row.name),
            other => assert_eq!(other, Ok(()), "{}", row.name),
        }
    }
    let needs = |row: &Row| row.calc.to_string().contains(['T', 'G', 'L']);
    let direct = |row: &Row| matches!(row.calc, Calc::Branch | Calc::RelativeOrSlot);
    let needing = plain_rows().filter(|(_, row)| needs(row) && !direct(row));
    assert_eq!(missing, needing.map(|(_, row)| row.name).collect::<Vec<_>>());
}
