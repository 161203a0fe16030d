//! Searches for bytes that break [`klp_convert_fuzz::shipped`].
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| klp_convert_fuzz::shipped::run(data));

#[cfg(not(fuzzing))]
fn main() {}
