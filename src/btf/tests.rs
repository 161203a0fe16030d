//! Objections of the kernel's verifier, and what split BTF reveals about its base.

use super::*;
use proptest::prelude::*;

const INT: u32 = 1;
const STRUCT: u32 = 4;
const FUNC: u32 = 12;
const PROTO: u32 = 13;

/// A type: kind, name, and names of members.
type Type = (u32, u32, &'static [u32]);

fn types(all: &[Type], endian: Endian) -> Vec<u8> {
    use scroll::Pwrite;
    let mut words = Vec::new();
    for (kind, name, members) in all {
        words.extend([*name, kind << 24 | u32::try_from(members.len()).unwrap(), 4]);
        match *kind {
            STRUCT => words.extend(members.iter().flat_map(|name| [*name, 1, 0])),
            PROTO => words.extend(members.iter().flat_map(|name| [*name, 1])),
            INT => words.push(32),
            _ => {}
        }
    }
    let mut bytes = vec![0; words.len() * 4];
    for (at, word) in words.into_iter().enumerate() {
        bytes.pwrite_with(word, at * 4, endian).unwrap();
    }
    bytes
}

fn section(types: &[u8], strings: &[u8], endian: Endian) -> Vec<u8> {
    use scroll::Pwrite;
    let mut bytes = vec![0; 24];
    bytes.pwrite_with(MAGIC, 0, endian).unwrap();
    bytes[2] = VERSION;
    let (length, size) =
        (u32::try_from(types.len()).unwrap(), u32::try_from(strings.len()).unwrap());
    for (at, word) in [(4, 24), (8, 0), (12, length), (16, length), (20, size)] {
        bytes.pwrite_with::<u32>(word, at, endian).unwrap();
    }
    [&bytes, types, strings].concat()
}

/// A structure `own` with a member of vmlinux and one of its own, and a function of its own.
fn usual(base: u32, endian: Endian) -> Vec<u8> {
    let members: &'static [u32] = Box::leak(Box::new([7, base + 4]));
    let parameters: &'static [u32] = Box::leak(Box::new([base]));
    let all = [(STRUCT, base, members), (PROTO, 0, parameters), (FUNC, base + 6, &[][..])];
    section(&types(&all, endian), b"own\0m\0run\0", endian)
}

fn base(bytes: &[u8]) -> Option<u32> {
    Btf::parse(bytes, Endian::Little).unwrap().base_strings()
}

#[test]
fn the_strings_of_vmlinux_show_in_those_of_the_module() {
    for endian in [Endian::Little, Endian::Big] {
        for strings in [1000, 2_171_884] {
            let bytes = usual(strings, endian);
            let btf = Btf::parse(&bytes, endian).unwrap();
            assert_eq!(btf.base_strings(), Some(strings));
            assert_eq!(btf.strings(), 10);
        }
    }
}

#[test]
fn names_outside_the_modules_strings_prove_nothing() {
    let little = |all: &[Type], strings: &[u8]| {
        section(&types(all, Endian::Little), strings, Endian::Little)
    };
    // In the middle of a string.
    assert_eq!(base(&little(&[(INT, 1001, &[]), (INT, 1004, &[])], b"own\0m\0")), None);
    // Most strings are unused: the last name may be any of them.
    assert_eq!(base(&little(&[(INT, 1004, &[])], b"own\0m\0n\0")), None);
    // Nothing of its own.
    assert_eq!(base(&little(&[(INT, 7, &[])], b"")), None);
    assert_eq!(base(&little(&[], b"own\0")), None);
    // A single unused string does not count.
    assert_eq!(base(&little(&[(INT, 1000, &[]), (INT, 1006, &[])], b"own\0m\0run\0")), Some(1000));
}

#[test]
fn the_header_and_its_lengths_are_checked_against_the_section() {
    let right = usual(1000, Endian::Little);
    let change = |at: usize, bytes: &[u8]| {
        let mut wrong = right.clone();
        wrong[at..at + bytes.len()].copy_from_slice(bytes);
        Btf::parse(&wrong, Endian::Little).map(|_| ()).map_err(|fault| fault.0)
    };
    let size = u32::try_from(right.len()).unwrap();
    assert_eq!(change(0, &[0xeb, 0x9f]), Err("Invalid magic"));
    assert_eq!(change(2, &[2]), Err("Unsupported version"));
    assert_eq!(change(3, &[1]), Err("Unsupported flags"));
    assert_eq!(change(4, &(size + 1).to_le_bytes()), Err("btf_header not found"));
    assert_eq!(change(4, &u32::MAX.to_le_bytes()), Err("btf_header not found"));
    assert_eq!(change(8, &4_u32.to_le_bytes()), Err("Unsupported section found"));
    let far = [size, 68, size].map(u32::to_le_bytes).concat();
    assert_eq!(change(8, &far), Err("Invalid section offset"));
    assert_eq!(change(16, &4_u32.to_le_bytes()), Err("Section overlap found"));
    assert_eq!(change(20, &11_u32.to_le_bytes()), Err("Total section length too long"));
    assert_eq!(change(20, &9_u32.to_le_bytes()), Err("Unsupported section found"));
    assert_eq!(change(right.len() - 1, b"x"), Err("Invalid string section"));
    assert_eq!(change(0, &[]), Ok(()));
    for length in 0..right.len() {
        assert!(Btf::parse(&right[..length], Endian::Little).is_err(), "{length}");
    }
    assert_eq!(Btf::parse(&right[..7], Endian::Little).unwrap_err().0, "hdr_len not found");
    assert_eq!(Btf::parse(&right, Endian::Big).unwrap_err().0, "btf_header not found");
}

#[test]
fn a_longer_header_may_have_a_layout_but_nothing_unknown() {
    let longer = |rest: &[u8], after: &[u8]| {
        let right = usual(1000, Endian::Little);
        let mut bytes = [&right[..24], rest, &right[24..], after].concat();
        bytes[4..8].copy_from_slice(&(24 + u32::try_from(rest.len()).unwrap()).to_le_bytes());
        bytes
    };
    let parsed = |bytes: &[u8]| Btf::parse(bytes, Endian::Little).map(|btf| btf.base_strings());
    assert_eq!(parsed(&longer(&[0; 16], b"")), Ok(Some(1000)));
    assert_eq!(
        parsed(&longer(&[[0; 15].as_slice(), &[1]].concat(), b"")).unwrap_err().0,
        "Unsupported btf_header"
    );
    // After types of 12 + 24, 12 + 8 and 12 bytes, and strings of 10.
    let layout = [78_u32.to_le_bytes(), 4_u32.to_le_bytes()].concat();
    assert_eq!(parsed(&longer(&layout, &[0; 4])), Ok(Some(1000)));
    assert!(parsed(&longer(&layout, &[0; 3])).is_err());
}

#[test]
fn a_type_of_an_unknown_kind_or_a_truncated_one_is_refused() {
    let names = |types: &[u8]| {
        let bytes = section(types, b"own\0", Endian::Little);
        Btf::parse(&bytes, Endian::Little).unwrap().names(|_| ()).map_err(|fault| fault.0)
    };
    let one = types(&[(STRUCT, 0, &[0, 0])], Endian::Little);
    assert_eq!(names(&one), Ok(()));
    for length in 1..one.len() {
        assert_eq!(names(&one[..length]), Err("meta_left is less than meta_needed"), "{length}");
    }
    for kind in [0, 20, 0x7f] {
        assert_eq!(names(&types(&[(kind, 0, &[])], Endian::Little)), Err("Invalid kind"));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_whole_or_refused(types: Vec<u8>, strings: Vec<u8>, whole: bool) {
        let bytes = if whole { section(&types, &strings, Endian::Little) } else { types };
        if let Ok(btf) = Btf::parse(&bytes, Endian::Little) {
            let mut names = 0;
            let _ = btf.names(|_| names += 1);
            prop_assert!(names <= bytes.len());
            let _ = btf.base_strings();
        }
    }
}
