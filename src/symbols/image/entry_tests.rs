//! A second kernel in an image: only the one that starts is read.

use std::io::Write;

use super::fixture::{BASE, Layout, Sample};
use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn sample(layout: Layout, raw: bool) -> Sample {
    Sample { raw, ..Sample::new(layout, false) }
}

/// A kernel with one more symbol.
fn other() -> Vec<u8> {
    let mut other = sample(Layout::After, false);
    other.symbols.push((24, b't', "one_more".into()));
    other.build().bytes
}

/// An ELF kernel whose only segment also has `more`, and which starts at `entry`.
fn elf(layout: Layout, more: &[u8], entry: u64) -> Vec<u8> {
    let mut bytes = [sample(layout, false).build().bytes, more.to_vec()].concat();
    let size = u64::try_from(bytes.len()).unwrap().to_le_bytes();
    bytes[24..32].copy_from_slice(&entry.to_le_bytes());
    bytes[96..104].copy_from_slice(&size);
    bytes[104..112].copy_from_slice(&size);
    bytes
}

/// The image of a machine in which no field says where the kernel is.
fn after_decompressor(parts: &[&[u8]]) -> Vec<u8> {
    let mut image = vec![0; 0x12000];
    image[0x10008..0x1000e].copy_from_slice(b"S390EP");
    parts.iter().for_each(|part| {
        image.resize(image.len().next_multiple_of(0x1000), 0);
        image.extend(*part);
    });
    image
}

fn said(image: &[u8]) -> Result<usize, String> {
    read(image).map(|kernel| kernel.len()).map_err(|error| error.to_string())
}

#[track_caller]
fn several(image: &[u8]) {
    let error = said(image).unwrap_err();
    assert!(error.contains("several kernels"), "{error}");
}

#[test]
fn the_kernel_at_the_entry_of_an_elf_file_is_read_whatever_else_is_in_it() {
    for layout in [Layout::Before, Layout::After, Layout::SelfRelative] {
        let alone = sample(layout, false).build().bytes;
        // Such as one in a built-in initramfs.
        let with_other = elf(layout, &gzip(&other()), BASE + 8);
        assert_eq!(said(&with_other), said(&alone), "{layout:?}");
        // The entry of some machines is a physical address.
        let mut physical = elf(layout, &gzip(&other()), 0x8_0008);
        physical[88..96].copy_from_slice(&0x8_0000_u64.to_le_bytes());
        assert_eq!(said(&physical), said(&alone), "{layout:?}");
    }
}

#[test]
fn a_kernel_in_an_elf_file_that_starts_elsewhere_is_refused() {
    for layout in [Layout::Before, Layout::After, Layout::SelfRelative] {
        let end = u64::try_from(sample(layout, false).build().bytes.len()).unwrap();
        for more in [gzip(&other()), vec![0x60; 0x200]] {
            several(&elf(layout, &more, BASE + end + 0x40));
        }
        // Its entry is unknown.
        several(&elf(layout, &gzip(&other()), 0));
        let alone = elf(layout, &[0x60; 0x200], 0);
        assert_eq!(said(&alone), said(&sample(layout, false).build().bytes));
    }
}

#[test]
fn a_raw_kernel_before_or_after_a_compressed_one_is_refused() {
    let raw = sample(Layout::SelfRelative, true).build().bytes;
    assert!(said(&after_decompressor(&[&raw])).is_ok(), "an uncompressed kernel is one");
    several(&after_decompressor(&[&raw, &gzip(&other())]));
    several(&after_decompressor(&[&gzip(&other()), &raw]));
    several(&after_decompressor(&[&raw, &gzip(&other()), &gzip(&raw)]));
    // Another stream is not a kernel.
    assert_eq!(said(&after_decompressor(&[&raw, &gzip(&[7; 4096])])), said(&raw));
}

#[test]
fn a_raw_kernel_that_is_not_the_start_of_the_image_is_refused() {
    let mut image = vec![0; 0x2000];
    image[56..60].copy_from_slice(b"ARM\x64");
    let inner = sample(Layout::SelfRelative, true).build().bytes;
    several(&[image, inner.clone()].concat());
    // It starts; what follows it does not matter.
    assert_eq!(said(&[inner.clone(), gzip(&other())].concat()), said(&inner));
}

#[test]
fn a_kernel_whose_banner_is_not_where_its_symbols_say_is_refused() {
    for (layout, raw) in
        [(Layout::After, false), (Layout::SelfRelative, false), (Layout::After, true)]
    {
        let plain = sample(layout, raw).build().bytes;
        let text = b"Linux version 6.1.0-test (me@here) #1\n\0";
        let at = plain.windows(text.len()).position(|window| window == text).unwrap();
        let with_banner = |at: usize| {
            let mut sample = sample(layout, raw);
            let at = u32::try_from(at).unwrap();
            sample.symbols.insert(0, (at, b'D', "linux_banner".into()));
            sample.build().bytes
        };
        assert!(said(&with_banner(at)).is_ok());
        several(&with_banner(at + 1));
    }
}

#[test]
fn if_not_everything_was_tried_no_kernel_is_read() {
    let kernel = gzip(&other());
    let noise = b"\x02\x21\x4c\x18".repeat(300);
    several(&after_decompressor(&[&kernel, &noise]));
    let raw = sample(Layout::SelfRelative, true).build().bytes;
    several(&after_decompressor(&[&raw, &noise, &kernel]));
    assert_eq!(said(&after_decompressor(&[&kernel, &noise[..400]])), said(&other()));
    // What only starts like a stream is not counted.
    for start in [&b"BZh\0"[..], b"\x5d\0\0\x7f", b"\x1f\x8b\x08\xff"] {
        assert_eq!(said(&after_decompressor(&[&start.repeat(300), &kernel])), said(&other()));
        several(&after_decompressor(&[&raw, &start.repeat(300), &kernel]));
    }
}
