//! Wrappers of boot loaders, and images with more than one kernel or more than one banner.

use std::io::Write;

use super::fixture::{Layout, Sample};
use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// An ELF kernel, and a raw one with one more symbol.
fn kernels() -> [Vec<u8>; 2] {
    let elf = Sample::new(Layout::After, false);
    let mut raw = Sample { raw: true, ..Sample::new(Layout::SelfRelative, false) };
    raw.symbols.push((24, b't', "one_more".into()));
    [elf.build().bytes, raw.build().bytes]
}

/// A PE file of these sections, each padded to 512 bytes.
fn unified(sections: &[(&str, &[u8])]) -> Vec<u8> {
    let mut image = b"MZ".to_vec();
    image.resize(0x3c, 0);
    image.extend(0x80_u32.to_le_bytes());
    image.resize(0x80, 0);
    image.extend(b"PE\0\0");
    image.extend(0x8664_u16.to_le_bytes());
    image.extend(u16::try_from(sections.len()).unwrap().to_le_bytes());
    image.extend([0; 12]);
    image.extend(240_u16.to_le_bytes());
    image.extend([0; 2 + 240]);
    let mut at = 0x1000;
    for (name, bytes) in sections {
        let padded = bytes.len().next_multiple_of(512);
        let mut header = name.as_bytes().to_vec();
        header.resize(8, 0);
        for word in [bytes.len(), at, padded, at, 0, 0, 0, 0] {
            header.extend(u32::try_from(word).unwrap().to_le_bytes());
        }
        image.extend(header);
        at += padded;
    }
    image.resize(0x1000, 0);
    for (_, bytes) in sections {
        image.extend(*bytes);
        image.resize(image.len().next_multiple_of(512), 0);
    }
    image
}

/// An image as `mkimage` makes it, without its checksums.
fn uimage(system: u8, kind: u8, contents: &[u8]) -> Vec<u8> {
    let mut image = b"\x27\x05\x19\x56".to_vec();
    image.extend([0; 8]);
    image.extend(u32::try_from(contents.len()).unwrap().to_be_bytes());
    image.extend([0; 12]);
    image.extend([system, 22, kind, 1]);
    image.resize(64, 0);
    [&image, contents].concat()
}

/// Several files in one, with their sizes before them.
fn parts(parts: &[&[u8]]) -> Vec<u8> {
    let sizes = parts.iter().map(|part| u32::try_from(part.len()).unwrap()).chain([0]);
    let sizes: Vec<u8> = sizes.flat_map(u32::to_be_bytes).collect();
    let padded = parts.iter().flat_map(|part| {
        let mut part = part.to_vec();
        part.resize(part.len().next_multiple_of(4), 0);
        part
    });
    sizes.into_iter().chain(padded).collect()
}

/// The output of `lz4`.
fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// How many symbols are read, or the error.
fn said(image: &[u8]) -> Result<usize, String> {
    read(image).map(|kernel| kernel.len()).map_err(|error| error.to_string())
}

#[test]
fn the_kernel_of_a_unified_image_is_its_section_linux() {
    let [kernel, other] = kernels();
    for inner in [kernel.clone(), gzip(&kernel), uimage(5, 2, &gzip(&kernel))] {
        // An initramfs may contain another kernel.
        let sections = [
            (".text", &b"stub"[..]),
            (".osrel", b"ID=x"),
            (".uname", b"6.1"),
            (".initrd", &other),
            (".linux", &inner),
        ];
        let image = unified(&sections);
        assert_eq!(said(&image), said(&kernel));
        assert_eq!(said(&gzip(&image)), said(&kernel));
    }
}

#[test]
fn a_unified_image_that_is_truncated_or_has_two_kernels_is_refused() {
    let [kernel, other] = kernels();
    let image = unified(&[(".linux", &kernel), (".initrd", &[1; 512])]);
    for less in [1, 512, 600, image.len() - 0x1000] {
        let cut = said(&image[..image.len() - less]).unwrap_err();
        assert!(cut.starts_with("truncated"), "{less}: {cut}");
    }
    let two = said(&unified(&[(".linux", &kernel), (".linux", &other)])).unwrap_err();
    assert!(two.contains("several kernels (two sections '.linux')"), "{two}");
    let none = said(&unified(&[(".text", b"stub"), (".initrd", &gzip(&kernel))])).unwrap_err();
    assert!(none.contains("an EFI program without a section '.linux'"), "{none}");
}

