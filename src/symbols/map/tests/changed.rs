//! A map file that another program changes while it is in use.

use super::*;

/// A map in a file, opened, and what a lookup of each name gives.
fn opened() -> (tempfile::NamedTempFile, Map, Vec<u8>) {
    let bytes = bytes_of(&map(two()));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &bytes).unwrap();
    let opened = Map::open(file.path()).unwrap();
    (file, opened, bytes)
}

#[test]
fn a_map_that_is_cut_off_while_it_is_used_is_an_error_that_names_it() {
    let whole = opened().2.len();
    for length in (0..whole).rev().step_by(7) {
        let (file, map, _) = opened();
        file.as_file().set_len(length.try_into().unwrap()).unwrap();
        let found: Vec<_> =
            NAMES.iter().map(|name| map.read(Scope::Names(&Wanted::new([*name])))).collect();
        let all = map.read(Scope::All);
        if length == 0 {
            assert!(found.iter().any(Result::is_err) && all.is_err() && map.bytes().is_err());
        }
        for error in found.into_iter().chain([all]).filter_map(Result::err) {
            let path = file.path().display();
            assert_eq!(error.to_string(), format!("{path}: a truncated map; build it again"));
        }
    }
}

/// They are asked for after the symbols, where unknown ones would be no fault.
#[test]
fn dependencies_of_modules_are_those_of_the_map_that_was_opened() {
    let depends = |map: &Map| {
        let data = answer(map.read(Scope::Names(&Wanted::new(NAMES))).unwrap());
        data.depends(&"m".parse().unwrap())
    };
    let (file, map, bytes) = opened();
    let before = depends(&opened().1);
    assert!(before.is_some());
    file.as_file().set_len(u64::try_from(bytes.len()).unwrap() - 1).unwrap();
    assert_eq!(depends(&map), before);
}

#[test]
fn a_map_that_is_rewritten_while_it_is_used_gives_what_it_gave_or_an_error() {
    for at in 0..opened().2.len() {
        let (file, map, mut bytes) = opened();
        bytes[at] ^= 0x41;
        std::fs::write(file.path(), &bytes).unwrap();
        if let Ok(data) = map.read(Scope::All) {
            let (now, then) = (answer(data), answer(opened().1.read(Scope::All).unwrap()));
            for name in NAMES {
                assert_eq!(now.candidates(name), then.candidates(name), "{at}");
            }
        }
    }
}

#[test]
fn a_map_that_is_replaced_while_it_is_used_is_still_what_it_was() {
    let (file, map, bytes) = opened();
    let other = file.path().with_extension("other");
    std::fs::write(&other, "another").unwrap();
    std::fs::rename(other, file.path()).unwrap();
    assert_eq!(bytes_of(&map), bytes);
    map.verify().unwrap();
}
