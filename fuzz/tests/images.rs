//! The seeds for `image` come from the tests' kernel builder; `BLESS=1` writes them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    unreachable_pub,
    reason = "a test may stop at the first surprise; the builder is a module of another crate"
)]

use std::fs;
use std::path::Path;

use klp_convert::symbols::image::read;

#[allow(
    dead_code,
    unused_imports,
    reason = "seeds are kernels; tests of the reader need their tables, too"
)]
#[path = "../../src/symbols/image/fixture.rs"]
mod fixture;

use fixture::{LAYOUTS, Sample};

#[test]
fn seeds_are_what_the_builder_makes_and_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds/image");
    for layout in LAYOUTS {
        let little = Sample::new(layout, false);
        let samples = [
            ("little", little.clone()),
            ("big", Sample::new(layout, true)),
            ("raw", Sample { raw: true, ..little }),
        ];
        for (kind, sample) in samples {
            let made = sample.build().bytes;
            assert!(made.len() < 8192, "{layout:?}: {} bytes", made.len());
            assert!(read(&made).is_ok(), "{layout:?} {kind}");
            let path = folder.join(format!("{layout:?}-{kind}").to_lowercase());
            if std::env::var_os("BLESS").is_some() {
                fs::create_dir_all(&folder).unwrap();
                fs::write(&path, &made).unwrap();
            }
            let stored = fs::read(&path).unwrap_or_default();
            assert!(stored == made, "{}: differs, run with BLESS=1", path.display());
        }
    }
}
