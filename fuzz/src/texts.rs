//! Arbitrary bytes as `System.map`, as `/proc/kallsyms` and as the body of a list 0.2: an error, or
//! the symbols of a naive reader, in its order.

use klp_convert::name::ObjectName;
use klp_convert::symbols::{
    Answer, Candidate, ProcKallsyms, Sources, SymbolError, SymbolSource, SystemMap, TextList,
    Wanted,
};

/// The most names that are looked up.
const NAMES: usize = 64;

/// Checks the property.
///
/// # Panics
/// When it does not hold.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let words = text.split(['\n', '\t', ' ']).filter(|word| !word.is_empty());
    let names: Vec<&str> = words.take(NAMES).collect();
    let wanted = Wanted::new(names.iter().copied());
    if let Ok(answer) = ask(SystemMap::from_bytes("System.map", data), &wanted) {
        for name in wanted.iter() {
            let candidates = answer.candidates(name);
            let lines = text.lines().filter(|line| line.split(' ').nth(2) == Some(name)).count();
            assert!(candidates.len() <= lines, "candidates of {name:?}");
            assert!(candidates.is_sorted_by_key(|c| c.address), "the order of {name:?}");
            positions(candidates);
        }
    }
    if let Ok(answer) = ask(ProcKallsyms::from_bytes("kallsyms", data), &wanted) {
        for name in wanted.iter() {
            let found: Vec<_> = answer
                .candidates(name)
                .iter()
                .filter(|c| c.object.is_vmlinux())
                .map(|c| c.address)
                .collect();
            let expected: Vec<_> =
                text.lines().filter_map(|line| row(line, name)).map(Some).collect();
            assert_eq!(found, expected, "the symbols {name:?} of vmlinux");
            positions(answer.candidates(name));
        }
    }
    let list = [b"klp-convert-symbol-data.0.2\n", data].concat();
    if let Ok(answer) = ask(TextList::from_bytes("list", list), &wanted) {
        for name in wanted.iter() {
            let found =
                answer.candidates(name).iter().map(|c| (c.object.as_str(), c.file.as_deref()));
            let mut found: Vec<_> = found.collect();
            found.sort_unstable();
            let (mut object, mut file, mut expected) = (String::new(), None, Vec::new());
            for line in text.lines() {
                if let Some(entered) = line.strip_prefix('*') {
                    file = None;
                    let name = ObjectName::from_file_name(entered);
                    object = name.map(|name| name.to_string()).unwrap_or_default();
                } else if let Some(entered) = line.strip_prefix('-') {
                    file = Some(entered);
                } else if line == name {
                    expected.push((object.clone(), file));
                }
            }
            expected.sort_unstable();
            // A long file name is truncated for display.
            let same = found.len() == expected.len()
                && found.iter().zip(&expected).all(|(found, expected)| {
                    found.0 == expected.0
                        && found.1.is_some() == expected.1.is_some()
                        && found
                            .1
                            .is_none_or(|f| expected.1.is_some_and(|t| t == f || t.len() > 255))
                });
            assert!(same, "files of {name:?}: {found:?}, {expected:?}");
        }
    }
}

/// The address in a row of vmlinux that has this name.
fn row(line: &str, name: &str) -> Option<u64> {
    let mut words = line.split(' ');
    let address = words.next()?;
    let this = words.nth(1)?;
    (this == name).then(|| u64::from_str_radix(address, 16).ok())?
}

fn positions(candidates: &[Candidate]) {
    for candidate in candidates {
        assert!(candidate.position.get() <= candidate.homonyms);
        let same = candidates.iter().filter(|c| c.object == candidate.object).count();
        assert_eq!(u32::try_from(same), Ok(candidate.homonyms));
    }
}

fn ask(source: impl SymbolSource + 'static, wanted: &Wanted<'_>) -> Result<Answer, SymbolError> {
    let mut sources = Sources::new();
    sources.push(source);
    sources.answer(wanted)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_property_holds_for_every_seed() {
        let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/seeds/texts");
        let mut count = 0;
        for seed in std::fs::read_dir(seeds).unwrap() {
            super::run(&std::fs::read(seed.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "no seeds in {seeds}");
    }
}
