//! An arbitrary module and a map of its kernel, with addresses: a verdict, the same each time and whether or
//! not all findings are kept; what is converted breaks no rule that the kernel would refuse it for.
#![allow(clippy::panic, reason = "a property that does not hold has to stop the run")]

use klp_convert::check::{Conclusion, Tried, Verdict, check};
use klp_convert::convert::convert;
use klp_convert::elf::Module;
use klp_convert::inspect::meanings;
use klp_convert::options::Options;
use klp_convert::symbols::{Map, Sources};

/// The start of a map; everything before the last of these is the module.
const MAP: &[u8] = b"KLPMAP\r\n";

/// Checks the property.
///
/// # Panics
/// When it does not hold.
pub fn run(data: &[u8]) {
    let split = data.windows(MAP.len()).rposition(|window| window == MAP);
    let (module, map) = data.split_at(split.unwrap_or(data.len()));
    let map = crate::map::sealed(map.to_vec());
    let open = || {
        let mut sources = Sources::new();
        if let Ok(map) = Map::from_bytes("map", map.clone()) {
            sources.push(map);
        }
        sources
    };
    let sources = open();
    let verdict = judged(module, &sources);
    if let Some(verdict) = &verdict {
        let again = judged(module, &open());
        assert_eq!(again.map(|again| said(&again)), Some(said(verdict)), "another verdict");
    }
    let _ = meanings(module, &sources, &Options::default())
        .map(|meanings| meanings.iter().map(ToString::to_string).collect::<String>());
    let options = Options { strip_signature: true, ..Options::default() };
    let Ok(conversion) = convert(module, &sources, &options) else { return };
    if Module::parse(&conversion.bytes).is_err() {
        panic!("what was written is not read: {}", conversion.plan);
    }
    let Some(after) = judged(&conversion.bytes, &sources) else {
        assert!(
            verdict.is_none() || verdict.is_some_and(|v| v.tried == Tried::NoSymbols),
            "no verdict after a conversion"
        );
        return;
    };
    // The conversion makes nothing worse.
    if let Some(before) = verdict.filter(|before| before.conclusion() != Conclusion::Refused) {
        assert!(
            after.conclusion() <= before.conclusion(),
            "worse: {:?}, {:?}",
            said(&before),
            said(&after)
        );
    }
}

/// The verdict, which does not depend on how many findings are kept.
fn judged(module: &[u8], sources: &Sources) -> Option<Verdict> {
    let verdict = check(module, sources, &Options::default());
    let all = check(module, sources, &Options { all: true, ..Options::default() });
    match (verdict, all) {
        (Ok(verdict), Ok(all)) => {
            assert_eq!(verdict.conclusion(), all.conclusion(), "the conclusion depends on --all");
            assert!(all.findings.len() >= verdict.findings.len(), "fewer findings with --all");
            assert_eq!(verdict.reloads().count().min(1), all.reloads().count().min(1));
            let _ = said(&all);
            Some(verdict)
        }
        (Err(failure), Err(_)) => {
            assert!(!failure.diagnostics("input").is_empty(), "refused without a word");
            None
        }
        (one, all) => panic!("an error depends on --all: {:?}, {:?}", one.err(), all.err()),
    }
}

fn said(verdict: &Verdict) -> String {
    let said: Vec<_> =
        verdict.diagnostics("input").iter().map(|diagnostic| format!("{diagnostic:?}")).collect();
    assert!(said.is_empty() == verdict.findings.is_empty(), "a finding without words");
    said.join("\n")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_property_holds_for_every_seed() {
        crate::replay("verdict", super::run);
    }
}
