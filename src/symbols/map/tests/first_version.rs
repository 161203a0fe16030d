//! Maps of version 1 can still be read, without evidence from modules.

use super::*;

/// A map of version 1: without the last two sections.
fn first_version(map: &Map) -> Vec<u8> {
    use scroll::{LE, Pread, Pwrite};
    let bytes = bytes_of(map);
    let entry = |n: usize, at: usize| bytes.pread_with::<u64>(24 + n * 24 + at, LE).unwrap();
    let end = usize::try_from(entry(5, 0) + entry(5, 8)).unwrap();
    let mut old = [&bytes[..24 + 6 * 24], &bytes[24 + 8 * 24..end]].concat();
    old.pwrite_with(1_u32, 8, LE).unwrap();
    let length = u64::try_from(old.len()).unwrap();
    old.pwrite_with(length, 16, LE).unwrap();
    for n in 0..6 {
        old.pwrite_with(entry(n, 0) - 48, 24 + n * 24, LE).unwrap();
    }
    let crc = layout::checksum(&old[16..24 + 6 * 24]);
    old.pwrite_with(crc, 12, LE).unwrap();
    old
}

#[test]
fn a_map_of_the_first_version_is_read_without_evidence() {
    let new = map(two());
    let old = Map::from_bytes("old", first_version(&new)).unwrap();
    old.verify().unwrap();
    for scope in [Scope::All, Scope::Names(&Wanted::new(NAMES))] {
        let (old, new) = (answer(old.read(scope).unwrap()), answer(new.read(scope).unwrap()));
        for name in NAMES {
            assert_eq!(old.candidates(name), new.candidates(name), "{name}");
            assert_eq!(old.export(name), new.export(name), "{name}");
        }
        assert_eq!(old.depends(&"m".parse().unwrap()), None);
        assert_eq!(*old.siblings(), crate::symbols::Siblings::default());
    }
}

#[test]
fn a_truncated_or_damaged_map_of_the_first_version_is_refused() {
    let old = first_version(&map(two()));
    for length in 0..old.len() {
        assert!(Map::from_bytes("old", old[..length].to_vec()).is_err(), "{length}");
    }
    for at in 0..old.len() {
        let mut damaged = old.clone();
        damaged[at] ^= 0x41;
        let noticed = Map::from_bytes("old", damaged).and_then(|map| map.verify());
        assert!(noticed.is_err(), "{at}");
    }
}
