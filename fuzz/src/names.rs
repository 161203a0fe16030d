//! Arbitrary text as each kind of name: an error that says something, or a name that prints as what it
//! was read from, and that the kernel scans into the same parts. And text that is printed stays text.

use std::fmt::Display;
use std::str::FromStr;

use klp_arch::{KernelVersion, by_name};
use klp_convert::annotation::SourceFile;
use klp_convert::diagnostic::{Json, Lines, OneLine};
use klp_convert::name::{
    KLP_RELA_PREFIX, KLP_SYM_PREFIX, KlpSection, KlpSymbol, ObjectName, Position, SymbolName,
};

/// Checks the property.
///
/// # Panics
/// When it does not hold.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    escaped(&text);
    read::<ObjectName>(&text);
    read::<KernelVersion>(&text);
    assert_eq!(
        read::<SymbolName>(&text).map(|name| name.to_string()).unwrap_or(text.to_string()),
        text
    );
    assert_eq!(
        read::<SourceFile>(&text).map(|file| file.to_string()).unwrap_or(text.to_string()),
        text
    );
    if let Some(position) = read::<Position>(&text) {
        assert_eq!(Position::from(position.number()), position);
    }
    if let Ok(object) = ObjectName::from_file_name(&text) {
        assert_eq!(object.as_str().parse().as_ref(), Ok(&object), "an object's own name");
    }
    if let Some(symbol) = read::<KlpSymbol>(&text) {
        assert_eq!(symbol.to_string(), text, "the kernel compares what is written");
        scanned(&symbol);
    }
    if let Some(section) = read::<KlpSection>(&text) {
        assert_eq!(section.to_string(), text);
    }
    if let Some(machine) = by_name(&text) {
        assert_eq!(machine.name, text);
    }
    // Names made of parts.
    let mut parts = text.split('\n');
    let [owner, name, place] = [(); 3].map(|()| parts.next().unwrap_or(""));
    if let (Ok(owner), Ok(symbol)) = (owner.parse::<ObjectName>(), name.parse::<SymbolName>()) {
        let position = place.parse().unwrap_or(Position::Unique);
        let klp = KlpSymbol { owner: owner.clone(), symbol, position };
        assert_eq!(klp.to_string().parse().as_ref(), Ok(&klp), "a round trip");
        scanned(&klp);
        let klp = KlpSection { gate: owner, section: name.to_owned() };
        assert_eq!(klp.to_string().parse().as_ref(), Ok(&klp), "a round trip");
        let written = klp.to_string();
        let rest = written.strip_prefix(KLP_RELA_PREFIX).unwrap_or("");
        assert_eq!(scan(rest, '.', 55), klp.gate.as_str(), "the gate that the kernel reads");
    }
}

/// The value, which its own text gives again.
fn read<T: FromStr<Err: Display> + Display + PartialEq>(text: &str) -> Option<T> {
    match text.parse::<T>() {
        Ok(value) => {
            let again = value.to_string().parse::<T>();
            assert!(
                again.is_ok_and(|again| again == value),
                "{text:?} is another name when printed"
            );
            Some(value)
        }
        Err(error) => {
            assert!(!error.to_string().is_empty(), "refused without a word");
            None
        }
    }
}

/// `sscanf(name, ".klp.sym.%55[^.].%511[^,],%lu")` in `klp_resolve_symbols`.
fn scanned(klp: &KlpSymbol) {
    let text = klp.to_string();
    let rest = text.strip_prefix(KLP_SYM_PREFIX).unwrap_or("");
    let object = scan(rest, '.', 55);
    let rest = rest.strip_prefix(object).and_then(|rest| rest.strip_prefix('.')).unwrap_or("");
    let name = scan(rest, ',', 511);
    let digits = rest.strip_prefix(name).and_then(|rest| rest.strip_prefix(',')).unwrap_or("");
    assert_eq!((object, name), (klp.owner.as_str(), klp.symbol.as_str()), "{text:?}");
    assert_eq!(digits.parse(), Ok(klp.position.number()), "{text:?}");
}

/// `%WIDTH[^END]`.
fn scan(text: &str, end: char, width: usize) -> &str {
    let length = text.find(end).unwrap_or(text.len());
    text.get(..length.min(width)).unwrap_or("")
}

fn escaped(text: &str) {
    let hidden =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}');
    let one = OneLine(text).to_string();
    assert!(!one.contains(hidden), "{one:?}");
    let lines = Lines(text).to_string();
    assert!(!lines.replace(['\n', '\t'], "").contains(hidden), "{lines:?}");
    assert_eq!(text.lines().count(), lines.lines().count(), "a line is forged or lost");
    let json = Json(text).to_string();
    assert!(!json.replace('\n', "").contains(hidden), "{json:?}");
    if !text.contains(hidden) {
        assert_eq!(one.len() >= text.len(), lines.len() >= text.len());
    }
    // What has been escaped stays.
    assert_eq!(OneLine(&one).to_string(), one);
    assert_eq!(Lines(&lines).to_string(), lines);
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_property_holds_for_every_seed() {
        crate::replay("names", super::run);
    }
}
