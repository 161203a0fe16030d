//! Compressed modules that the kernel's own decompressor refuses, although every other accepts them.
//!
//! If a kernel decompresses modules, kmod passes it the file as it is. Its decoders support less than
//! those in user space: one frame or stream, few checks, filters and optional fields. Source:
//! `kernel/module/decompress.c`, `lib/xz/xz_dec_stream.c`, `lib/zstd/decompress/zstd_decompress.c`.

use crate::symbols::image::Compression;

/// The largest window that the kernel's zstd accepts, in bytes (`ZSTD_MAXWINDOWSIZE_DEFAULT`).
const WINDOW_MAX: u64 = (1 << 27) + 1;

/// Why the kernel would not decompress a module, in short and in its own words; `None` if it would, or
/// if nothing is compressed.
pub(crate) fn objection(stream: &[u8]) -> Option<String> {
    match Compression::of(stream)? {
        Compression::Xz => xz(stream),
        Compression::Zstd => zstd(stream),
        Compression::Gzip => gzip(stream),
        _ => None,
    }
}

/// Flags of the stream, and filters of its first block.
fn xz(stream: &[u8]) -> Option<String> {
    let failed =
        |what: String| Some(format!("{what}: decompression failed with status 6 (-EINVAL, 22)"));
    let check = stream.get(7)? & 0xf;
    let name = match check {
        0 | 1 => None,
        4 => Some("CRC64".to_owned()),
        10 => Some("SHA-256".to_owned()),
        other => Some(format!("type {other}")),
    };
    if let Some(name) = name {
        return failed(format!("its xz check is {name}, not CRC32"));
    }
    let block = stream.get(12..)?;
    let flags = *block.get(1)?;
    // Both sizes are optional, seven bits in a byte.
    let sizes = [flags & 0x40, flags & 0x80].iter().filter(|flag| **flag != 0).count();
    let mut rest = block.get(2..)?;
    for _ in 0..sizes {
        let end = rest.iter().position(|byte| byte & 0x80 == 0)?;
        rest = rest.get(end + 1..)?;
    }
    let filter = *rest.first()?;
    let branches = flags & 1 == 1 && (4..=11).contains(&filter);
    if flags & 0x3e != 0 || !(branches || filter == 0x21) {
        return failed("it has an xz filter that is not a branch filter".to_owned());
    }
    None
}

/// The window that a frame needs, and whether it is the only frame.
fn zstd(stream: &[u8]) -> Option<String> {
    let descriptor = *stream.get(4)?;
    // A frame of a single segment has no window of its own.
    if descriptor & 0x20 == 0 {
        let window = *stream.get(5)?;
        let base = 1_u64 << (10 + (window >> 3));
        let bytes = base + (base >> 3) * u64::from(window & 7);
        if bytes > WINDOW_MAX {
            let mib = bytes >> 20;
            let says = "ZSTD-decompression failed with status 16 (-EINVAL, 22)";
            return Some(format!(
                "its zstd window has {mib} MiB, at most 128 are accepted: {says}"
            ));
        }
    }
    let first = zstd::zstd_safe::find_frame_compressed_size(stream).ok()?;
    (first < stream.len())
        .then(|| "it has several zstd frames, and only the first is read".to_owned())
}

/// Optional fields of the header: only a name is accepted.
fn gzip(stream: &[u8]) -> Option<String> {
    let says = "its gzip header has more than a name: decompression failed (-EINVAL, 22)";
    (stream.get(3)? & 0x16 != 0).then(|| says.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use liblzma::stream::{Check, Filters, LzmaOptions, Stream};

    use super::*;

    const TEXT: [u8; 3000] = [7; 3000];

    fn xz_with(check: Check, filters: impl FnOnce(&mut Filters)) -> Vec<u8> {
        let mut chain = Filters::new();
        filters(&mut chain);
        chain.lzma2(&LzmaOptions::new_preset(6).unwrap());
        let stream = Stream::new_stream_encoder(&chain, check).unwrap();
        let mut writer = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
        writer.write_all(&TEXT).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn the_kernels_xz_supports_only_crc32_and_branch_filters() {
        assert_eq!(objection(&xz_with(Check::None, |_| {})), None);
        assert_eq!(objection(&xz_with(Check::Crc32, |_| {})), None);
        assert_eq!(
            objection(&xz_with(Check::Crc32, |chain| {
                chain.sparc();
            })),
            None
        );
        let why = objection(&xz_with(Check::Crc64, |_| {})).unwrap();
        assert!(why.contains("CRC64") && why.contains("status 6"), "{why}");
        assert!(objection(&xz_with(Check::Sha256, |_| {})).unwrap().contains("SHA-256"));
        let mut delta = xz_with(Check::Crc32, |chain| {
            chain.sparc();
        });
        delta[14] = 3;
        assert!(objection(&delta).unwrap().contains("filter"));
    }

    #[test]
    fn the_kernels_zstd_reads_one_frame_whose_window_is_not_too_large() {
        let frame = zstd::encode_all(&TEXT[..], 3).unwrap();
        assert_eq!(objection(&frame), None);
        let two = [frame.clone(), frame].concat();
        assert!(objection(&two).unwrap().contains("several zstd frames"));
        let mut windowed = b"\x28\xb5\x2f\xfd\x00".to_vec();
        windowed.push((27 - 10) << 3);
        assert_eq!(objection(&windowed), None);
        *windowed.last_mut().unwrap() = (28 - 10) << 3;
        assert!(objection(&windowed).unwrap().contains("256 MiB"));
    }

    #[test]
    fn the_kernels_gzip_skips_a_name_and_nothing_else() {
        let with = |builder: flate2::GzBuilder| {
            let mut writer = builder.write(Vec::new(), flate2::Compression::fast());
            writer.write_all(&TEXT).unwrap();
            writer.finish().unwrap()
        };
        assert_eq!(objection(&with(flate2::GzBuilder::new())), None);
        assert_eq!(objection(&with(flate2::GzBuilder::new().filename("m.ko"))), None);
        assert!(objection(&with(flate2::GzBuilder::new().comment("x"))).is_some());
        assert!(objection(&with(flate2::GzBuilder::new().extra(vec![0; 4]))).is_some());
        assert_eq!(objection(b"\x7fELF"), None);
    }
}
