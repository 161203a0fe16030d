//! Arbitrary bytes as a vmlinux, a module or a boot image: an error, or consistent objects, the
//! same for some names as for all.

use klp_convert::symbols::{
    Answer, BootImage, Merged, ModuleFile, Scope, SymbolData, SymbolSource, Vmlinux, Wanted,
};

/// The most names that are looked up again.
const NAMES: usize = 16;

/// Checks the property.
///
/// # Panics
/// When it does not hold.
pub fn run(data: &[u8]) {
    check(&Vmlinux::from_bytes("vmlinux", data));
    check(&ModuleFile::from_bytes("module.ko", data));
    check(&BootImage::from_bytes("vmlinuz", data));
}

pub(crate) fn check(source: &dyn SymbolSource) {
    let contents = match source.read(Scope::All) {
        Ok(contents) => contents,
        Err(error) => {
            assert!(error.to_string().len() > source.path().as_os_str().len(), "no words");
            return;
        }
    };
    let mut names: Vec<String> = Vec::new();
    for object in &contents.objects {
        for symbol in &object.symbols {
            let name = object.text(symbol.name);
            assert!(!name.is_empty(), "a symbol without a name is counted");
            let unit = symbol.unit.map(|unit| usize::try_from(unit).unwrap_or(usize::MAX));
            assert!(unit.is_none_or(|unit| unit < object.units.len()), "a unit that is not there");
            if names.len() < NAMES
                && let Ok(name) = std::str::from_utf8(name)
            {
                names.push(name.into());
            }
        }
    }
    let wanted: Wanted<'_> = names.iter().map(String::as_str).collect();
    let some = source.read(Scope::Names(&wanted)).map(|contents| answer(contents, source));
    let (Ok(Some(some)), Some(all)) = (some, answer(contents, source)) else { return };
    for name in wanted.iter() {
        assert_eq!(some.candidates(name), all.candidates(name), "{name:?}");
        assert_eq!(some.export(name), all.export(name), "{name:?}");
    }
}

/// `None` if a name occurs more often than in any kernel.
fn answer(contents: SymbolData, source: &dyn SymbolSource) -> Option<Answer> {
    let mut merged = Merged::default();
    merged.add(contents, source.path()).ok()?;
    Answer::new(merged).ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_property_holds_for_every_seed_and_fixture() {
        let root = env!("CARGO_MANIFEST_DIR");
        let mut count = 0;
        for machine in ["x86_64", "ppc64le", "s390x", "arm64"] {
            for fixture in ["vmlinux.cut", "klp_target_a.ko", "klp_target_b.ko"] {
                let path = format!("{root}/../tests/fixtures/{machine}/{fixture}");
                super::run(&std::fs::read(path).unwrap());
            }
        }
        for seed in std::fs::read_dir(format!("{root}/seeds/objects")).unwrap() {
            super::run(&std::fs::read(seed.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "no seeds");
    }
}
