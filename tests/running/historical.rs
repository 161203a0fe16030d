//! The historical list of names, by the recipe of the last series posted, has the names that
//! `symbols export` writes, except those that differ in the files of the finished kernel.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::program::Map;

/// Names of each object. The recipe names objects like their files; the kernel, and the
/// map, have `_` for `-`.
fn objects(text: &str) -> BTreeMap<String, BTreeSet<&str>> {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("klp-convert-symbol-data.0.1"));
    let mut found = BTreeMap::new();
    let mut object = String::new();
    for line in lines {
        match line.strip_prefix('*') {
            Some(name) => {
                object = name.replace('-', "_");
                found.insert(object.clone(), BTreeSet::new());
            }
            None => _ = found.get_mut(&object).expect("an object first").insert(line),
        }
    }
    found
}

#[test]
#[ignore = "needs build trees with the historical list; .ci/run makes and names them"]
fn the_exported_list_has_the_names_of_the_historical_one() {
    for tree in crate::directories("KLP_HISTORICAL") {
        let read = |name| std::fs::read_to_string(tree.join(name)).expect(name);
        let (theirs, ours, differences) = (
            read("symbols.klp"),
            Map::of_tree(&tree).and_then(|map| map.historical()).expect("a list"),
            read("differences"),
        );
        let (theirs, ours) = (objects(&theirs), objects(&ours));
        assert!(theirs.len() > 2 && theirs["vmlinux"].len() > 10_000, "{tree:?}");
        assert!(ours.keys().eq(theirs.keys()), "objects of {tree:?}");
        let mut reasons = HashMap::new();
        for line in differences.lines() {
            let words: Vec<&str> = line.split('\t').collect();
            let object = words[0].replace('-', "_");
            reasons.insert((object, words[1], words[3]), words[2]);
        }
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (object, names) in &theirs {
            let missing = names.difference(&ours[object]).map(|name| ("-", name));
            let added = ours[object].difference(names).map(|name| ("+", name));
            for (which, name) in missing.chain(added) {
                let Some(reason) = reasons.get(&(object.clone(), which, *name)) else {
                    panic!("{}: {object}: {which}{name}", tree.display());
                };
                *counts.entry(*reason).or_default() += 1;
            }
        }
        println!("{}: {} objects, differences: {counts:?}", tree.display(), ours.len());
    }
}
