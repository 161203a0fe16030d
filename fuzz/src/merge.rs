//! Sources made from arbitrary bytes: in every order they merge into the same map or fail, and the
//! map has what they had.

use std::path::Path;

use klp_convert::symbols::map::build;
use klp_convert::symbols::{
    Binding, BuildId, Export, KernelIdentity, Map, Merged, Object, Order, Scope, Symbol,
    SymbolData, SymbolSource,
};

const OBJECTS: [&str; 3] = ["vmlinux", "m", "n"];
const NAMES: [&str; 6] = ["f", "g", "__pfx_f", "f.isra.0", "__ksymtab_g", ""];
const FILES: [&str; 3] = ["a.c", "b.c", ""];
const SECTIONS: [&str; 3] = [".text", ".data", ".init.text"];
/// The most symbols, exports and objects of one source together.
const ITEMS: usize = 64;
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/// Checks the property.
///
/// # Panics
/// When it does not hold.
pub fn run(data: &[u8]) {
    // Sources that share most of their contents, so many agree.
    let (shared, own) = data.split_at(data.len() / 2);
    let thirds = own.len() / 3;
    let source = |n: usize| {
        let own = own.get(n * thirds..(n + 1) * thirds).unwrap_or(&[]);
        source(n, shared, own)
    };
    // The error depends on which sources are compared first.
    let maps: Vec<Option<Vec<u8>>> = ORDERS
        .iter()
        .map(|order| {
            let mut merged = Merged::default();
            for n in order {
                let (contents, name) = (source(*n), n.to_string());
                merged.add(contents, Path::new(&name)).ok()?;
            }
            build(&merged).ok()
        })
        .collect();
    let Some(first) = maps.first() else { return };
    for (order, map) in ORDERS.iter().zip(&maps) {
        assert!(map == first, "{order:?} is another map than {:?}", ORDERS.first());
    }
    if let Some(bytes) = first {
        same(bytes);
    }
}

/// A map of a map is that map.
fn same(bytes: &[u8]) {
    let map = Map::from_bytes("map", bytes.to_vec());
    let contents = map.as_ref().ok().map(|map| (map.verify(), map.read(Scope::All)));
    assert!(
        matches!(contents, Some((Ok(()), Ok(_)))),
        "what was written is not read: {contents:?}"
    );
    let Some((_, Ok(contents))) = contents else { return };
    let mut merged = Merged::default();
    let added = merged.add(contents, Path::new("map"));
    assert!(added.is_ok(), "what was written contradicts itself: {added:?}");
    assert!(build(&merged).is_ok_and(|again| again == bytes), "written again, other bytes");
}

/// The contents of one source: one item for each five bytes.
pub(crate) fn source(number: usize, shared: &[u8], own: &[u8]) -> SymbolData {
    let path = number.to_string();
    let mut contents = SymbolData { kernel: kernel(own), ..SymbolData::default() };
    for chunk in shared.as_chunks().0.iter().chain(own.as_chunks().0).take(ITEMS) {
        let [what, object, name, low, high] = *chunk;
        let pick = |all: &[&'static str], byte: u8| -> &'static str {
            let at = usize::from(byte).checked_rem(all.len()).unwrap_or(0);
            all.get(at).copied().unwrap_or("")
        };
        let (object, name) = (pick(&OBJECTS, object), pick(&NAMES, name));
        let Ok(owner) = object.parse() else { continue };
        if what % 8 == 0 {
            let mut export = Export::by(owner);
            export.crc = Some(low.into());
            contents.exports.push((name.into(), export));
            continue;
        }
        let known = contents.objects.iter().position(|object| object.name == owner);
        let at = known.unwrap_or(contents.objects.len());
        if known.is_none() {
            contents.objects.push(Object::new(owner, Path::new(&path), Order::Proven));
        }
        let Some(object) = contents.objects.get_mut(at) else { continue };
        if what % 8 == 1 {
            object.build_id = Some(BuildId(vec![low % 4 + 1]));
            continue;
        }
        let (file, section) = (pick(&FILES, high), pick(&SECTIONS, high));
        let keep = |object: &mut Object, text: &str| object.keep(text.as_bytes());
        let Some(name) = keep(object, name) else { continue };
        let unit = keep(object, file).and_then(|span| {
            object.units.push(span);
            u32::try_from(object.units.len() - 1).ok()
        });
        let section = keep(object, section);
        let init = high % 3 == 2;
        object.symbols.push(Symbol {
            name,
            address: (what & 8 == 0).then_some(u64::from(low) << 4),
            // A source has sizes for all of its symbols, or for none.
            size: (number != 1).then_some(u64::from(high)),
            section,
            unit,
            binding: (number != 1).then_some(Binding::Local),
            kind: None,
            letter: Some(b't'),
            init,
            untraceable: high % 5 == 1,
            stays: !init,
        });
    }
    contents
}

/// A source's kernel identity; mostly empty.
fn kernel(own: &[u8]) -> KernelIdentity {
    let release = match own.first() {
        Some(255) => Some("7.3".into()),
        Some(128..) => Some("7.2".into()),
        _ => None,
    };
    KernelIdentity { release, ..KernelIdentity::default() }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_property_holds_for_every_seed() {
        let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/seeds/merge");
        let mut count = 0;
        for seed in std::fs::read_dir(seeds).unwrap() {
            super::run(&std::fs::read(seed.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "no seeds in {seeds}");
    }
}
