//! Searches for bytes that break [`klp_convert_fuzz::pairs`].
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| klp_convert_fuzz::pairs::run(data));

#[cfg(not(fuzzing))]
fn main() {}
