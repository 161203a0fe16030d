//! Kernels in every wrapper and compression, and every error in these.

use std::io::{Read, Write};

use liblzma::stream::{Check, Filters, LzmaOptions, Stream};
use strum::IntoEnumIterator;

use super::fixture::{Layout, Sample};
use super::*;

/// A stream as the kernel's `make` writes it.
fn packed(compression: Compression, bytes: &[u8]) -> Vec<u8> {
    let lzma = |stream: Stream| {
        let mut out = Vec::new();
        liblzma::read::XzEncoder::new_stream(bytes, stream).read_to_end(&mut out).unwrap();
        out
    };
    match compression {
        Compression::Gzip => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Bzip2 => {
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Lzma => {
            let options = LzmaOptions::new_preset(9).unwrap();
            lzma(Stream::new_lzma_encoder(&options).unwrap())
        }
        // With the branch filter of one machine, as `scripts/xz_wrap.sh` does.
        Compression::Xz => {
            let options = LzmaOptions::new_preset(6).unwrap();
            let mut filters = Filters::new();
            filters.x86().lzma2(&options);
            lzma(Stream::new_stream_encoder(&filters, Check::Crc32).unwrap())
        }
        Compression::Zstd => zstd::encode_all(bytes, 19).unwrap(),
        Compression::Lz4 => {
            let mut out = b"\x02\x21\x4c\x18".to_vec();
            for block in bytes.chunks(8 << 20) {
                let block = lz4_flex::block::compress(block);
                out.extend(u32::try_from(block.len()).unwrap().to_le_bytes());
                out.extend(block);
            }
            out
        }
        Compression::Lz4Frame => lz4_frame(bytes, lz4_flex::frame::BlockMode::Linked),
        Compression::Lzo => lzop(bytes),
    }
}

/// The output of `lz4`, which has checksums and, with `-BD`, linked blocks.
fn lz4_frame(bytes: &[u8], mode: lz4_flex::frame::BlockMode) -> Vec<u8> {
    let info = lz4_flex::frame::FrameInfo::new().block_mode(mode).content_checksum(true);
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The output of `lzop -9`; an incompressible block is stored.
fn lzop(bytes: &[u8]) -> Vec<u8> {
    let mut out = b"\x89LZO\0\r\n\x1a\n".to_vec();
    // Versions 1.040 of lzop, 2.10 of the library, 0.940 needed; method 3, level 9; Adler-32.
    out.extend(b"\x10\x40\x20\xa0\x09\x40\x03\x09\0\0\0\x01");
    // Mode, time, no name, checksum.
    out.extend([0; 12]);
    out.push(0);
    out.extend([0; 4]);
    for block in bytes.chunks(256 << 10) {
        let small = lzokay::compress::compress(block).unwrap();
        let stored = if small.len() < block.len() { &small } else { block };
        for size in [block.len(), stored.len()] {
            out.extend(u32::try_from(size).unwrap().to_be_bytes());
        }
        out.extend([0; 4]);
        out.extend(stored);
    }
    out.extend([0; 4]);
    out
}

/// `make` appends the size.
fn appended(mut stream: Vec<u8>, size: usize) -> Vec<u8> {
    stream.extend(u32::try_from(size).unwrap().to_le_bytes());
    stream
}

/// The wrapper whose header has the kernel's offset.
fn setup(stream: &[u8]) -> Vec<u8> {
    let mut image = vec![0; 0x1000 + 0x100];
    image[0x1f1] = 7;
    image[0x202..0x206].copy_from_slice(b"HdrS");
    image[0x248..0x24c].copy_from_slice(&0x100_u32.to_le_bytes());
    image[0x24c..0x250].copy_from_slice(&u32::try_from(stream.len()).unwrap().to_le_bytes());
    [&image, stream].concat()
}

/// The wrapper without such a header.
fn after_decompressor(stream: &[u8]) -> Vec<u8> {
    let mut image = vec![0; 0x12000];
    image[0x10008..0x1000e].copy_from_slice(b"S390EP");
    // What looks like streams but is not.
    image[0x11000..0x11003].copy_from_slice(b"BZh");
    image[0x11100..0x11104].copy_from_slice(b"\x28\xb5\x2f\xfd");
    image[0x11200..0x11206].copy_from_slice(b"\xfd7zXZ\0");
    [&image, stream, &[0; 512]].concat()
}

/// EFI's wrapper.
fn efi(stream: &[u8]) -> Vec<u8> {
    let mut image = b"MZ\0\0zimg".to_vec();
    image.extend(0x400_u32.to_le_bytes());
    image.extend(u32::try_from(stream.len()).unwrap().to_le_bytes());
    image.extend([0; 8]);
    image.extend(b"some22\0");
    image.resize(0x400, 0);
    [&image, stream].concat()
}

fn kernels() -> [Vec<u8>; 2] {
    let raw = Sample { raw: true, ..Sample::new(Layout::SelfRelative, false) };
    [raw.build().bytes, Sample::new(Layout::After, true).build().bytes]
}

#[test]
fn every_compression_is_read_in_every_wrapper() {
    for kernel in kernels() {
        let expected = read(&kernel).unwrap().len();
        for compression in Compression::iter() {
            let stream = appended(packed(compression, &kernel), kernel.len());
            let images =
                [stream.clone(), setup(&stream), after_decompressor(&stream), efi(&stream)];
            for (number, image) in images.iter().enumerate() {
                let found = read(image).map(|kernel| kernel.len());
                assert!(
                    found.as_ref().is_ok_and(|n| *n == expected),
                    "{compression} {number} {found:?}"
                );
            }
        }
    }
}

#[test]
fn a_kernel_that_is_not_compressed_is_read_in_its_wrapper() {
    let [raw, elf] = kernels();
    assert!(read(&efi(&elf)).is_ok());
    assert!(read(&setup(&elf)).is_ok());
    let found = read(&after_decompressor(&raw)).unwrap();
    let plain = read(&raw).unwrap();
    assert!(found.iter().eq(plain.iter()));
}

#[test]
fn a_kernel_of_several_blocks_is_complete() {
    // Noise is incompressible: its blocks are stored.
    let noise = |n: u64| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56).to_le_bytes()[0];
    for (compression, size) in [(Compression::Lz4, 8_500_000), (Compression::Lzo, 300_000)] {
        let bytes: Vec<u8> = (0..size).map(|n| if n % 3 == 0 { 0 } else { noise(n) }).collect();
        let stream = appended(packed(compression, &bytes), bytes.len());
        assert!(compression.decompress(&stream).unwrap() == bytes, "{compression}");
        let bytes: Vec<u8> = (0..size).map(noise).collect();
        let stream = appended(packed(compression, &bytes), bytes.len());
        assert!(compression.decompress(&stream).unwrap() == bytes, "{compression}");
    }
}

#[test]
fn every_form_of_a_frame_is_read_completely() {
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
    let noise = |n: u64| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56).to_le_bytes()[0];
    let bytes: Vec<u8> = (0..300_000).map(|n| if n < 200_000 { 7 } else { noise(n) }).collect();
    for mode in [BlockMode::Linked, BlockMode::Independent] {
        for size in [BlockSize::Max64KB, BlockSize::Max256KB, BlockSize::Max4MB] {
            for content_size in [None, Some(300_000)] {
                let info = FrameInfo::new().block_mode(mode).block_size(size);
                let info = info.block_checksums(content_size.is_none());
                let info = info.content_size(content_size);
                let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
                encoder.write_all(&bytes).unwrap();
                let stream = encoder.finish().unwrap();
                let read = Compression::Lz4Frame.decompress(&appended(stream, 300_000)).unwrap();
                assert!(read == bytes, "{mode:?} {size:?} {content_size:?}");
            }
        }
    }
}

