//! Arbitrary bytes as a boot image: an error, or symbols in the order of addresses, each with a
//! name.

use klp_convert::symbols::BootImage;
use klp_convert::symbols::image::{KallsymsSymbol, read};

/// Longest name (`KSYM_NAME_LEN`).
const NAME_MAX: usize = 512;

/// Checks the property.
///
/// # Panics
/// When it does not hold.
pub fn run(data: &[u8]) {
    let symbols = match read(data) {
        Ok(symbols) => symbols,
        Err(error) => {
            assert!(!error.to_string().is_empty(), "refused without a word");
            return;
        }
    };
    assert_eq!(symbols.iter().len(), symbols.len());
    assert!(symbols.exports().len() <= data.len() || symbols.exports().len() <= symbols.len());
    crate::objects::check(&BootImage::from_bytes("vmlinuz", data));
    assert!(symbols.iter().is_sorted_by_key(|symbol| symbol.address), "addresses descend");
    for KallsymsSymbol { letter, name, .. } in symbols.iter() {
        assert!(letter.is_ascii_graphic(), "type {letter:#x}");
        assert!((1..=NAME_MAX).contains(&name.len()), "a name of {} bytes", name.len());
    }
    assert!(symbols.release.is_none_or(|release| release.len() <= 64));
    assert!(symbols.build_id.is_none_or(|id| matches!(id.len(), 16 | 20 | 32)));
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_property_holds_for_every_seed() {
        let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/seeds/image");
        let mut count = 0;
        for seed in std::fs::read_dir(seeds).unwrap() {
            super::run(&std::fs::read(seed.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "no seeds in {seeds}");
    }
}
