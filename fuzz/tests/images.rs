//! The seeds for `image` come from the tests' kernel builder, plain, in every compression and in the wrappers
//! of boot loaders; `BLESS=1` writes them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    unreachable_pub,
    reason = "a test may stop at the first surprise; the builder is a module of another crate"
)]

mod stored;

use std::io::{Read, Write};

use klp_convert::symbols::image::read;
use liblzma::stream::{Check, Filters, LzmaOptions, Stream};

#[allow(
    dead_code,
    unused_imports,
    reason = "seeds are kernels; tests of the reader need their tables, too"
)]
#[path = "../../src/symbols/image/fixture.rs"]
mod fixture;

use fixture::{Crcs, Gpl, LAYOUTS, Layout, Sample, Tables};

fn same(name: &str, made: &[u8]) {
    let found = read(made);
    assert!(found.is_ok(), "{name}: {found:?}");
    stored::same("image", name, made);
}

#[test]
fn seeds_are_what_the_builder_makes_and_read() {
    for layout in LAYOUTS {
        let little = Sample::new(layout, false);
        let samples = [
            ("little", little.clone()),
            ("big", Sample::new(layout, true)),
            ("raw", Sample { raw: true, ..little }),
        ];
        for (kind, sample) in samples {
            same(&format!("{layout:?}-{kind}").to_lowercase(), &sample.build().bytes);
        }
    }
}

#[test]
fn seeds_with_exports_have_every_form_of_their_tables() {
    for (relative, gpl, crcs) in [
        (true, Gpl::Sections, Crcs::Values),
        (true, Gpl::Flags, Crcs::Values),
        (true, Gpl::TooFewFlags, Crcs::None),
        (true, Gpl::Sections, Crcs::Distances),
        (false, Gpl::Sections, Crcs::TooFew),
        (false, Gpl::Flags, Crcs::None),
    ] {
        let exports = Some(Tables::new(relative, gpl, crcs));
        let sample =
            Sample { exports, percpu: crcs == Crcs::Values, ..Sample::new(Layout::After, false) };
        let name = format!("exports-{relative}-{gpl:?}-{crcs:?}").to_lowercase();
        same(&name, &sample.build().bytes);
    }
}

/// What the kernel's `make` compresses with.
fn streams(bytes: &[u8]) -> [(&'static str, Vec<u8>); 8] {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(bytes).unwrap();
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    bzip2.write_all(bytes).unwrap();
    let lzma = |stream: Stream| {
        let mut out = Vec::new();
        liblzma::read::XzEncoder::new_stream(bytes, stream).read_to_end(&mut out).unwrap();
        out
    };
    let mut small = LzmaOptions::new_preset(6).unwrap();
    small.dict_size(1 << 16);
    let mut filters = Filters::new();
    filters.x86().lzma2(&small);
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap();
    let block = lz4_flex::block::compress(bytes);
    let lz4 = [b"\x02\x21\x4c\x18", &length(&block).to_le_bytes()[..], &block].concat();
    let info = lz4_flex::frame::FrameInfo::new().content_checksum(true);
    let mut frame = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    frame.write_all(bytes).unwrap();
    // Versions of lzop and its library, the least one; method and level; Adler-32; mode, time, no name, checksum.
    let block = lzokay::compress::compress(bytes).unwrap();
    let mut lzo = b"\x89LZO\0\r\n\x1a\n\x10\x40\x20\xa0\x09\x40\x03\x09\0\0\0\x01".to_vec();
    lzo.extend([0; 17]);
    for size in [length(bytes), length(&block)] {
        lzo.extend(size.to_be_bytes());
    }
    lzo.extend([0; 4]);
    lzo.extend(block);
    lzo.extend([0; 4]);
    [
        ("gzip", gzip.finish().unwrap()),
        ("bzip2", bzip2.finish().unwrap()),
        ("lzma", lzma(Stream::new_lzma_encoder(&small).unwrap())),
        ("xz", lzma(Stream::new_stream_encoder(&filters, Check::Crc32).unwrap())),
        ("zstd", zstd::encode_all(bytes, 19).unwrap()),
        ("lz4", lz4),
        ("lz4-frame", frame.finish().unwrap()),
        ("lzo", lzo),
    ]
}

/// The setup code of x86, whose header has the kernel's place.
fn setup(stream: &[u8]) -> Vec<u8> {
    let mut image = vec![0; 0x400 + 0x100];
    image[0x1f1] = 1;
    image[0x202..0x206].copy_from_slice(b"HdrS");
    image[0x248..0x24c].copy_from_slice(&0x100_u32.to_le_bytes());
    image[0x24c..0x250].copy_from_slice(&u32::try_from(stream.len()).unwrap().to_le_bytes());
    [&image, stream].concat()
}

/// EFI's wrapper.
fn efi(stream: &[u8]) -> Vec<u8> {
    let mut image = b"MZ\0\0zimg".to_vec();
    image.extend(0x40_u32.to_le_bytes());
    image.extend(u32::try_from(stream.len()).unwrap().to_le_bytes());
    image.extend([0; 8]);
    image.extend(b"some22\0");
    image.resize(0x40, 0);
    [&image, stream].concat()
}

/// A unified kernel image: a PE file of one section.
fn unified(kernel: &[u8]) -> Vec<u8> {
    let mut image = vec![0; 0x200];
    image[..2].copy_from_slice(b"MZ");
    image[0x3c] = 0x40;
    image[0x40..0x44].copy_from_slice(b"PE\0\0");
    image[0x46] = 1;
    let section = 0x40 + 24;
    image[section..section + 6].copy_from_slice(b".linux");
    let size = u32::try_from(kernel.len()).unwrap().to_le_bytes();
    image[section + 8..section + 12].copy_from_slice(&size);
    image[section + 16..section + 20].copy_from_slice(&size);
    image[section + 20..section + 24].copy_from_slice(&0x200_u32.to_le_bytes());
    [&image, kernel].concat()
}

/// U-Boot's legacy image: of a kernel, or of several parts.
fn uimage(kernel: &[u8], parts: bool) -> Vec<u8> {
    let size = u32::try_from(kernel.len()).unwrap().to_be_bytes();
    let contents = if parts { [&size, &[0; 4], kernel].concat() } else { kernel.to_vec() };
    let mut image = vec![0; 64];
    image[..4].copy_from_slice(b"\x27\x05\x19\x56");
    image[12..16].copy_from_slice(&u32::try_from(contents.len()).unwrap().to_be_bytes());
    (image[28], image[30]) = (5, if parts { 4 } else { 2 });
    [image, contents].concat()
}

#[test]
fn seeds_in_every_compression_and_wrapper_are_read() {
    let kernel = Sample::new(Layout::After, false).build().bytes;
    let raw = Sample { raw: true, ..Sample::new(Layout::SelfRelative, false) }.build().bytes;
    let size = u32::try_from(raw.len()).unwrap().to_le_bytes();
    for (name, stream) in streams(&raw) {
        // `make` appends the size.
        let stream = [&stream[..], &size].concat();
        same(&format!("packed-{name}"), &stream);
        same(&format!("packed-{name}-efi"), &efi(&stream));
    }
    let [.., (_, stream)] = streams(&kernel);
    same("setup", &setup(&stream));
    same("setup-plain", &setup(&kernel));
    same("unified", &unified(&kernel));
    same("unified-setup", &unified(&setup(&stream)));
    same("uimage", &uimage(&stream, false));
    same("uimage-parts", &uimage(&kernel, true));
}
