//! Arbitrary bytes as a map file: an error, or a consistent map.
//!
//! The bytes are read as they are, and again with valid checksums, to let the search get past them;
//! the layout is that of `src/symbols/map/layout.rs`.

use std::ops::Range;

use klp_convert::symbols::map::build;
use klp_convert::symbols::{Map, Merged, Scope, Suggestions, SymbolSource, Wanted};

/// Names that are looked up besides the map's own.
const NAMES: [&str; 4] = ["f", "set_is_seen", "__pfx_f", "no_such_name"];
/// The most names of a map that are looked up.
const ASKED: usize = 16;

const DIRECTORY: usize = 24;
const ENTRY: usize = 24;
const SECTIONS: usize = 8;
/// The number in version 1.
const SECTIONS_BEFORE: usize = 6;
/// Directory entries of the index and of the blocks.
const INDEX: usize = 4;
const BLOCKS: usize = 5;

/// Checks the property.
///
/// # Panics
/// When it does not hold.
pub fn run(data: &[u8]) {
    read(data.to_vec());
    read(sealed(data.to_vec()));
}

fn read(bytes: Vec<u8>) {
    let size = bytes.len();
    let Ok(map) = Map::from_bytes("map", bytes) else { return };
    let verified = map.verify().is_ok();
    let objects = map.objects();
    let whole = map.read(Scope::All);
    // Symbols are read from blocks of the file, each once: a record takes at least a byte.
    let mut names = NAMES.map(str::to_owned).to_vec();
    if let Ok(contents) = &whole {
        assert!(verified, "read, though a block is damaged");
        let symbols: usize = contents.objects.iter().map(|object| object.symbols.len()).sum();
        assert!(symbols + contents.exports.len() <= size, "{symbols} symbols in {size} bytes");
        assert!(objects.is_ok_and(|all| all.len() <= size), "more objects than bytes");
        let named = contents
            .objects
            .iter()
            .flat_map(|object| object.symbols.iter().map(|symbol| object.text(symbol.name)));
        let named = named.filter_map(|name| Some(std::str::from_utf8(name).ok()?.to_owned()));
        names.extend(named.take(ASKED));
    }
    for name in &names {
        let wanted = Wanted::new([name.as_str()]);
        if let Ok(contents) = map.read(Scope::Names(&wanted)) {
            let mut all =
                contents.objects.iter().flat_map(|o| o.symbols.iter().map(|s| o.text(s.name)));
            assert!(all.all(|found| found == name.as_bytes()), "another name than {name:?}");
        }
    }
    let mut near = Suggestions::new(names.iter().map(String::as_str));
    let _ = map.similar(&mut near);
    // A map of the map's contents can be built, and that one is a fixed point.
    let Ok(contents) = whole else { return };
    let mut merged = Merged::default();
    if merged.add(contents, map.path()).is_err() {
        return;
    }
    let Ok(first) = build(&merged) else { return };
    assert!(again(first.clone()).is_none_or(|second| second == first), "a map of a map differs");
}

/// The map of a map.
fn again(bytes: Vec<u8>) -> Option<Vec<u8>> {
    let map = Map::from_bytes("again", bytes).ok();
    assert!(map.is_some(), "what was written is not read");
    let map = map?;
    let contents = map.read(Scope::All);
    assert!(contents.is_ok(), "what was written cannot be read: {contents:?}");
    let mut merged = Merged::default();
    merged.add(contents.ok()?, map.path()).ok()?;
    build(&merged).ok()
}