#[test]
fn a_file_of_an_unsupported_kind_is_named() {
    let [kernel, _] = kernels();
    for (start, name) in [
        (&b"\xd0\x0d\xfe\xed\0\x01\0\0"[..], "FIT image"),
        (b"ANDROID!", "Android boot image"),
        (b"070701", "cpio archive"),
        (b"MZ", "EFI program"),
    ] {
        for image in [[start, &gzip(&kernel)].concat(), gzip(&[start, &[0; 64]].concat())] {
            let error = said(&image).unwrap_err();
            assert!(error.contains(name), "{error}");
        }
    }
}

#[test]
fn the_kernel_of_a_legacy_image_is_found_by_its_header() {
    for kernel in kernels() {
        for image in [
            uimage(5, 2, &kernel),
            uimage(5, 2, &gzip(&kernel)),
            uimage(5, 2, &lz4(&kernel)),
            uimage(5, 14, &kernel),
            uimage(5, 4, &parts(&[&kernel, b"an initramfs", b"a device tree"])),
            uimage(5, 4, &parts(&[&gzip(&kernel)])),
            // What follows is not part of the image.
            [uimage(5, 2, &kernel), kernels().concat()].concat(),
        ] {
            assert_eq!(said(&image), said(&kernel));
        }
    }
}

#[test]
fn a_truncated_legacy_image_or_one_without_a_kernel_is_refused() {
    let [kernel, _] = kernels();
    assert!(said(&uimage(5, 3, &kernel)).unwrap_err().contains("type 3, not a kernel"));
    assert!(said(&uimage(17, 2, &kernel)).unwrap_err().contains("system 17, not Linux"));
    let image = uimage(5, 2, &kernel);
    for length in [4, 30, 63, 64, image.len() - 1] {
        let cut = said(&image[..length]).unwrap_err();
        assert!(cut.starts_with("truncated"), "{length}: {cut}");
    }
    for contents in [&[][..], &[0; 8], &[0xff; 64], &[0, 0, 1, 0, 0, 0, 0, 0]] {
        let cut = said(&uimage(5, 4, contents)).unwrap_err();
        assert!(cut.starts_with("truncated"), "{contents:?}: {cut}");
    }
}

#[test]
fn two_kernels_are_refused_wherever_they_are() {
    let [kernel, other] = kernels();
    let several = |image: &[u8]| {
        let error = said(image).unwrap_err();
        assert!(error.contains("several kernels"), "{error}");
    };
    // One after the other, in either order, and in a stream.
    for (first, second) in [(&kernel, &other), (&other, &kernel)] {
        several(&[first.clone(), vec![0; 64], second.clone()].concat());
        several(&gzip(&[first.clone(), second.clone()].concat()));
    }
    // Two streams, and no header that selects one.
    let mut image = vec![0; 0x12000];
    image[0x10008..0x1000e].copy_from_slice(b"S390EP");
    several(&[image.clone(), gzip(&other), gzip(&kernel)].concat());
    // The same one twice is one, and only streams with a kernel count.
    let twice = [image.clone(), gzip(&kernel), gzip(&kernel)].concat();
    assert_eq!(said(&twice), said(&kernel));
    let beside = [image, gzip(&[7; 4096]), gzip(&kernel), gzip(b"text")].concat();
    assert_eq!(said(&beside), said(&kernel));
}

#[test]
fn the_release_is_that_of_the_banner_and_not_of_a_similar_string() {
    let plain = Sample::new(Layout::After, false).build();
    let real = b"Linux version 6.1.0-test (me@here) #1\n\0";
    let at = plain.bytes.windows(real.len()).position(|w| w == real).unwrap();
    // Another string of the same form, after the kernel's own.
    let mut false_one = plain.bytes.clone();
    false_one.extend(b"Linux version 9.9.9 (nobody@nowhere) #1\n\0");
    let error = said(&false_one).unwrap_err();
    let both = "'Linux version 6.1.0-test' and 'Linux version 9.9.9'";
    assert!(error.contains(both), "nothing decides which is the banner: {error}");
    // A symbol decides.
    let mut sample = Sample::new(Layout::After, false);
    let last = u64::from(24 * u32::try_from(sample.symbols.len()).unwrap());
    let banner = u64::try_from(at).unwrap();
    assert!(banner > 0 && last > 0);
    sample.symbols.insert(0, (u32::try_from(at).unwrap(), b'D', "linux_banner".into()));
    let built = sample.build();
    let moved = built.bytes.windows(real.len()).position(|w| w == real).unwrap();
    assert_eq!(moved, at, "the banner is before the tables");
    let mut false_one = built.bytes;
    false_one.extend(b"Linux version 9.9.9 (nobody@nowhere) #1\n\0");
    assert_eq!(read(&false_one).unwrap().release.as_deref(), Some("6.1.0-test"));
}
