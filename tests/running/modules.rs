//! The symbols of live modules. A module's init symbols are freed when it is live (except on ppc64le,
//! where modules have no init part), and the kernel counts the remaining ones, in the order of the
//! module's symbol table. Mapping symbols (`$x`), which it lists on arm64, are ignored here: nothing
//! uses them.

use std::path::Path;
use std::process::Command;

use crate::dump::{Boot, Dump};
use crate::list::{Entry, occurrences, of};
use crate::program::Map;

/// A symbol of a module's file.
struct Symbol {
    name: String,
    value: u64,
    section: String,
    /// The kernel does not show sections without contents.
    empty: bool,
}

/// The exported list has each module's live symbols, and the live positions are counted in the
/// kernel's order.
pub(crate) fn counts_the_same(dump: &Dump, map: &Map) -> Result<String, String> {
    let ours = map.list()?;
    let mut symbols = 0;
    let mut homonyms = 0;
    for boot in &dump.boots {
        for path in dump.modules() {
            let stem = path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
            let module = stem.replace('-', "_");
            let explain = |what: String| format!("{} {module}: {what}", boot.name);
            let live = live(boot, &module, &symbols_of(&path)).map_err(explain)?;
            exported(&of(&ours, Some(&module)), &live).map_err(explain)?;
            homonyms += positions_agree(map, &module, &live).map_err(explain)?;
            symbols += live.len();
        }
    }
    Ok(format!("{symbols} symbols of {} modules, {homonyms} homonyms", dump.modules().len()))
}

/// The kernel's list of a live module, with values of the file instead of addresses.
fn live(boot: &Boot, module: &str, symbols: &[Symbol]) -> Result<Vec<Entry>, String> {
    let mut symbols = symbols.iter();
    let listed = of(&boot.after, Some(module));
    let mut found = Vec::new();
    for &entry in listed.iter().filter(|entry| !entry.name.starts_with('$')) {
        let shown = as_readelf_shows(&entry.name);
        let is_it = |symbol: &&Symbol| {
            let section = boot.sections.get(&(module.to_owned(), symbol.section.clone()));
            symbol.name == shown
                && section
                    .map_or(symbol.empty, |start| start.wrapping_add(symbol.value) == entry.address)
        };
        let Some(symbol) = symbols.find(is_it) else {
            return Err(format!("{entry:x?} is not in the order of the file"));
        };
        found.push(Entry { address: symbol.value, ..entry.clone() });
    }
    if found.is_empty() { Err("the kernel lists nothing".into()) } else { Ok(found) }
}

/// Fails if a live symbol is missing from an exported list, which may have others. A
/// capital means that the module exports the symbol; 6.1 misses GPL-only exports.
fn exported(ours: &[&Entry], live: &[Entry]) -> Result<(), String> {
    let key =
        |entry: &Entry| (entry.address, entry.letter.to_ascii_lowercase(), entry.name.clone());
    let ours: std::collections::HashSet<_> = ours.iter().map(|our| key(our)).collect();
    let missing = live.iter().find(|entry| !ours.contains(&key(entry)));
    missing.map_or(Ok(()), |entry| Err(format!("not exported: {entry:x?}")))
}

/// The number of names that the module has more than once.
fn positions_agree(map: &Map, module: &str, live: &[Entry]) -> Result<usize, String> {
    let listed: Vec<&Entry> = live.iter().collect();
    let names = occurrences(&listed);
    let candidates = map.lookup(&names.keys().copied().collect::<Vec<_>>())?;
    for (name, entries) in &names {
        let ours: Vec<_> = candidates
            .get(*name)
            .into_iter()
            .flatten()
            .filter(|candidate| candidate.object == module && candidate.position.is_some())
            .collect();
        let places: Vec<u64> = ours.iter().map(|candidate| candidate.address).collect();
        let theirs: Vec<u64> = entries.iter().map(|entry| entry.address).collect();
        let counted = ours.iter().map(|candidate| candidate.position);
        if places != theirs
            || (theirs.len() > 1 && !counted.eq((1..=theirs.len() as u64).map(Some)))
        {
            return Err(format!("{name}: {ours:x?}, the kernel {theirs:x?}"));
        }
    }
    Ok(names.values().filter(|entries| entries.len() > 1).count())
}

/// The name as readelf prints it: assemblers use control characters in local labels.
fn as_readelf_shows(name: &str) -> String {
    let shown = |c: char| match u8::try_from(c) {
        Ok(byte) if byte < b' ' => vec!['^', char::from(byte + b'@')],
        _ => vec![c],
    };
    name.chars().flat_map(shown).collect()
}

/// The defined symbols of a module, in the order of its table, as readelf prints them.
fn symbols_of(path: &Path) -> Vec<Symbol> {
    let text = |options: &str| {
        let output = Command::new("readelf").arg(options).arg(path).output().expect("readelf runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let headers = text("-SW");
    let section = |line: &str| {
        let (number, rest) = line.trim_start().strip_prefix('[')?.split_once(']')?;
        // Name Type Address Off Size …
        let mut words = rest.split_whitespace();
        let name = words.next()?.to_owned();
        let size = u64::from_str_radix(words.nth(3)?, 16).ok()?;
        Some((number.trim().to_owned(), (name, size == 0)))
    };
    let sections: std::collections::HashMap<_, _> = headers.lines().filter_map(section).collect();
    let symbol = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        // Num: Value Size Type Bind Vis [<other>: n] Ndx Name
        let &[number, value, _, _, _, _, .., index, name] = words.as_slice() else { return None };
        number.strip_suffix(':')?.parse::<u32>().ok()?;
        let (section, empty) = sections.get(index)?.clone();
        let value = u64::from_str_radix(value, 16).ok()?;
        Some(Symbol { name: name.into(), value, section, empty })
    };
    text("-sW").lines().filter_map(symbol).collect()
}
