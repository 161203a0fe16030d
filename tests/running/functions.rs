//! Which functions ftrace can hook.
//!
//! A name counts if all of its symbols are functions that stay and have no other symbol at their
//! address: ftrace lists one name for each address.

use std::collections::{BTreeSet, HashMap};

use crate::dump::Dump;
use crate::list::{Entry, occurrences, of};
use crate::program::Map;

/// Each name has as many symbols that are not called untraceable as ftrace lists, in vmlinux and in
/// each module; a name that ftrace lists more often than it has symbols includes the call site of an
/// overridden weak function after it. One in a thousand names may be in the kernel's own list and not
/// in what ftrace made of it. If the map does not know this of any function of vmlinux, only modules
/// are compared.
pub(crate) fn hooks_the_same(dump: &Dump, map: &Map) -> Result<String, String> {
    let modules = dump.modules();
    let names = modules.iter().filter_map(|path| path.file_stem()?.to_str());
    let modules: Vec<String> = names.map(|name| name.replace('-', "_")).collect();
    let mut found = Vec::new();
    for boot in &dump.boots {
        for object in [None].into_iter().chain(modules.iter().map(|name| Some(name.as_str()))) {
            let listed = boot.functions.iter().filter(|(_, module)| module.as_deref() == object);
            let mut counts: HashMap<&str, usize> = HashMap::new();
            listed.for_each(|(name, _)| *counts.entry(name).or_default() += 1);
            let (known, hooked) = compare(map, &of(&boot.after, object), &counts, object)
                .map_err(|what| format!("{} {object:?}: {what}", boot.name))?;
            if object.is_none() {
                found.push(format!("{hooked} of {known} names of vmlinux as in {}", boot.name));
            }
        }
    }
    Ok(found.join(", "))
}

/// How many names were compared, and how many of them ftrace can hook.
fn compare(
    map: &Map,
    list: &[&Entry],
    listed: &HashMap<&str, usize>,
    object: Option<&str>,
) -> Result<(usize, usize), String> {
    let is_function = |entry: &Entry| matches!(entry.letter, 't' | 'T' | 'w' | 'W');
    let mut at: HashMap<u64, usize> = HashMap::new();
    list.iter().for_each(|entry| *at.entry(entry.address).or_default() += 1);
    let alone = |entry: &&Entry| is_function(entry) && at.get(&entry.address) == Some(&1);
    let freed = freed(list);
    let mut names = occurrences(list);
    names.retain(|_, entries| {
        entries.iter().all(|entry| alone(entry) && !freed.contains(&entry.address))
    });
    let candidates = map.lookup(&names.keys().copied().collect::<Vec<_>>())?;
    let owner = object.unwrap_or("vmlinux");
    let ours = |name: &str| {
        let candidates = candidates.get(name).into_iter().flatten();
        // What has no position was freed.
        let candidates = candidates.filter(|c| c.object == owner && c.position.is_some());
        candidates.filter(|candidate| !candidate.untraceable).count()
    };
    let counted: Vec<_> = names.iter().map(|(name, all)| (*name, ours(name), all.len())).collect();
    if counted.iter().all(|(_, ours, all)| ours == all) {
        // Nothing is known.
        return Ok((0, 0));
    }
    let theirs = |name: &str, all: usize| listed.get(name).map_or(0, |count| all.min(*count));
    let show = |(name, ours, all): &(&str, usize, usize)| {
        format!("{name}: {ours} of its symbols, ftrace lists {}", theirs(name, *all))
    };
    let wrong: Vec<_> =
        counted.iter().filter(|(name, ours, all)| *ours < theirs(name, *all)).collect();
    if let Some(first) = wrong.first() {
        return Err(format!("{}; {} in all", show(first), wrong.len()));
    }
    let more: Vec<_> =
        counted.iter().filter(|(name, ours, all)| *ours > theirs(name, *all)).collect();
    if let Some(first) = more.first().filter(|_| more.len() * 1000 > counted.len()) {
        return Err(format!("{}; {} in all", show(first), more.len()));
    }
    Ok((counted.len(), counted.iter().filter(|(_, ours, _)| *ours > 0).count()))
}

/// Addresses of vmlinux's init part, which ftrace drops.
fn freed(list: &[&Entry]) -> BTreeSet<u64> {
    let bound = |name| list.iter().find(|entry| entry.name == name).map(|entry| entry.address);
    let (start, end) = (bound("__init_begin"), bound("__init_end"));
    let range = start.unwrap_or(0)..end.unwrap_or(0);
    list.iter().map(|entry| entry.address).filter(|address| range.contains(address)).collect()
}