#[test]
fn a_frame_with_a_flipped_bit_never_gives_another_kernel() {
    let [kernel, _] = kernels();
    let stream = packed(Compression::Lz4Frame, &kernel);
    for at in Compression::Lz4Frame.magic().len()..stream.len() {
        let mut damaged = stream.clone();
        damaged[at] ^= 0x01;
        // A run of equal bytes is the same at any distance.
        let read = Compression::Lz4Frame.decompress(&damaged);
        assert!(read.is_err() || read.is_ok_and(|bytes| bytes == kernel), "{at}");
    }
}

#[test]
fn a_truncated_stream_is_reported_as_such() {
    let [kernel, _] = kernels();
    for compression in Compression::iter() {
        let stream = packed(compression, &kernel);
        for length in compression.magic().len()..stream.len().saturating_sub(16) {
            let error = compression.decompress(&stream[..length]).unwrap_err();
            assert!(matches!(error, ImageError::CutStream(_)), "{compression} {length}: {error}");
        }
    }
}

#[test]
fn a_damaged_stream_is_an_error_or_other_bytes() {
    let [kernel, _] = kernels();
    for compression in Compression::iter() {
        let stream = packed(compression, &kernel);
        for at in 0..stream.len() {
            let mut damaged = stream.clone();
            damaged[at] ^= 0x55;
            if let Err(error) = compression.decompress(&damaged) {
                let said = error.to_string();
                let ours = ["damaged", "a block ", "not known", "256 MiB", "too early"];
                let ours = ours.iter().any(|words| said.contains(words));
                assert!(ours || matches!(error, ImageError::TooLarge(_)), "{compression}: {said}");
            }
        }
    }
}

#[test]
fn the_output_is_limited() {
    let zeroes = vec![0; 3 << 20];
    for compression in Compression::iter() {
        let stream = packed(compression, &zeroes);
        let mut out = Vec::new();
        let error = compression.decompress_into(&stream, &mut out, 1 << 20).unwrap_err();
        assert!(matches!(error, ImageError::TooLarge(_)), "{compression}: {error}");
        assert!(out.len() <= (1 << 20) + (8 << 20), "{compression}: {}", out.len());
    }
}

#[test]
fn an_unknown_compression_is_named() {
    let text = |image: &[u8]| read(image).unwrap_err().to_string();
    let expected = "the kernel in the image has an unknown compression: it starts with 6e 65 77";
    assert_eq!(text(&setup(b"new")), expected);
    assert_eq!(text(&efi(b"new")), format!("{expected}, called 'some22'"));
}

#[test]
fn a_kernel_past_the_end_is_reported_as_truncation() {
    let [kernel, _] = kernels();
    let stream = packed(Compression::Gzip, &kernel);
    for image in [setup(&stream), efi(&stream)] {
        let error = read(&image[..image.len() - 1]).unwrap_err();
        assert!(matches!(error, ImageError::Truncated(_)), "{error}");
    }
    let nothing = read(&after_decompressor(b"")).unwrap_err();
    assert!(matches!(nothing, ImageError::NoKernel), "{nothing}");
}

#[test]
fn nested_streams_end() {
    let [kernel, _] = kernels();
    let mut stream = kernel;
    for _ in 0..8 {
        stream = packed(Compression::Gzip, &stream);
    }
    assert!(matches!(read(&stream).unwrap_err(), ImageError::NoKernel));
}
