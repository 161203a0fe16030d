//! Boot images built by others, compared with what another reader finds in them: names, types,
//! addresses, and their order.
//!
//! `KLP_IMAGES` has lines of an image and a text of lines `address type name`, as `.ci/image-oracle`
//! prints them. An address of `-` is unknown to the other reader. `KLP_IMAGE_SYMVERS` has
//! lines of an image and the `Module.symvers` of its build, as packages of kernel headers have it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may stop at the first surprise"
)]

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use klp_convert::symbols::image::{ImageError, read};

/// An image, and the lines that are expected.
fn images(variable: &str) -> Vec<(String, Vec<u8>, String)> {
    let list = std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set"));
    let lines: Vec<_> = list.lines().map(|line| line.split_once(' ').unwrap()).collect();
    assert!(!lines.is_empty(), "{variable} is empty");
    let read = |path| fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let text = |path| String::from_utf8(read(path)).unwrap();
    lines.into_iter().map(|(image, oracle)| (image.into(), read(image), text(oracle))).collect()
}

#[test]
#[ignore = "needs boot images: .ci/run fetches them"]
fn symbols_of_images_are_those_that_another_reader_finds() {
    for (path, image, expected) in images("KLP_IMAGES") {
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
            assert!(same, "{path}: symbol {number} is {ours}, the other reader has {theirs}");
        }
        assert_eq!(lines.next(), None, "{path}: the other reader has more");
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
fn truncated_images_are_refused() {
    for (path, image, expected) in images("KLP_IMAGES") {
        for eighths in 0..8 {
            let cut = &image[..image.len() / 8 * eighths];
            let start = Instant::now();
            let error = match read(cut) {
                Err(error) => error,
                // A raw kernel without an EFI header has no size.
                Ok(symbols) => {
                    assert_eq!(symbols.len(), expected.lines().count(), "{path}: {eighths}/8");
                    continue;
                }
            };
            println!("{path}: {eighths}/8: {error}, {:.0?}", start.elapsed());
            let text = error.to_string();
            let expected = text.contains("truncated") || matches!(error, ImageError::NoBase);
            assert!(expected || eighths == 0, "{path}: {eighths}/8: {error}");
        }
    }
}

#[test]
#[ignore = "needs boot images, and Module.symvers of each in KLP_IMAGE_SYMVERS"]
fn exports_of_images_are_those_of_their_build() {
    for (path, image, expected) in images("KLP_IMAGE_SYMVERS") {
        let kernel = read(&image).unwrap_or_else(|error| panic!("{path}: {error}"));
        let lines = expected.lines().map(|line| line.split('\t').collect::<Vec<_>>());
        let theirs: BTreeMap<_, _> = lines
            .filter(|columns| columns[2] == "vmlinux")
            .map(|columns| {
                let crc = u32::from_str_radix(&columns[0][2..], 16).unwrap();
                let gpl = Some(columns[3].ends_with("_GPL"));
                (columns[1], (gpl, Some(columns[4]), Some(crc).filter(|&crc| crc != 0)))
            })
            .collect();
        let ours: BTreeMap<_, _> = kernel
            .exports()
            .map(|export| {
                let name = std::str::from_utf8(export.name).unwrap();
                (name, (export.gpl, export.namespace, export.crc))
            })
            .collect();
        if !kernel.all {
            assert!(ours.is_empty(), "{path}: exports without data in the table");
            continue;
        }
        assert_eq!(ours.len(), theirs.len(), "{path}");
        for (name, expected) in theirs {
            assert_eq!(ours.get(name), Some(&expected), "{path}: {name}");
        }
        println!("{path}: {} exports", ours.len());
    }
}
