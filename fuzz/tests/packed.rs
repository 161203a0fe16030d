//! The seeds for `packed`: a module in every compression, as it is installed and as the kernel's own
//! decompressor refuses it; `BLESS=1` writes them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod stored;

use std::io::Write;

use flate2::GzBuilder;
use klp_convert::symbols::image::Compression;
use klp_convert::symbols::read_module_file;
use liblzma::stream::{Check, Filters, LzmaOptions, Stream};

/// Neither all the same nor all different.
fn module() -> Vec<u8> {
    let words = (0..600_u32).flat_map(|n| (n / 7).wrapping_mul(n).to_le_bytes());
    b"\x7fELF".iter().copied().chain(words).collect()
}

fn gzip(builder: GzBuilder) -> Vec<u8> {
    let mut writer = builder.write(Vec::new(), flate2::Compression::best());
    writer.write_all(&module()).unwrap();
    writer.finish().unwrap()
}

fn xz(check: Check, filter: impl FnOnce(&mut Filters)) -> Vec<u8> {
    let mut options = LzmaOptions::new_preset(6).unwrap();
    options.dict_size(1 << 16);
    let mut filters = Filters::new();
    filter(&mut filters);
    filters.lzma2(&options);
    let stream = Stream::new_stream_encoder(&filters, check).unwrap();
    let mut writer = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
    writer.write_all(&module()).unwrap();
    writer.finish().unwrap()
}

#[test]
fn seeds_are_modules_in_every_compression_that_is_read() {
    let zstd = zstd::encode_all(&module()[..], 19).unwrap();
    let seeds = [
        ("plain", module()),
        ("gzip", Compression::Gzip.compress_module(&module()).unwrap()),
        ("gzip-name", gzip(GzBuilder::new().filename("m.ko"))),
        ("gzip-comment", gzip(GzBuilder::new().comment("x").extra(vec![0; 4]))),
        ("xz", xz(Check::Crc32, |_| {})),
        ("xz-crc64", xz(Check::Crc64, |_| {})),
        ("xz-sha256", xz(Check::Sha256, |_| {})),
        ("xz-x86", xz(Check::Crc32, |filters| _ = filters.x86())),
        ("zstd-small", zstd.clone()),
        ("zstd", Compression::Zstd.compress_module(&module()).unwrap()),
        ("zstd-frames", [zstd.clone(), zstd].concat()),
    ];
    for (name, made) in seeds {
        stored::same("packed", name, &made);
        let path = stored::path("packed", name);
        let read = read_module_file(&path).unwrap();
        assert!(read.bytes.starts_with(b"\x7fELF"), "{name}");
    }
}
