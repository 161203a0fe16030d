//! One known encoding for each row, to check the tables without a toolchain.
//!
//! `encodings/MACHINE.txt` has a line for each row: name, S (which is L as well), A, P, the bytes of
//! the field before, and after; `-` for none. The bytes are those of GNU ld 2.40 (R_PPC64_ENTRY: of
//! a shared object), except for R_390_GOTPC, which is computed by hand: the kernel writes 32 bits.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

use klp_arch::{Conditions, Features, Operands, When, by_name};

fn address(text: &str) -> u64 {
    u64::from_str_radix(text.strip_prefix("0x").unwrap(), 16).unwrap()
}

fn addend(text: &str) -> i64 {
    let magnitude = |digits: &str| address(digits).cast_signed();
    text.strip_prefix('-').map_or_else(|| magnitude(text), |digits| -magnitude(digits))
}

fn bytes(text: &str) -> Vec<u8> {
    let hex = text.trim_matches('-');
    let pair = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(pair).collect()
}

/// Applies every encoding of a machine. Each row must have one.
fn check(machine: &str, anchors: &Operands, encodings: &str) {
    let machine = by_name(machine).unwrap();
    let known = |name: &str| {
        let columns = encodings.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        columns.into_iter().find(|columns| columns[0] == name).expect("an encoding for the row")
    };
    for row in machine.rows {
        let columns = known(row.name);
        let features = if let When::With(needed) = row.when { needed } else { Features::empty() };
        let conditions = Conditions { features, ..Conditions::default() };
        let (s, a, p) = (address(columns[1]), addend(columns[2]), address(columns[3]));
        let operands = Operands { s, a, p, plt: Some(s), ..*anchors };
        let mut site = bytes(columns[4]);
        assert_eq!(site.len(), row.field.size(), "{}", row.name);
        assert_eq!(machine.apply(row, &conditions, &operands, &mut site), Ok(()), "{}", row.name);
        assert_eq!(site, bytes(columns[5]), "{}", row.name);
    }
    assert_eq!(machine.rows.len(), encodings.lines().count(), "an encoding has no row");
}

#[test]
fn x86_64_writes_the_known_bytes() {
    check("x86_64", &Operands::default(), include_str!("encodings/x86_64.txt"));
}

#[test]
fn arm64_writes_the_known_bytes() {
    check("arm64", &Operands::default(), include_str!("encodings/arm64.txt"));
}

#[test]
fn ppc64le_writes_the_known_bytes() {
    let (toc, got_slot) = (Some(0x1002_7f00), Some(0x1001_ff08));
    let anchors = Operands { toc, got_slot, ..Operands::default() };
    check("ppc64le", &anchors, include_str!("encodings/ppc64le.txt"));
}

#[test]
fn s390x_writes_the_known_bytes() {
    let (got, got_slot) = (Some(0x100_3fe0), Some(0x100_3ff8));
    let anchors = Operands { got, got_slot, ..Operands::default() };
    check("s390x", &anchors, include_str!("encodings/s390x.txt"));
}
