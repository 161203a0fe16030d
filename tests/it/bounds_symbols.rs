//! Hostile symbol sources cost little: memory and time are bounded.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use crate::bounds::{LIMITS, elf};
use crate::tool::{Run, Sandbox, shell};

/// Reads a source for a map, within limits.
fn build(option: &str, source: &Path, map: &Path) -> Run {
    shell(&format!(r#"{LIMITS} exec "$0" symbols build {option} "$1" -o "$2""#), &[source, map])
}

/// A stream of zstd that unpacks to this many MiB of zeroes.
fn bomb(mib: u64) -> Vec<u8> {
    let mut writer = zstd::Encoder::new(Vec::new(), 1).unwrap();
    std::io::copy(&mut std::io::repeat(0).take(mib << 20), &mut writer).unwrap();
    writer.finish().unwrap()
}

#[test]
fn places_that_look_like_the_names_of_a_boot_image_are_tried_in_linear_time() {
    let bench = Sandbox::new();
    // Each word may be a count of symbols or the start of the names, of three bytes each.
    let mut image = vec![0; 4096];
    image.extend(std::iter::repeat_n([3, 0xff, 0, 0], 99_273).flatten());
    image.extend([0, 1, 1, 1]);
    image.extend((0..256_u32).flat_map(|n| (1024 * n).to_le_bytes()));
    let (mut tokens, mut index) = (Vec::new(), Vec::new());
    for byte in 0..=255_u8 {
        index.extend(u16::try_from(tokens.len()).unwrap().to_le_bytes());
        match byte {
            b'!'..=b'~' => tokens.push(byte),
            _ => tokens.extend([b't', b'a' + byte % 26]),
        }
        tokens.push(0);
    }
    tokens.resize(tokens.len().next_multiple_of(4), 0);
    image.extend(tokens.into_iter().chain(index));
    let image = bench.file("image", &image);
    build("--image", &image, &bench.path("map"))
        .refused(&["too many places look like the start of its names"]);
}

#[test]
fn compressed_debug_sections_are_unpacked_to_a_multiple_of_their_size() {
    let bench = Sandbox::new();
    let names =
        b"\0.text\0.debug_info\0.debug_abbrev\0.debug_ranges\0.debug_rnglists\0.debug_addr\0\
        .debug_str_offsets\0.debug_str\0.debug_line_str\0.symtab\0.strtab\0.shstrtab\0";
    let named = |name: &str| {
        let at = names.windows(name.len() + 2).position(|w| w[1..=name.len()] == *name.as_bytes());
        u32::try_from(at.unwrap() + 1).unwrap()
    };
    let packed = |size: u64, stream: Vec<u8>| {
        // ELFCOMPRESS_ZSTD.
        let header = [2_u64, size, 1].map(u64::to_le_bytes).concat();
        [header, stream].concat()
    };
    // One unit, version 5, without an entry.
    let unit = [&9_u32.to_le_bytes()[..], &[5, 0, 1, 8, 0, 0, 0, 0, 0]].concat();
    let unit = packed(13, zstd::encode_all(&unit[..], 1).unwrap());
    let stream = bomb(128);
    let mut sections = vec![(named(".text"), 1, 6, vec![0x90; 64], 0, 0, 0)];
    sections.push((named(".debug_info"), 1, 0x800, unit, 0, 0, 0));
    for name in ["abbrev", "ranges", "rnglists", "addr", "str_offsets", "str", "line_str"] {
        let body = packed(128 << 20, stream.clone());
        sections.push((named(&format!(".debug_{name}")), 1, 0x800, body, 0, 0, 0));
    }
    let mut symbol = vec![0; 24];
    symbol.extend(1_u32.to_le_bytes());
    // STB_LOCAL and STT_FUNC, in the first section.
    symbol.extend([2, 0, 1, 0]);
    symbol.extend([0; 16]);
    sections.push((named(".symtab"), 2, 0, symbol, 11, 2, 24));
    sections.push((named(".strtab"), 3, 0, b"\0probe\0".to_vec(), 0, 0, 0));
    sections.push((named(".shstrtab"), 3, 0, names.to_vec(), 0, 0, 0));
    let vmlinux = bench.file("vmlinux", &elf(2, sections));
    build("--vmlinux", &vmlinux, &bench.path("map")).done();
}

#[test]
fn homonyms_of_two_kernels_are_compared_in_linear_time() {
    let bench = Sandbox::new();
    let map = |name: &str, files: &mut dyn Iterator<Item = usize>| {
        let mut text = "klp-convert-symbol-data.0.2\n*vmlinux\n".to_owned();
        files.for_each(|n| write!(text, "-f{n}.c\ntwin\n").unwrap());
        let list = bench.file("list", text.as_bytes());
        let map = bench.path(name);
        build("--symbols", &list, &map).done();
        map
    };
    let (old, new) = (map("old", &mut (0..60_000)), map("new", &mut (0..60_000).rev()));
    let script = format!(r#"{LIMITS} exec "$0" symbols diff "$1" "$2" --all"#);
    let changes = shell(&script, &[&old, &new]).done().stdout.clone();
    assert_eq!(changes.lines().count(), 60_000);
    assert!(changes.contains("position 1 is now position 60000 (f0.c)\n"), "{}", &changes[..200]);
}

#[test]
fn one_name_in_all_modules_of_two_kernels_is_compared_in_linear_time() {
    let bench = Sandbox::new();
    let map = |name: &str, count: usize| {
        let mut text = "klp-convert-symbol-data.0.1\n".to_owned();
        (0..count).for_each(|n| write!(text, "*m{n}\ntwin\n").unwrap());
        let list = bench.file("list", text.as_bytes());
        let map = bench.path(name);
        build("--symbols", &list, &map).done();
        map
    };
    let (old, new) = (map("old", 20_000), map("new", 19_999));
    let script = format!(r#"{LIMITS} exec "$0" symbols diff "$1" "$2" --all"#);
    let changes = shell(&script, &[&old, &new]).done().stdout.clone();
    assert_eq!(changes, "m19999: twin: vanished\n");
}

#[test]
fn a_source_that_unpacks_to_more_than_any_of_its_kind_is_refused() {
    let bench = Sandbox::new();
    let packed = bench.file("packed.zst", &bomb(300));
    for option in ["--module", "--symbols", "--symvers", "--system-map", "--kallsyms"] {
        let script = format!(r#"ulimit -v 1048576; exec "$0" symbols build {option} "$1" -o map"#);
        shell(&script, &[&packed]).refused(&["KLP-E0605", "more than 256 MiB"]);
    }
}
