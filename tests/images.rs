//! Boot images that others have built, against what others read in them: names, types, addresses,
//! and their order.
//!
//! `KLP_IMAGES` has lines of an image and a text of lines `address type name`, as `.ci/image-oracle`
//! prints them. An address of `-` is one that the other reader does not know.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may stop at the first surprise"
)]

use std::fs;
use std::time::Instant;

use klp_convert::symbols::image::{ImageError, read};

/// An image, and the lines that are expected.
fn images() -> Vec<(String, Vec<u8>, String)> {
    let list = std::env::var("KLP_IMAGES").unwrap_or_else(|_| panic!("KLP_IMAGES is not set"));
    let lines: Vec<_> = list.lines().map(|line| line.split_once(' ').unwrap()).collect();
    assert!(!lines.is_empty(), "KLP_IMAGES is empty");
    let read = |path| fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let text = |path| String::from_utf8(read(path)).unwrap();
    lines.into_iter().map(|(image, oracle)| (image.into(), read(image), text(oracle))).collect()
}

#[test]
#[ignore = "needs boot images: .ci/run fetches them"]
fn symbols_of_images_are_what_others_read_in_them() {
    for (path, image, expected) in images() {
        let start = Instant::now();
        let symbols = read(&image).unwrap_or_else(|error| panic!("{path}: {error}"));
        let time = start.elapsed();
        let mut lines = expected.lines();
        let mut without_address = 0;
        for (number, symbol) in symbols.iter().enumerate() {
            let name = String::from_utf8_lossy(symbol.name);
            let letter = char::from(symbol.letter);
            let ours = format!("{:016x} {letter} {name}", symbol.address);
            let theirs = lines.next().unwrap_or("nothing");
            let same = match theirs.strip_prefix("- ") {
                Some(rest) => {
                    without_address += 1;
                    ours.get(17..) == Some(rest)
                }
                None => ours == theirs,
            };
            assert!(same, "{path}: symbol {number} is {ours}, others read {theirs}");
        }
        assert_eq!(lines.next(), None, "{path}: others read more");
        assert!(symbols.release.is_some() && symbols.machine.is_some(), "{path}");
        println!(
            "{path}: {} symbols of {}, {without_address} without address, {time:.0?}",
            symbols.len(),
            symbols.release.as_deref().unwrap_or("")
        );
    }
}

#[test]
#[ignore = "needs boot images: .ci/run fetches them"]
fn images_that_are_cut_are_refused() {
    for (path, image, expected) in images() {
        for eighths in 0..8 {
            let cut = &image[..image.len() / 8 * eighths];
            let start = Instant::now();
            let error = match read(cut) {
                Err(error) => error,
                // Nothing in a raw kernel without a header for EFI says where it ends.
                Ok(symbols) => {
                    assert_eq!(symbols.len(), expected.lines().count(), "{path}: {eighths}/8");
                    continue;
                }
            };
            println!("{path}: {eighths}/8: {error}, {:.0?}", start.elapsed());
            let text = error.to_string();
            let told = text.contains("truncated") || matches!(error, ImageError::NoBase);
            assert!(told || eighths == 0, "{path}: {eighths}/8: {error}");
        }
    }
}
