//! The seeds for `read` come from the tests' ELF builder; `BLESS=1` writes them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

use std::fs;
use std::path::Path;

#[allow(dead_code, reason = "seeds are random modules; tests of the view need the parts, too")]
#[path = "../../tests/elf/builder/mod.rs"]
mod builder;

#[test]
fn seeds_are_what_the_builder_makes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds/read");
    for seed in 0..24 {
        let path = folder.join(format!("random-{seed:02}"));
        let mut made = builder::random(seed).build();
        if seed % 8 == 7 {
            made.extend([0x30; 16]);
            made.extend([0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 16]);
            made.extend(klp_convert::elf::SIGNATURE_MARKER);
        }
        assert!(made.len() < 4096, "seed {seed} has {} bytes", made.len());
        if std::env::var_os("BLESS").is_some() {
            fs::write(&path, &made).unwrap();
        }
        let stored = fs::read(&path).unwrap_or_default();
        assert!(stored == made, "{}: differs, run with BLESS=1", path.display());
    }
}
