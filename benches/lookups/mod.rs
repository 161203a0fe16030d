//! Look-ups in maps: how long they take, and beside the kernel's own.

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::time::Duration;

use klp_convert::symbols::{BootImage, Map, Scope, SymbolSource, Wanted};
use rustc_hash::FxHashMap;

use crate::inputs::folder;
use crate::kernel::kallsyms::Kallsyms;
use crate::measure::{Times, compare, ratio, table, time, timed};
use crate::{PATIENCE, build, generate};

pub(crate) fn opening(rounds: usize, map: &Path) -> Times {
    Times((0..rounds * 10).map(|_| timed(|| Map::open(map).unwrap())).collect())
}

/// The mean time of a look-up over names, round by round.
pub(crate) fn asking(rounds: usize, map: &Map, names: &[String]) -> Times {
    let wanted: Vec<_> = names.iter().map(|name| Wanted::new([name.as_str()])).collect();
    let ask = |wanted: &Wanted<'_>| timed(|| map.read(Scope::Names(wanted)).unwrap());
    let count = u32::try_from(names.len().max(1)).unwrap();
    Times((0..rounds * 3).map(|_| wanted.iter().map(ask).sum::<Duration>() / count).collect())
}

/// A sample of all names, with the number of occurrences.
pub(crate) fn names(map: &Map) -> Vec<(String, u32)> {
    let contents = map.read(Scope::All).unwrap();
    let mut counts: FxHashMap<&[u8], u32> = FxHashMap::default();
    for object in &contents.objects {
        for symbol in &object.symbols {
            *counts.entry(object.text(symbol.name)).or_default() += 1;
        }
    }
    let names = counts.into_iter().map(|(name, count)| (String::from_utf8_lossy(name), count));
    let mut names: Vec<_> = names.map(|(name, count)| (name.into_owned(), count)).collect();
    names.sort_unstable();
    names
}

/// About a thousand names that occur this often.
fn some(names: &[(String, u32)], often: std::ops::RangeInclusive<u32>) -> Vec<String> {
    let fit: Vec<_> = names.iter().filter(|(_, count)| often.contains(count)).collect();
    fit.iter().step_by(fit.len() / 1000 + 1).map(|(name, _)| name.clone()).collect()
}

pub(crate) fn figures(rounds: usize, path: &Path) {
    let opened = opening(rounds, path);
    let map = Map::open(path).unwrap();
    let names = names(&map);
    let mut rows = vec![vec!["opening the map".into(), "1000 us".into(), time(&opened), "".into()]];
    let mut add = |what: &str, reach: &str, names: &[String]| {
        let time = time(&asking(rounds, &map, names));
        rows.push(vec![what.into(), reach.into(), time, names.len().to_string()]);
    };
    let single = some(&names, 1..=1);
    let missing: Vec<_> = single.iter().map(|name| format!("{name}_x")).collect();
    let all: Vec<_> = names.iter().step_by(names.len() / 1000 + 1).map(|n| n.0.clone()).collect();
    add("any name", "5 us", &all);
    add("a name that occurs once", "5 us", &single);
    add("a name that occurs 2 to 16 times", "5 us", &some(&names, 2..=16));
    add("a name that does not occur", "5 us", &missing);
    let (most, count) = names.iter().max_by_key(|(_, count)| *count).unwrap();
    add(&format!("the most frequent, {count} times"), "", std::slice::from_ref(most));
    table(&["library call, warm", "to reach", "mean time", "names"], rows);
}

/// Beside the kernel's own functions, in a generated kernel of as many names as a distribution's: looking up a
/// thousand of them, and reading all.
pub(crate) fn beside_kernel(rounds: usize) {
    let symbols = if rounds > 1 { 200_000 } else { 2_000 };
    let built = generate::kernel::kallsyms(symbols);
    let [image, map] = ["kallsyms", "kallsyms.map"].map(|name| folder().join(name));
    fs::write(&image, &built.bytes).unwrap();
    build(("--image", &image), &[], &map);
    let map = Map::open(&map).unwrap();
    let all = names(&map);
    let searched = some(&all, 1..=1);
    let Some(peer) = Kallsyms::new(&built, &searched).map(RefCell::new) else {
        println!("KLP_KERNEL_SOURCE is not set: nothing beside the kernel's own look-up");
        return;
    };
    let wanted: Vec<_> = searched.iter().map(|name| Wanted::new([name.as_str()])).collect();
    let mut found = Vec::new();
    let reading = BootImage::new(&image);
    let times = compare(
        rounds,
        PATIENCE,
        [
            &mut || {
                found.clear();
                timed(|| {
                    let read = wanted.iter().map(|name| map.read(Scope::Names(name)).unwrap());
                    found.extend(read);
                })
            },
            &mut || peer.borrow_mut().lookup(),
            &mut || timed(|| reading.read(Scope::All).unwrap()),
            &mut || peer.borrow_mut().expand(),
        ],
    );
    let found: Vec<_> =
        found.iter().map(|data| data.objects[0].symbols[0].address.unwrap()).collect();
    let first = built.symbols[0].0;
    assert!(peer.into_inner().found() == found.iter().map(|at| at - first).collect::<Vec<_>>());
    let [ours, kernels, read, expanded] = &times;
    let row = |what: String, ours: &Times, kernels| {
        vec![what, time(ours), format!("{} ({})", time(kernels), ratio(ours, kernels))]
    };
    table(
        &["a kernel's names", "time", "the kernel's C (ratio)"],
        vec![
            row(format!("{} look-ups (kallsyms_lookup_name)", searched.len()), ours, kernels),
            row(
                format!("reading {} (kallsyms_expand_symbol)", built.symbols.len()),
                read,
                expanded,
            ),
        ],
    );
}
