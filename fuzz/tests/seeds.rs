//! The seeds for `read` come from the tests' ELF builder; `BLESS=1` writes them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod stored;

#[allow(dead_code, reason = "seeds are random modules; tests of the view need the parts, too")]
#[path = "../../tests/elf/builder/mod.rs"]
mod builder;

#[test]
fn seeds_are_what_the_builder_makes() {
    for seed in 0..24 {
        let mut made = builder::random(seed).build();
        if seed % 8 == 7 {
            made.extend([0x30; 16]);
            made.extend([0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 16]);
            made.extend(klp_convert::elf::SIGNATURE_MARKER);
        }
        stored::same("read", &format!("random-{seed:02}"), &made);
    }
}
