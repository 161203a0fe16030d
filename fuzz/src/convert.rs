//! Arbitrary module and list: an error, or a conversion that keeps its promises.
#![allow(clippy::panic, reason = "a property that does not hold has to stop the run")]

use klp_convert::check::check;
use klp_convert::convert::convert;
use klp_convert::elf::Module;
use klp_convert::findings::Error;
use klp_convert::inspect::{inspect, meanings};
use klp_convert::options::Options;
use klp_convert::rules;
use klp_convert::symbols::{Sources, TextList};
use klp_convert::target::machine;

/// The start of a list; everything before the last of these is the module.
const LIST: &[u8] = b"klp-convert-symbol-data.";

/// Checks the property.
///
/// # Panics
/// When it does not hold.
pub fn run(data: &[u8]) {
    let split = data.windows(LIST.len()).rposition(|window| window == LIST);
    let (input, list) = data.split_at(split.unwrap_or(data.len()));
    let mut sources = Sources::new();
    if !list.is_empty() {
        sources.push(TextList::from_bytes("list", list));
    }
    let _ = inspect(input).map(|inspection| inspection.to_string());
    let _ = meanings(input, &sources, &Options::default())
        .map(|meanings| meanings.iter().map(ToString::to_string).collect::<String>());
    let _ = match check(input, &sources, &Options::default()) {
        Ok(verdict) => verdict.diagnostics("input"),
        Err(failure) => failure.diagnostics("input"),
    };

    let options = Options { strip_signature: true, ..Options::default() };
    let conversion = match convert(input, &sources, &options) {
        Ok(conversion) => conversion,
        Err(failure) => {
            assert!(!failure.diagnostics("input").is_empty(), "refused without a word");
            assert!(!matches!(failure, Error::Verify(_)), "{failure}");
            return;
        }
    };
    let printed = conversion.plan.to_string();
    if conversion.plan.is_empty() {
        assert!(*conversion.bytes == *input, "nothing to convert, other bytes");
        return;
    }
    let written = match Module::parse(&conversion.bytes) {
        Ok(written) => written,
        Err(error) => panic!("what was written is not read: {error}\n{printed}"),
    };
    match machine(&written) {
        Ok(machine) => {
            let broken = rules::check(&written, machine, None);
            assert!(broken.is_empty(), "{broken:?}\n{printed}");
        }
        Err(failure) => panic!("the machine is another one: {failure}"),
    }
    match convert(&conversion.bytes, &sources, &options) {
        Ok(again) => {
            assert!(again.plan.is_empty(), "converted twice:\n{printed}then\n{}", again.plan);
            assert!(*again.bytes == *conversion.bytes, "converted again, other bytes");
        }
        Err(failure) => {
            panic!("what was written is refused: {:?}\n{printed}", failure.diagnostics("again"));
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_property_holds_for_every_seed() {
        let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/seeds/convert");
        let mut count = 0;
        for seed in std::fs::read_dir(seeds).unwrap() {
            super::run(&std::fs::read(seed.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "no seeds in {seeds}");
    }
}