/// The bytes with valid checksums; unchanged if there is no room for one. Unknown versions become
/// the newest.
pub(crate) fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let first = bytes.get(8..12) == Some(&[1, 0, 0, 0]);
    let (version, sections) = if first { (1, SECTIONS_BEFORE) } else { (2, SECTIONS) };
    put(&mut bytes, 0, b"KLPMAP\r\n");
    put(&mut bytes, 8, &[version, 0, 0, 0]);
    let length = u64::try_from(bytes.len()).unwrap_or(0);
    put(&mut bytes, 16, &length.to_le_bytes());
    let places: Vec<_> = (0..sections).map(|n| place(&bytes, DIRECTORY + n * ENTRY)).collect();
    if let Some((index, blocks)) = places.get(INDEX).zip(places.get(BLOCKS)) {
        for block in entries(&bytes, index.clone()) {
            let range =
                blocks.start.saturating_add(block.start)..blocks.start.saturating_add(block.end);
            if let Some(crc) = range.start.checked_add(4).and_then(|at| sum(&bytes, at..range.end))
            {
                put(&mut bytes, range.start, &crc.to_le_bytes());
            }
        }
        // Blocks have their own.
        for (n, table) in places.iter().enumerate().filter(|(n, _)| *n != BLOCKS) {
            if let Some(crc) = sum(&bytes, table.clone()) {
                put(&mut bytes, DIRECTORY + n * ENTRY + 16, &crc.to_le_bytes());
            }
        }
    }
    if let Some(crc) = sum(&bytes, 16..DIRECTORY + sections * ENTRY) {
        put(&mut bytes, 12, &crc.to_le_bytes());
    }
    bytes
}

/// The ranges of the blocks, from the index.
fn entries(bytes: &[u8], index: Range<usize>) -> Vec<Range<usize>> {
    let Some(table) = bytes.get(index) else { return Vec::new() };
    let word = |n: usize| {
        let bytes = table.get(n.checked_mul(4)?..)?.first_chunk()?;
        usize::try_from(u32::from_le_bytes(*bytes)).ok()
    };
    let count = word(0).unwrap_or(0).min(table.len() / 4);
    let entry = |n: usize| {
        let from = if n == 0 { 0 } else { word(n)? };
        let mut rest = table.get((count + 1) * 4 + from..)?;
        let (offset, length) = (number(&mut rest)?, number(&mut rest)?);
        Some(offset..offset.checked_add(length)?)
    };
    (0..count).filter_map(entry).collect()
}

/// A LEB128 number.
fn number(rest: &mut &[u8]) -> Option<usize> {
    let mut number = 0_usize;
    for shift in (0..56).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        number |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// The range of a directory entry.
fn place(bytes: &[u8], entry: usize) -> Range<usize> {
    let word = |at: usize| {
        let bytes = bytes.get(at..)?.first_chunk()?;
        usize::try_from(u64::from_le_bytes(*bytes)).ok()
    };
    let range = word(entry).zip(word(entry + 8));
    range.and_then(|(at, size)| Some(at..at.checked_add(size)?)).unwrap_or(0..0)
}

fn sum(bytes: &[u8], range: Range<usize>) -> Option<u32> {
    bytes.get(range).map(crc32fast::hash)
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    let place = at.checked_add(value.len()).and_then(|end| bytes.get_mut(at..end));
    place.into_iter().for_each(|place| place.copy_from_slice(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_property_holds_for_every_seed() {
        let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/seeds/map");
        let mut count = 0;
        for seed in std::fs::read_dir(seeds).unwrap() {
            let bytes = std::fs::read(seed.unwrap().path()).unwrap();
            let sealed = sealed(bytes.clone());
            assert!(sealed == bytes, "a map's checksums are others than the search makes");
            run(&bytes);
            count += 1;
        }
        assert!(count > 0, "no seeds in {seeds}");
    }

    #[test]
    fn the_property_holds_for_damaged_seeds() {
        let seed = concat!(env!("CARGO_MANIFEST_DIR"), "/seeds/map/x86_64");
        let bytes = std::fs::read(seed).unwrap();
        for at in (16..bytes.len()).step_by(3) {
            let mut damaged = bytes.clone();
            damaged[at] = damaged[at].wrapping_mul(5) ^ 0x21;
            run(&damaged);
        }
    }
}
