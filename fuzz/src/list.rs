//! Arbitrary bytes as a text list and as `Module.symvers`: an error, or as many symbols as there
//! are lines.

use klp_convert::symbols::{
    Answer, Sources, Suggestions, SymbolError, SymbolSource, Symvers, TextList, Wanted,
};

/// The most names that are looked up.
const NAMES: usize = 64;

/// Checks the property.
///
/// # Panics
/// When it does not hold.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // Names are bytes: one that is not UTF-8 is not what its text is.
    let names = text.split(['\n', '\t']).filter(|n| !n.is_empty() && !n.contains('\u{fffd}'));
    let names: Vec<&str> = names.take(NAMES).collect();
    let wanted = Wanted::new(names.iter().copied());
    // Anything else may be compressed, so that these bytes are not the text that was read.
    let (is_list, is_symvers) =
        (data.starts_with(b"klp-convert-symbol-data"), data.starts_with(b"0x"));
    let answer = ask(TextList::from_bytes("list", data), &wanted);
    if let (Ok(answer), true) = (answer, is_list) {
        for name in wanted.iter() {
            // The first line is the header; a line with a star names an object, in version 0.2 one
            // with a dash names a source file.
            let lines = text.split('\n').skip(1).filter(|line| *line == name);
            let file = text.starts_with("klp-convert-symbol-data.0.2\n") && name.starts_with('-');
            let count = if name.starts_with('*') || file { 0 } else { lines.count() };
            let candidates = answer.candidates(name);
            assert_eq!(candidates.len(), count, "candidates of {name:?}");
            for candidate in candidates {
                assert!(candidate.position.get() <= candidate.homonyms);
                let same = answer.candidates_in(name, &candidate.object).count();
                assert_eq!(u32::try_from(same), Ok(candidate.homonyms), "homonyms of {name:?}");
            }
        }
    }
    let answer = ask(Symvers::from_bytes("symvers", data), &wanted);
    if let (Ok(answer), true) = (answer, is_symvers) {
        for name in wanted.iter() {
            assert!(answer.candidates(name).is_empty(), "exports are no positions");
            let listed = text.split('\n').any(|line| line.split('\t').nth(1) == Some(name));
            assert_eq!(answer.export(name).is_some(), listed, "export of {name:?}");
        }
    }
    let mut sources = Sources::new();
    sources.push(TextList::from_bytes("list", data));
    let mut near = Suggestions::new(names.iter().copied());
    if sources.similar(&mut near).is_ok() {
        let found: usize = names.iter().map(|name| near.found(name).len()).sum();
        assert!(found <= names.len() * data.len(), "more names than the list has");
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
        let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/seeds/list");
        let mut count = 0;
        for seed in std::fs::read_dir(seeds).unwrap() {
            super::run(&std::fs::read(seed.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "no seeds in {seeds}");
    }
}
