//! Two kernels made from arbitrary bytes: what changed from one to the other is told, nothing from one to
//! itself; lists and tables of them read back as what was written; each symbol is reached in one way.

use std::path::Path;

use klp_convert::symbols::map::build;
use klp_convert::symbols::{
    Answer, Change, Map, Merged, Neighbours, ProcKallsyms, Reach, Scope, Sources, Suggestions,
    SymbolSource, TextList, diff, is_generated, write_kallsyms, write_list,
};

use crate::merge::source;

/// Checks the property.
///
/// # Panics
/// When it does not hold.
pub fn run(data: &[u8]) {
    let (shared, own) = data.split_at(data.len() / 2);
    let (before, after) = own.split_at(own.len() / 2);
    let (Some(old), Some(new)) = (kernel(0, shared, before), kernel(2, shared, after)) else {
        return;
    };
    for kernel in [&old, &new] {
        // Homonyms of one file, or of none, cannot be told apart, not even from themselves.
        for changed in diff(kernel, kernel) {
            assert!(
                matches!(changed.change, Change::Homonyms { before, now } if before == now),
                "{changed}"
            );
        }
        written(kernel);
    }
    let changes = diff(&old, &new);
    assert!(changes.is_sorted_by_key(|changed| &changed.name), "not sorted");
    for changed in &changes {
        assert!(!changed.to_string().is_empty());
        let _ = is_generated(&changed.name);
    }
    let back = diff(&new, &old);
    for changed in &changes {
        let other = match &changed.change {
            Change::Exported => Change::Unexported,
            Change::Unexported => Change::Exported,
            _ => continue,
        };
        let turned = back.iter().any(|back| back.name == changed.name && back.change == other);
        let gone = back
            .iter()
            .chain(&changes)
            .any(|c| c.name == changed.name && c.change == Change::Vanished);
        // A name that the other kernel does not have is not compared.
        assert!(
            turned || gone || !known(&old, &changed.name) || !known(&new, &changed.name),
            "{changed}"
        );
    }
    reached(old);
    reached(new);
}

fn kernel(number: usize, shared: &[u8], own: &[u8]) -> Option<Merged> {
    let mut merged = Merged::default();
    merged.add(source(number, shared, own), Path::new("kernel")).ok()?;
    Some(merged)
}

fn known(kernel: &Merged, name: &str) -> bool {
    let mut named =
        kernel.objects().flat_map(|object| object.symbols.iter().map(|s| object.text(s.name)));
    named.any(|other| other == name.as_bytes())
}

/// As many symbols as before, in each object.
fn written(kernel: &Merged) {
    let (mut list, mut table) = (Vec::new(), Vec::new());
    assert!(write_list(kernel, &mut list).is_ok() && write_kallsyms(kernel, &mut table).is_ok());
    let sources: [(&str, Box<dyn SymbolSource>); 2] = [
        ("list", Box::new(TextList::from_bytes("list", list))),
        ("kallsyms", Box::new(ProcKallsyms::from_bytes("kallsyms", table))),
    ];
    for (what, source) in sources {
        // A table whose addresses are all 0 is one that the reader may not see.
        let Ok(read) = source.read(Scope::All) else { continue };
        for object in kernel.objects() {
            let mut names: Vec<_> = object.symbols.iter().map(|s| object.text(s.name)).collect();
            // No symbol of a kernel is without a name.
            names.retain(|name| !name.is_empty());
            let again = read.objects.iter().find(|other| other.name == object.name);
            let mut found: Vec<_> = again
                .map(|other| other.symbols.iter().map(|s| other.text(s.name)).collect())
                .unwrap_or_default();
            names.sort_unstable();
            found.sort_unstable();
            assert_eq!(found, names, "{what} of {}", object.name);
        }
    }
}

/// How each symbol is reached.
fn reached(kernel: Merged) {
    let names: Vec<String> = kernel
        .objects()
        .flat_map(|object| object.symbols.iter().map(|s| object.text(s.name)))
        .filter_map(|name| Some(std::str::from_utf8(name).ok()?.to_owned()))
        .collect();
    let map = build(&kernel).ok().and_then(|map| Map::from_bytes("map", map).ok());
    let Ok(answer) = Answer::new(kernel) else { return };
    if let Some(map) = map {
        near(map, &answer, &names);
    }
    for name in &names {
        let candidates = answer.candidates(name);
        for candidate in candidates {
            let reach = answer.reach(candidate);
            assert!(!reach.to_string().is_empty());
            match reach {
                Reach::ByName => assert_eq!(candidates.len(), 1, "{name}"),
                Reach::Exported => {
                    assert!(candidate.object.is_vmlinux() && answer.export(name).is_some());
                }
                Reach::ByPosition | Reach::WhileLoading | Reach::Unproven => {
                    assert!(candidates.len() > 1);
                }
                Reach::Freed => assert!(candidate.init),
                Reach::Marker => {}
            }
        }
    }
}

/// What lies beside each symbol, and which names are alike, as a map tells it.
fn near(map: Map, answer: &Answer, names: &[String]) {
    let mut sources = Sources::new();
    sources.push(map);
    let mut beside = Neighbours::default();
    let mut alike = Suggestions::new(names.iter().map(String::as_str));
    let all = || names.iter().flat_map(|name| answer.candidates(name));
    for candidate in all() {
        let Some(address) = candidate.address else { continue };
        let section = candidate.section.as_deref();
        beside.search(&candidate.object, section, &candidate.name, address);
    }
    assert!(sources.neighbours(&mut beside).is_ok() && sources.similar(&mut alike).is_ok());
    for candidate in all() {
        let Some(address) = candidate.address else { continue };
        let found = beside.found(&candidate.object, &candidate.name, address, |_| true);
        let Some(found) = found else { continue };
        for name in found.before.iter().chain(&found.after) {
            assert!(*name != candidate.name, "beside itself");
            let there = answer.candidates_in(name, &candidate.object).next();
            let known = names.contains(name);
            assert!(there.is_some() || !known, "{name:?} is not in {}", candidate.object);
        }
        assert!(!found.to_string().is_empty());
    }
    let _ = (beside.names().count(), answer.siblings().lines());
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_property_holds_for_every_seed() {
        crate::replay("diff", super::run);
    }
}
